"""The prediction log of a chat model as a service would write it, seeded, with drifts to inject."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.local.prediction import encode
from monitor.local.texts import LANGUAGES, SENTENCES, Prose, answers, questions

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
Names = NDArray[np.object_]
Columns = dict[str, NDArray[Any]]

DAY_MS: Final = 86_400_000
STEP_MS: Final = 60_000
MAX_TOKENS: Final = 512
TIMEOUT_MS: Final = 60_000.0
SHARES: Final = {"en": 0.46, "fr": 0.20, "es": 0.12, "it": 0.09, "nl": 0.07, "pt": 0.04, "de": 0.02}
COUNTRIES: Final = {"en": "IE", "fr": "FR", "es": "ES", "it": "IT", "nl": "NL", "pt": "PT", "de": "AT"}
USERS: Final = 5_000
CHARS_A_TOKEN: Final = 4.2


class Drift(StrEnum):
    """What goes wrong, one for each of the mission's detectors; `ERRORS` is a total failure."""

    LENGTH = "length"
    LANGUAGE = "language"
    CONFIDENCE = "confidence"
    SLOW = "slow"
    ERRORS = "errors"


@dataclass(frozen=True, slots=True)
class Phase:
    """Event time from `start_ms` up to `end_ms` under one drift or none, at `load` times the usual rate.

    `versions` are the versions that answer with their shares; a LANGUAGE drift is the newest version's alone.
    """

    start_ms: int
    end_ms: int
    drift: Drift | None = None
    versions: tuple[tuple[str, float], ...] = (("v41", 1.0),)
    load: float = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in order of completion: `ts_ms` is int64[n], `keys` and `values` are Kafka's."""

    ts_ms: I64
    keys: list[bytes]
    values: list[bytes]


def traffic(
    phases: Sequence[Phase], *, per_second: float, seed: int = 0, model: str = "chat-eu"
) -> Iterator[Batch]:
    """A batch for each minute of event time of each phase; `per_second` is the mean over a day.

    The same arguments give the same bytes.
    """
    rng = np.random.default_rng(seed)
    for phase in phases:
        for start in range(phase.start_ms, phase.end_ms, STEP_MS):
            ts = _arrivals(start, min(start + STEP_MS, phase.end_ms), per_second * phase.load, rng)
            yield _batch(ts, phase, model, rng)


def records(batches: Iterator[Batch]) -> Iterator[tuple[int, bytes, bytes]]:
    """The same one by one: (ts_ms, key, value)."""
    for batch in batches:
        yield from zip(batch.ts_ms.tolist(), batch.keys, batch.values, strict=True)


def swing(ts_ms: I64) -> F64:
    """Where the day stands, -1 at 03:00 UTC to 1 at 15:00; float64[n]."""
    turns: F64 = ts_ms / DAY_MS - 9 / 24
    return np.sin(2 * np.pi * turns)


def _arrivals(start_ms: int, end_ms: int, per_second: float, rng: np.random.Generator) -> I64:
    here = float(swing(np.array([start_ms], np.int64))[0])
    n = rng.poisson(per_second * (1 + 0.15 * here) * (end_ms - start_ms) / 1_000)
    return np.sort(rng.integers(start_ms, end_ms, size=n))


def _batch(ts: I64, phase: Phase, model: str, rng: np.random.Generator) -> Batch:
    columns = _requests(ts, phase, rng)
    columns |= _answers(ts, phase, columns, rng)
    fields = {name: values.tolist() for name, values in columns.items()}
    fields |= _identities(len(ts), rng)
    fields["model"] = [model] * len(ts)
    fields["segment"] = [{"country": COUNTRIES[language]} for language in fields["expected_language"]]
    keys = [user.encode() for user in fields["user"]]
    return Batch(ts, keys, encode(len(ts), fields))


def _identities(n: int, rng: np.random.Generator) -> dict[str, list[Any]]:
    digits = rng.bytes(24 * n).hex()
    return {
        "id": [f"req-{digits[i : i + 16]}" for i in range(0, 48 * n, 48)],
        "trace_id": [digits[i + 16 : i + 48] for i in range(0, 48 * n, 48)],
        "user": [f"u-{user:04d}" for user in (rng.zipf(1.3, n) % USERS).tolist()],
    }


def _requests(ts: I64, phase: Phase, rng: np.random.Generator) -> Columns:
    n = len(ts)
    asked = _choice(SHARES, n, rng)
    tokens = np.clip(rng.lognormal(3.6, 0.7, n), 4, 2_000).astype(np.int64)
    return {
        "ts": ts,
        "version": _choice(dict(phase.versions), n, rng),
        "expected_language": asked,
        "input_tokens": tokens,
        "input": _texts(questions, asked, tokens, rng),
        **_outcome(n, phase.drift, rng),
    }


def _answers(ts: I64, phase: Phase, asked: Columns, rng: np.random.Generator) -> Columns:
    """The answer's fields, None unless the request went well; `latency_ms` is of every request."""
    n, status = len(ts), asked["status"]
    tokens = _output_tokens(ts, asked["input_tokens"], phase.drift, rng)
    ttft = 120 + rng.gamma(4.0, 25.0, n)
    latency = _latency(ts, ttft, tokens, phase.drift, rng)
    answer = {
        "output_tokens": tokens,
        "output": _texts(answers, _answered(asked, phase, rng), tokens, rng),
        "confidence": _confidence(n, phase.drift, rng),
        "finish_reason": _finish_reason(tokens, rng),
        "ttft_ms": np.round(np.minimum(ttft, latency), 1),
        "cost_usd": np.round(asked["input_tokens"] * 2e-7 + tokens * 8e-7, 8),
    }
    columns = {name: _blank(values, status != "ok") for name, values in answer.items()}
    refused = (status == "error") | (status == "rejected")
    latency = np.where(refused, np.round(rng.gamma(3.0, 15.0, n), 1), latency)
    return columns | {"latency_ms": np.where(status == "timeout", TIMEOUT_MS, latency)}


def _blank(values: NDArray[Any], where: NDArray[np.bool_]) -> Names:
    blanked: Names = values.astype(object)
    blanked[where] = None
    return blanked


def _texts(prose: Callable[[str], Prose], languages: Names, tokens: I64, rng: np.random.Generator) -> Names:
    texts = np.empty(len(tokens), object)
    starts = rng.integers(SENTENCES, size=len(tokens))
    for language in LANGUAGES:
        at = np.flatnonzero(languages == language)
        texts[at] = prose(language).cut(starts[at], (tokens[at] * CHARS_A_TOKEN).astype(np.int64))
    return texts


def _choice(shares: dict[str, float], n: int, rng: np.random.Generator) -> Names:
    names = np.array(list(shares), object)
    picked: Names = names[np.searchsorted(np.cumsum(list(shares.values()))[:-1], rng.random(n), "right")]
    return picked


def _outcome(n: int, drift: Drift | None, rng: np.random.Generator) -> Columns:
    timeout, failed, rejected = (0.975, 0.985, 0.985) if drift is Drift.ERRORS else (0.0025, 0.004, 0.007)
    u = rng.random(n)
    ends = [u < timeout, u < failed, u < rejected]
    kinds = np.select(ends, [1, 2, 3], 0)
    return {
        "status": np.array(["ok", "timeout", "error", "rejected"], object)[kinds],
        "error_type": np.array([None, "Timeout", "UpstreamReset", "InputTooLong"], object)[kinds],
    }


def _answered(asked: Columns, phase: Phase, rng: np.random.Generator) -> Names:
    expected = asked["expected_language"]
    strays = (expected != "en") & (rng.random(len(expected)) < 0.01)
    languages: Names = np.where(strays, "en", expected)
    if phase.drift is Drift.LANGUAGE:
        newest, share = phase.versions[-1]
        odds = 0.30 / share / (1 - SHARES["de"])
        switched = (asked["version"] == newest) & (rng.random(len(expected)) < odds)
        languages = np.where(switched, "de", languages)
    return languages


def _output_tokens(ts: I64, input_tokens: I64, drift: Drift | None, rng: np.random.Generator) -> I64:
    asked_for = 60 * (input_tokens / 36) ** 0.2 * (1 + 0.05 * swing(ts))
    tokens = asked_for * rng.lognormal(0.0, 0.55, len(ts))
    if drift is Drift.LENGTH:
        tokens = tokens * 0.45
    return np.clip(tokens, 3, MAX_TOKENS).astype(np.int64)


def _latency(ts: I64, ttft: F64, tokens: I64, drift: Drift | None, rng: np.random.Generator) -> F64:
    n = len(ts)
    latency = (ttft + 8.5 * tokens * rng.lognormal(0.0, 0.12, n)) * (1 + 0.04 * swing(ts))
    latency = latency * np.where(rng.random(n) < 0.006, 1.5 + rng.pareto(3.0, n), 1.0)
    if drift is Drift.SLOW:
        latency = latency * np.where(rng.random(n) < 0.05, 10.0, 1.0)
    return latency.clip(max=TIMEOUT_MS).round(1)


def _confidence(n: int, drift: Drift | None, rng: np.random.Generator) -> F64:
    a, b = (4.0, 3.0) if drift is Drift.CONFIDENCE else (12.0, 2.0)
    confidence: F64 = np.round(rng.beta(a, b, n), 4)
    return confidence


def _finish_reason(tokens: I64, rng: np.random.Generator) -> Names:
    u = rng.random(len(tokens))
    cases = [tokens >= MAX_TOKENS, u < 0.03, u < 0.04]
    reasons = np.array(["stop", "length", "tool_calls", "content_filter"], object)
    picked: Names = reasons[np.select(cases, [1, 2, 3], 0)]
    return picked
