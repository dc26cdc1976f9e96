"""Rare events, and counting them: sparse histograms of many streams in, k and n of every row out, no loop.

An event is "the bucket lies in [low, high]", or its negation, within the universe "bucket >= universe_low".
Category events may leave single buckets out ("anything but what the reference knew").
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.checks import Bools, Floats, Ints, refuse
from detectors.errors import DetectorError

Int32s = NDArray[np.int32]
LOWEST = -(2**31)
HIGHEST = 2**31 - 1


def _none() -> Int32s:
    return np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class EventTable:
    """What to count for r rows.

    `stream` int32[r] >= 0; `low`, `high` int32[r], both inclusive; `negate` bool[r]; `universe_low`
    int32[r]. `left_out_row`, `left_out_bucket` int32[x]: buckets that do not count as the event of that row
    although inside [low, high]; only for rows that are not negated. Each bucket at most once a row.
    """

    stream: Int32s
    low: Int32s
    high: Int32s
    negate: Bools
    universe_low: Int32s
    left_out_row: Int32s = field(default_factory=_none)
    left_out_bucket: Int32s = field(default_factory=_none)

    def __post_init__(self) -> None:
        columns = (self.stream, self.low, self.high, self.negate, self.universe_low)
        if {column.shape for column in columns} != {(self.stream.size,)}:
            raise DetectorError(f"columns of an EventTable differ: {[column.shape for column in columns]}")
        if self.left_out_row.shape != self.left_out_bucket.shape:
            raise DetectorError("left_out_row and left_out_bucket must be of one length")
        refuse("stream", self.stream, self.stream < 0, "must not be negative")
        rows = self.left_out_row
        refuse("left_out_row", rows, (rows < 0) | (rows >= self.stream.size), "must be a row of the table")
        if self.negate[rows].any():
            raise DetectorError("a negated row cannot leave buckets out")

    def __len__(self) -> int:
        return int(self.stream.size)


@dataclass(frozen=True, slots=True)
class RareEvents:
    """The rare events watched against one reference histogram, with their limits: r rows.

    `side` str[r] "up" or "down"; `edge` str[r] "p90", "category", "not", "unknown" or "else"; `category`
    int32[r], the id for "category" and "not", else -1; `low`, `high`, `negate`, `universe_low`,
    `left_out_*` as in `EventTable`; `m` float64[r] in (0, .5] the limit; `p_ref` float64[r] the reference's
    own rate; `share` float64[r] of the weight, summing to 1.
    """

    side: NDArray[np.str_]
    edge: NDArray[np.str_]
    category: Int32s
    low: Int32s
    high: Int32s
    negate: Bools
    universe_low: Int32s
    m: Floats
    p_ref: Floats
    share: Floats
    left_out_row: Int32s = field(default_factory=_none)
    left_out_bucket: Int32s = field(default_factory=_none)

    def __len__(self) -> int:
        return int(self.m.size)

    def table(self, stream: int) -> EventTable:
        """These events as rows to count in `stream`."""
        streams = np.full(len(self), stream, dtype=np.int32)
        columns = (
            self.low,
            self.high,
            self.negate,
            self.universe_low,
            self.left_out_row,
            self.left_out_bucket,
        )
        return EventTable(streams, *columns)


def stack(tables: Sequence[EventTable]) -> EventTable:
    """All rows of `tables`, in their order, as one table.

    >>> one = interval(stream=0, low=1, high=1)
    >>> len(stack([one, one]))
    2
    """
    if not tables:
        return EventTable(_none(), _none(), _none(), np.empty(0, dtype=np.bool_), _none())
    offsets = np.cumsum([0] + [len(table) for table in tables[:-1]])
    moved = [table.left_out_row + offset for table, offset in zip(tables, offsets, strict=True)]
    return EventTable(
        stream=np.concatenate([table.stream for table in tables]),
        low=np.concatenate([table.low for table in tables]),
        high=np.concatenate([table.high for table in tables]),
        negate=np.concatenate([table.negate for table in tables]),
        universe_low=np.concatenate([table.universe_low for table in tables]),
        left_out_row=np.concatenate(moved).astype(np.int32),
        left_out_bucket=np.concatenate([table.left_out_bucket for table in tables]),
    )


def interval(
    stream: int, low: int, high: int, negate: bool = False, universe_low: int = LOWEST
) -> EventTable:
    """A table of one row: "low <= bucket <= high" in `stream`; a rate is the interval [1, 1].

    >>> interval(stream=3, low=1, high=1).high
    array([1], dtype=int32)
    """

    def cell(value: int) -> Int32s:
        return np.array([value], dtype=np.int32)

    return EventTable(cell(stream), cell(low), cell(high), np.array([negate]), cell(universe_low))


def count(table: EventTable, stream: ArrayLike, bucket: ArrayLike, count: ArrayLike) -> tuple[Ints, Ints]:
    """k and n of every row of `table`: two int64[r]; n is what lies in the row's universe, k its event.

    `stream`, `bucket` int32[c], `count` int64[c] >= 0: sparse histograms of any streams in any order; the
    same bucket may come several times (partial panes add up). A stream that is not there has n = 0. Cost:
    one sort of c cells and six binary searches a row. Raises `DetectorError` for negative counts or
    streams, or arrays that do not fit.

    >>> k, n = count(interval(0, 1, 1), stream=[0, 0, 5], bucket=[0, 1, 1], count=[18, 2, 7])
    >>> k.tolist(), n.tolist()
    ([2], [20])
    """
    where, cell, many = (
        np.asarray(stream, np.int64),
        np.asarray(bucket, np.int64),
        np.asarray(count, np.int64),
    )
    if where.ndim != 1 or not where.shape == cell.shape == many.shape:
        raise DetectorError(
            f"stream {where.shape}, bucket {cell.shape}, count {many.shape} must be flat, of one length"
        )
    refuse("count", many, many < 0, "must not be negative")
    refuse("stream", where, where < 0, "must not be negative")
    keys = _key(where, cell)
    order = np.argsort(keys, kind="stable")
    cells = _Cells(keys[order], np.concatenate([[0], np.cumsum(many[order])]))
    row = table.stream.astype(np.int64)
    lowest = np.maximum(table.low, table.universe_low).astype(np.int64)
    highest = table.high.astype(np.int64)
    n = cells.between(row, table.universe_low.astype(np.int64), np.full_like(row, HIGHEST))
    within = np.where(lowest <= highest, cells.between(row, lowest, np.maximum(lowest, highest)), 0)
    k = np.where(table.negate, n - within, within)
    return k - _left_out(table, cells, lowest, highest), n


@dataclass(frozen=True, slots=True)
class _Cells:
    keys: Ints
    before: Ints

    def between(self, stream: Ints, low: Ints, high: Ints) -> Ints:
        """How many lie in [low, high] of each stream."""
        start = np.searchsorted(self.keys, _key(stream, low), side="left")
        end = np.searchsorted(self.keys, _key(stream, high), side="right")
        total: Ints = self.before[end] - self.before[start]
        return total


def _key(stream: Ints, bucket: Ints) -> Ints:
    key: Ints = (stream << 32) + (bucket - LOWEST)
    return key


def _left_out(table: EventTable, cells: _Cells, lowest: Ints, highest: Ints) -> Ints:
    rows, bucket = table.left_out_row, table.left_out_bucket.astype(np.int64)
    if not rows.size:
        return np.zeros(len(table), dtype=np.int64)
    single = cells.between(table.stream[rows].astype(np.int64), bucket, bucket)
    inside = (bucket >= lowest[rows]) & (bucket <= highest[rows])
    total = np.zeros(len(table), dtype=np.int64)
    np.add.at(total, rows, np.where(inside, single, 0))
    return total
