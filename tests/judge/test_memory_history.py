"""What a replay remembers of its counts, with bounded memory."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from monitor.judge import history
from monitor.judge.history import MemoryHistory
from monitor.records.delta import PANE_MS, Cells, Versions

LATENCY, ERROR = 22, 1


class Numbers:
    """Names that are numbers."""

    def stream_key(self, stream: int) -> str:
        return str(stream)

    def labels(self, stream: int) -> Mapping[str, str]:
        return {}

    def category(self, stream: int, signal: int, category: int) -> str:
        return str(category)

    def slice(self, slice_id: int) -> tuple[str, str]:
        return "version", str(slice_id)


def cells(rng: np.random.Generator, pane: int, n: int) -> Cells:
    """`n` cells of stream 1 in a pane, in buckets of their own, half of them of version 3."""
    columns = {f.name: np.full(n, 1, np.int64) for f in fields(Cells)}
    columns |= {
        "slice": np.arange(n) % 2 * 3,
        "signal": np.full(n, LATENCY),
        "bucket": rng.integers(0, 400, n),
    }
    return Cells(**(columns | {"pane": np.full(n, pane), "evidence": np.full(n, pane)}))


def test_of_many_cells_the_newest_are_kept_whole_and_the_sum_of_all(monkeypatch) -> None:
    monkeypatch.setattr(history, "MOST_CELLS", 20_000)
    monkeypatch.setattr(history, "NEWEST_CELLS", 5_000)
    rng = np.random.default_rng(5)
    past, newest = MemoryHistory(Numbers(), {LATENCY}), {}
    for pane in range(3_000):
        newest = cells(rng, pane, 100)
        past.add(newest, Versions())
        assert len(past._cells(LATENCY).count) <= 25_000
    assert past.total(1, LATENCY, 0, 0, 3_000 * PANE_MS) == 150_000
    buckets, counts = past.counts(1, LATENCY, 3, 2_999 * PANE_MS, 3_000 * PANE_MS)
    wanted = np.bincount(newest.bucket[newest.slice == 3])
    assert dict(zip(buckets.tolist(), counts.tolist(), strict=True)) == {
        b: c for b, c in enumerate(wanted.tolist()) if c
    }


def test_signals_that_no_rule_reads_are_not_kept() -> None:
    past = MemoryHistory(Numbers(), {ERROR})
    past.add(cells(np.random.default_rng(1), 5, 10), Versions())
    assert past._cells(ERROR).count.size == 0
    assert [s.slice_id for s in past.slices(1)] == [3]
