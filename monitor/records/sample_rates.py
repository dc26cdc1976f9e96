"""Logs that are sampled: `sample_rate` must be the same for every status, or no rate means anything."""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from itertools import combinations
from math import inf
from typing import Final

import numpy as np

from monitor.records.batch import Batch
from monitor.records.counting import group
from monitor.records.delta import F64, I64
from monitor.records.names import Names
from monitor.records.signals import Of

STREAMS_HELD: Final = 1_000
NOTICES: Final = 20

_STATUSES: Final = ("ok", "error", "timeout", "rejected")


@dataclass(slots=True)
class _Seen:
    """The least and largest rate of each status in one pane of a stream, by arrival; `n` records have one."""

    pane: int
    n: int = 0
    low: list[float] = field(default_factory=lambda: [inf] * len(_STATUSES))
    high: list[float] = field(default_factory=lambda: [-inf] * len(_STATUSES))

    def add(self, status: int, low: float, high: float, n: int) -> None:
        self.n += n
        self.low[status] = min(self.low[status], low)
        self.high[status] = max(self.high[status], high)

    def differing(self) -> tuple[int, int] | None:
        """Two statuses whose ranges of rates do not meet."""
        there = [i for i, low in enumerate(self.low) if low < inf]
        apart = [(a, b) for a, b in combinations(there, 2) if self._apart(a, b)]
        return apart[0] if apart else None

    def _apart(self, a: int, b: int) -> bool:
        return self.high[a] < self.low[b] or self.high[b] < self.low[a]


class SampleRates:
    """Looks for a stream whose statuses are sampled at different rates, pane by pane of one partition.

    Counts are never multiplied by 1 / `sample_rate`: at one rate for all, shares and percentiles are right as
    they are, and `requests` is of what was logged. Where the rates of two statuses of a stream do not meet in a
    pane, shares are wrong by an unknown amount. The records still count, since nothing better is known, but
    `sample_rate` is refused: counted as a dropped field, with one sentence a stream in `take`. A change of the
    rate for all is no such case, nor are two producers that each have one rate.
    """

    def __init__(self, names: Names, dropped: Counter[str]) -> None:
        self._names = names
        self._dropped = dropped
        self._streams: OrderedDict[int, _Seen] = OrderedDict()
        self._told: set[str] = set()
        self._notices: list[str] = []
        self._newest = 0

    def take(self) -> tuple[str, ...]:
        """Sentences not taken yet."""
        notices, self._notices = tuple(self._notices), []
        return notices

    def note(self, batch: Batch, stream: I64, pane: I64) -> None:
        """Look at a batch; `stream` and `pane` are int64[n]."""
        # Panes by arrival only go up, so what is found does not depend on how batches are cut.
        arrival = np.maximum.accumulate(np.maximum(pane, self._newest))
        self._newest = int(arrival[-1])
        rates = batch.columns.number("sample_rate")
        if rates is None:
            return
        rows = np.flatnonzero(batch.of[Of.ALL] & ~np.isnan(rates))
        if rows.size:
            self._fold(arrival[rows], stream[rows], _statuses(batch)[rows], rates[rows])

    def _fold(self, pane: I64, stream: I64, status: I64, rates: F64) -> None:
        groups = group([pane, stream, status])
        n = np.bincount(groups.code)
        low, high = np.full(groups.size, inf), np.full(groups.size, -inf)
        np.minimum.at(low, groups.code, rates)
        np.maximum.at(high, groups.code, rates)
        keys = (key.tolist() for key in groups.keys)
        for p, s, t, a, b, k in zip(*keys, low.tolist(), high.tolist(), n.tolist(), strict=True):
            self._seen(s, p).add(t, a, b, k)

    def _seen(self, stream: int, pane: int) -> _Seen:
        """The stream's current pane; the one before is judged now that it is over."""
        seen = self._streams.get(stream)
        if seen is None or seen.pane < pane:
            if seen is not None:
                self._judge(stream, seen)
            seen = self._streams[stream] = _Seen(pane)
            self._streams.move_to_end(stream)
            if len(self._streams) > STREAMS_HELD:
                self._streams.popitem(last=False)
        return seen

    def _judge(self, stream: int, seen: _Seen) -> None:
        differing = seen.differing()
        if differing is None:
            return
        self._dropped["sample_rate"] += seen.n
        name = self._names.stream(stream).key
        if name not in self._told and len(self._told) < NOTICES:
            self._told.add(name)
            self._notices.append(_sentence(name, seen, *differing))


def _sentence(name: str, seen: _Seen, a: int, b: int) -> str:
    return (
        f"{name}: sample_rate is {seen.low[a]:g} for {_STATUSES[a]} and {seen.low[b]:g} for {_STATUSES[b]} "
        "records, so every rate of this stream is wrong: log all statuses at one rate"
    )


def _statuses(batch: Batch) -> I64:
    """Places in `_STATUSES`: int64[n]."""
    return batch.error + 2 * batch.timeout + 3 * batch.rejected.astype(np.int64)
