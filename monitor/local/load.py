"""Plain load for the benchmark: records of one size at an even rate of event time, cheap to make."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.local.prediction import encode
from monitor.local.texts import LANGUAGES, SENTENCES, answers
from monitor.local.traffic import SHARES, Batch

TEXT_CHARS: Final = 120
BATCH: Final = 20_000
DISTINCT_TEXTS: Final = 4_096


def bench_records(
    n: int, start_ms: int, *, per_second: float, streams: int = 1, failing: float = 0.004, seed: int = 0
) -> Iterator[Batch]:
    """n records of about 350 bytes with texts of 120 characters, `per_second` of event time over all streams.

    Streams are models `bench-000` on, in turn; a share of `failing` ends in timeout. Keys are request ids.
    The same arguments give the same bytes.
    """
    rng = np.random.default_rng(seed)
    texts = _distinct_texts(rng)
    for first in range(0, n, BATCH):
        numbers = np.arange(first, min(first + BATCH, n))
        ts = start_ms + (numbers * 1_000 / per_second).astype(np.int64)
        yield _batch(ts, numbers % streams, texts, failing, rng)


def _distinct_texts(rng: np.random.Generator) -> NDArray[np.object_]:
    texts: list[str] = []
    for language in LANGUAGES:
        starts = rng.integers(SENTENCES, size=round(DISTINCT_TEXTS * SHARES[language]))
        texts += answers(language).chars(starts, TEXT_CHARS)
    return np.array(texts, object)


def _batch(
    ts: NDArray[np.int64],
    stream: NDArray[np.int64],
    texts: NDArray[np.object_],
    failing: float,
    rng: np.random.Generator,
) -> Batch:
    n = len(ts)
    failed = rng.random(n) < failing
    tokens = np.clip(rng.lognormal(3.4, 0.5, n), 3, 1_024).astype(np.int64)
    latency = np.where(failed, 60_000.0, np.round(150 + 6.0 * tokens * rng.lognormal(0.0, 0.2, n), 1))
    answer: dict[str, NDArray[Any]] = {
        "output": texts[rng.integers(len(texts), size=n)],
        "output_tokens": tokens,
        "confidence": np.round(rng.beta(12.0, 2.0, n), 4),
        "finish_reason": np.where(rng.random(n) < 0.02, "length", "stop"),
    }
    columns: dict[str, list[Any]] = {name: _of_ok(values, failed) for name, values in answer.items()}
    digits = rng.bytes(24 * n).hex()
    columns |= {
        "model": [f"bench-{s:03d}" for s in stream.tolist()],
        "version": ["v41"] * n,
        "id": [digits[i : i + 16] for i in range(0, 48 * n, 48)],
        "trace_id": [digits[i + 16 : i + 48] for i in range(0, 48 * n, 48)],
        "ts": ts.tolist(),
        "status": np.where(failed, "timeout", "ok").tolist(),
        "latency_ms": latency.tolist(),
    }
    return Batch(ts, [name.encode() for name in columns["id"]], encode(n, columns))


def _of_ok(values: NDArray[Any], failed: NDArray[np.bool_]) -> list[Any]:
    column: list[Any] = values.astype(object).tolist()
    for i in np.flatnonzero(failed).tolist():
        column[i] = None
    return column
