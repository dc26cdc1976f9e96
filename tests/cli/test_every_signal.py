"""Every signal of the contract from record to incident: a log in which it alone goes bad, through replay."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor import config
from monitor.cli.found import Incident
from monitor.cli.lines import read
from monitor.cli.replayer import Replay
from monitor.config import REPLAY
from monitor.records.signals import MISSING, SIGNALS, Kind

CALM, CHANGED, START = 900, 600, 1_763_000_000
HEAD = """
name: test
source: {bootstrap_servers: "localhost:9092", topic: predictions}
store: {url: "postgresql://localhost/none"}
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
defaults: {min_n: 20}
reference: {learn: 600, at_least: 0s}
feedback: {bad_below: 0.5}
"""
GERMAN = (
    "Guten Tag, vielen Dank für Ihre Nachricht. Wir prüfen die Angelegenheit und melden uns morgen wieder."
)
ENGLISH = (
    "Good morning, thank you for your message. We will look into the matter and come back to you tomorrow."
)
Fields = dict[str, Any]
Make = Callable[[np.random.Generator, bool], Fields]


def share(field: str, event: Any, otherwise: Any, usual: float = 0.02, bad: float = 0.5, **also: Any) -> Make:
    """A field that has `event` in some share of the records, and in far more of the bad ones."""

    def make(rng: np.random.Generator, changed: bool) -> Fields:
        hit = rng.random() < (bad if changed else usual)
        return {field: event if hit else otherwise, **also}

    return make


def around(field: str, median: float, bad: float, **also: Any) -> Make:
    """A positive number around a median, and around another one when bad."""
    return lambda rng, changed: {field: float((bad if changed else median) * rng.lognormal(0, 0.2)), **also}


def probability(field: str) -> Make:
    return lambda rng, changed: {field: float(rng.beta(2, 6) if changed else rng.beta(12, 2))}


def text(field: str) -> Make:
    return lambda rng, changed: {field: ("word " * int((200 if changed else 40) * rng.lognormal(0, 0.2)))}


def language(field: str) -> Make:
    return lambda rng, changed: {field: GERMAN if changed and rng.random() < 0.5 else ENGLISH}


def stale(rng: np.random.Generator, changed: bool) -> Fields:
    return {
        "version": "v2",
        "cache_hit": True,
        "cached_version": "v1" if changed and rng.random() < 0.5 else "v2",
    }


def inconsistent(rng: np.random.Generator, changed: bool) -> Fields:
    asked = int(rng.integers(20))
    return {"input": f"question {asked}", "prediction": f"answer {rng.integers(5) if changed else asked}"}


def sure_and_wrong(rng: np.random.Generator, changed: bool) -> Fields:
    return {"confidence": 0.95, "correct": bool(rng.random() > (0.4 if changed else 0.02))}


def away(rng: np.random.Generator, changed: bool) -> Fields:
    return {"prediction": 100.0, "label": 100.0 + (40 if changed else 10) * rng.lognormal(0, 0.2)}


def wrongly(rng: np.random.Generator, changed: bool) -> Fields:
    return {"output": GERMAN if changed and rng.random() < 0.5 else ENGLISH, "expected_language": "en"}


MADE: dict[str, Make] = {
    "error": share("status", "error", "ok"),
    "timeout": share("status", "timeout", "ok"),
    "rejected": share("status", "rejected", "ok"),
    "truncated": share("finish_reason", "length", "stop"),
    "empty_output": share("output", "", "text"),
    "abstained": share("abstained", True, False),
    "invalid_output": share("valid_output", False, True),
    "fallback": share("fallback", True, False),
    "negative_feedback": share("rating", 0, 1),
    "incorrect": share("correct", False, True),
    "confidently_wrong": sure_and_wrong,
    "wrong_language": wrongly,
    "cold_start": share("cold_start", True, False),
    "stale_cache": stale,
    "inconsistent": inconsistent,
    "input_tokens": around("input_tokens", 300, 900),
    "output_tokens": around("output_tokens", 200, 60),
    "input_chars": text("input"),
    "output_chars": text("output"),
    "confidence": probability("confidence"),
    "score": probability("score"),
    "latency_ms": around("latency_ms", 800, 2_400),
    "ttft_ms": around("ttft_ms", 90, 300),
    "memory_bytes": around("memory_bytes", 2e9, 5e9),
    "cost_usd": around("cost_usd", 0.002, 0.007),
    "batch_size": around("batch_size", 8, 24),
    "abs_error": away,
    "input_language": language("input"),
    "output_language": language("output"),
    "finish_reason": share("finish_reason", "content_filter", "stop"),
    "error_type": share("error_type", "RateLimit", "Timeout", status="error"),
    "prediction": share("prediction", "DECLINE", "APPROVE", usual=0.1),
    "version": share("version", "v2", "v1", usual=0.0),
}
ELSEWHERE = {
    "late": "tests/records/test_event_time.py and below: it is about the order of the lines",
    "requests": "tests/judge/test_against_last_week.py: it needs a week",
    f"{MISSING}ts": "a line without `ts` has no place in a replay",
}
WITHOUT = [s.name for s in SIGNALS if s.name.startswith(MISSING) and s.name not in ELSEWHERE]
VALUES: dict[str, Any] = {
    "status": "ok", "cache_hit": True, "cold_start": False, "fallback": False, "valid_output": True, "abstained": False,
    "correct": True, "features": {"a": 1}, "segment": {"a": "b"}, "sample_rate": 1, "confidence": 0.9, "score": 0.9,
    "prediction": "A", "label": "A", "input_language": "en", "output_language": "en", "expected_language": "en",
}  # fmt: skip


def given(name: str) -> Any:
    """A usable value of the field that a `missing.` signal is about."""
    field = name.removeprefix(MISSING)
    number = field.endswith(("_tokens", "_ms", "_bytes", "_usd", "_size")) or field == "rating"
    return VALUES.get(field, 1 if number else "x")


def lacking(rng: np.random.Generator, changed: bool) -> Fields:
    """Every field of a failure or an answer, each gone in half of the bad ones."""
    fields = {name.removeprefix(MISSING): given(name) for name in WITHOUT}
    failed = rng.random() < 0.5
    fields |= {"status": "error"} if failed else {"error_type": None, "error_message": None}
    return {k: v for k, v in fields.items() if not (changed and rng.random() < 0.5)}


def incidents(tmp_path: Path, signal: str, make: Make) -> list[Incident]:
    """What a replay finds with one rule on the signal; the change comes after `CALM` records, one a second."""
    kind = next((s.kind for s in SIGNALS if s.name == signal), Kind.RATE)
    condition = "above: 2x" if kind is Kind.RATE else "drift: both"
    path = tmp_path / "alerts.yaml"
    path.write_text(f"{HEAD}rules: [{{name: it, signal: '{signal}', {condition}}}]\n")
    rng = np.random.default_rng(17)
    records = [{"model": "m", "ts": START + i, **make(rng, i >= CALM)} for i in range(CALM + CHANGED)]
    lines = (json.dumps(record).encode() for record in records)
    replay = Replay(config.load(path, environ={}, need=REPLAY))
    for part in read(lines, Counter()):
        replay.feed(part)
    return replay.finish().found.incidents


def test_every_signal_of_the_registry_is_here() -> None:
    assert {s.name for s in SIGNALS} == {*MADE, *WITHOUT, *ELSEWHERE}


@pytest.mark.parametrize("signal", MADE)
def test_it_is_found_when_it_goes_bad_and_not_before(tmp_path: Path, signal: str) -> None:
    found = incidents(tmp_path, signal, MADE[signal])
    assert [i.facts.signal for i in found] == [signal]
    assert 0 <= found[0].facts.detected_ms - (START + CALM) * 1000 <= CHANGED * 1000
    assert abs(found[0].facts.onset_ms - (START + CALM) * 1000) <= 120_000


def test_every_field_is_missed_when_it_is_no_longer_there(tmp_path: Path) -> None:
    found = incidents(tmp_path, f"{MISSING}*", lacking)
    assert {i.facts.signal for i in found} == {*WITHOUT}
    assert min(i.facts.detected_ms for i in found) >= (START + CALM) * 1000


def test_records_that_come_late_are_found_too(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(f"{HEAD}rules: [{{name: it, signal: late, above: 2x}}]\n")
    records = [
        {"model": "m", "ts": START + i - (60 if i >= CALM and i % 3 == 0 else 0)}
        for i in range(CALM + CHANGED)
    ]
    replay = Replay(config.load(path, environ={}, need=REPLAY))
    for part in read((json.dumps(r).encode() for r in records), Counter()):
        replay.feed(part)
    assert [i.facts.signal for i in replay.finish().found.incidents] == ["late"]
