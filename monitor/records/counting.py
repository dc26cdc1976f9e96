"""Counting a batch by group and bucket without a loop over records."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.records.delta import F64, I64
from monitor.records.fold import grouped, pack
from monitor.records.measure import Measured
from monitor.records.names import Names

_ROOM = 4_096
"""Dense tables may have this many places more than four for each record; beyond it, sorting is faster."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The distinct rows of some key columns: `keys` int64[g] each, and the group of each record, int64[n]."""

    keys: tuple[I64, ...]
    code: I64

    @property
    def size(self) -> int:
        """How many groups there are."""
        return int(self.keys[0].size)

    def by_coming(self) -> I64:
        """The groups in the order in which each first comes: int64[g]."""
        first = np.empty(self.size, np.int64)
        first[self.code[::-1]] = np.arange(self.code.size - 1, -1, -1)
        return np.argsort(first)


def group(columns: Sequence[I64]) -> Groups:
    """Records by their key columns int64[n]; groups ascend by key."""
    n = columns[0].size
    packed = pack(columns) if n else None
    if packed is None:
        return _group_wide(columns)
    places, packing = packed
    span = 1 << sum(packing.widths)
    if span == 1:
        return Groups(tuple(c[:1] for c in columns), places)
    if span > 4 * n + _ROOM:
        distinct, code = np.unique(places, return_inverse=True)
        return Groups(tuple(packing.unpack(distinct)), code)
    taken = np.zeros(span, np.bool_)
    taken[places] = True
    distinct = np.flatnonzero(taken)
    table = np.empty(span, np.int64)
    table[distinct] = np.arange(distinct.size)
    return Groups(tuple(packing.unpack(distinct)), table[places])


def _group_wide(columns: Sequence[I64]) -> Groups:
    keys, order, starts = grouped(columns)
    code = np.empty(order.size, np.int64)
    code[order] = np.repeat(np.arange(starts.size), np.diff(np.append(starts, order.size)))
    return Groups(tuple(keys), code)


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of one signal, int64[c] each: distinct (group, bucket)."""

    group: I64
    bucket: I64
    count: I64


def count(code: I64, n_groups: int, bucket: I64) -> Counted:
    """How often each bucket occurs in each group; `code` and `bucket` are int64[m], m > 0."""
    low = int(bucket.min())
    span = int(bucket.max()) - low + 1
    places = code * span
    places += bucket
    places -= low
    if n_groups * span <= 4 * bucket.size + _ROOM:
        dense = np.bincount(places)
        taken = np.flatnonzero(dense)
        counts = dense[taken]
    else:
        taken, counts = np.unique(places, return_counts=True)
    groups, offset = np.divmod(taken, span)
    return Counted(groups, offset + low, counts)


def named(counted: Counted, measured: Measured, streams: I64, names: Names) -> Counted:
    """`counted` with a category's buckets as local codes of its stream; `streams` int64[g] is by group."""
    if measured.names is None:
        return counted
    places = zip(streams[counted.group].tolist(), counted.bucket.tolist(), strict=True)
    codes = [names.category_code(stream, measured.signal, measured.names[i]) for stream, i in places]
    return Counted(counted.group, np.array(codes, np.int64), counted.count)


def total(code: I64, n_groups: int, values: F64) -> tuple[I64, F64]:
    """The groups that have any of `values` float64[m], and the sum of each."""
    present = np.flatnonzero(np.bincount(code, minlength=n_groups))
    sums = np.bincount(code, weights=values, minlength=n_groups)
    return present, sums[present].astype(np.float64)
