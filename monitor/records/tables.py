"""A measured batch as rows of a delta's tables, with local codes."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np

from monitor.records.batch import Batch
from monitor.records.columns import ABSENT, Bools, Distinct
from monitor.records.counting import Groups, count, group, named, total
from monitor.records.delta import I64, Cells, Slots, Sums, Versions
from monitor.records.measure import Measured
from monitor.records.names import Names
from monitor.records.settings import NO_VALUE
from monitor.records.signals import Of

Table = TypeVar("Table", Cells, Sums)

_EMPTY = np.empty(0, np.int64)


def cells_and_sums(
    measured: Sequence[Measured], keys: tuple[I64, I64, I64, I64], names: Names
) -> tuple[Cells, Sums]:
    """Counts and sums by (stream, slice, pane, evidence); `keys` are these four, int64[n].

    Records whose slice is `ABSENT` are left out.
    """
    groups = group(keys)
    return _cells(measured, groups, names), _sums(measured, groups)


def slots(clock: int, measured: Sequence[Measured], stream: I64, slot: I64, names: Names) -> Slots:
    """Counts by (stream, slot), int64[n] each; records whose slot is `ABSENT` are left out."""
    groups = group((stream, slot))
    at, signal, bucket, counts = _counts(measured, groups, names)
    streams, places = groups.keys
    kept = places[at] != ABSENT
    at = at[kept]
    return Slots(np.full(at.size, clock), streams[at], signal[kept], places[at], bucket[kept], counts[kept])


def versions(batch: Batch, stream: I64, slices: I64, version: Distinct, event_ms: I64) -> Versions:
    """When each named version gave predictions; `stream`, `slices` and `event_ms` are int64[n]."""
    rows = np.flatnonzero(batch.of[Of.ALL] & _has_version(version))
    if rows.size == 0:
        return Versions()
    groups = group((stream[rows], slices[rows]))
    times = event_ms[rows]
    first = np.full(groups.size, np.iinfo(np.int64).max)
    last = np.full(groups.size, np.iinfo(np.int64).min)
    np.minimum.at(first, groups.code, times)
    np.maximum.at(last, groups.code, times)
    streams, places = groups.keys
    return Versions(streams, places, first, last, np.bincount(groups.code))


def _has_version(version: Distinct) -> Bools:
    unnamed = version.names.index(NO_VALUE) if NO_VALUE in version.names else len(version.names)
    return np.asarray(version.codes != unnamed)


def _cells(measured: Sequence[Measured], groups: Groups, names: Names) -> Cells:
    at, signal, bucket, counts = _counts(measured, groups, names)
    stream, slices, pane, evidence = groups.keys
    cells = Cells(stream[at], slices[at], signal, pane[at], evidence[at], bucket, counts)
    return _of_slices(cells)


def _sums(measured: Sequence[Measured], groups: Groups) -> Sums:
    valued = [m for m in measured if m.values is not None]
    if not valued:
        return Sums()
    parts = [total(_code(groups, m), groups.size, m.values) for m in valued if m.values is not None]
    at = np.concatenate([at for at, _ in parts])
    signal = np.repeat([m.signal for m in valued], [at.size for at, _ in parts])
    stream, slices, pane, evidence = (key[at] for key in groups.keys)
    return _of_slices(Sums(stream, slices, signal, pane, evidence, np.concatenate([t for _, t in parts])))


def _counts(measured: Sequence[Measured], groups: Groups, names: Names) -> tuple[I64, I64, I64, I64]:
    """Group, signal, bucket and count of all of `measured`: int64[c] each."""
    streams = groups.keys[0]
    parts = [
        (named(count(_code(groups, m), groups.size, m.bucket), m, streams, names), m.signal) for m in measured
    ]
    if not parts:
        return _EMPTY, _EMPTY, _EMPTY, _EMPTY
    return (
        np.concatenate([c.group for c, _ in parts]),
        np.repeat([signal for _, signal in parts], [c.count.size for c, _ in parts]),
        np.concatenate([c.bucket for c, _ in parts]),
        np.concatenate([c.count for c, _ in parts]),
    )


def _code(groups: Groups, measured: Measured) -> I64:
    return groups.code if measured.rows is None else groups.code[measured.rows]


def _of_slices(table: Table) -> Table:
    """Without the rows of no slice."""
    kept = table.slice != ABSENT
    if kept.all():
        return table
    return type(table)(*(getattr(table, f.name)[kept] for f in fields(table)))
