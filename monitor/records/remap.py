"""From the codes of this process to the ids of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

import numpy as np

from monitor.records.delta import I64, Cells, Delta, Intake, Languages, Slots, Sums, Versions
from monitor.records.fold import fold, grouped
from monitor.records.signals import FIRST_CATEGORY, WHOLE
from monitor.records.user_signals import categories as categorical

DROPPED: Final = -1
"""A slice's id where the ledger has no place for it: its cells go, those of the whole stream stay."""

_Sliced = TypeVar("_Sliced", Cells, Sums, Versions)


@dataclass(frozen=True, slots=True)
class Used:
    """The local codes that an intake uses, ascending.

    `slices` are without the whole; `categories` are (stream, signal, code), without unknown and other.
    """

    streams: tuple[int, ...]
    slices: tuple[int, ...]
    categories: tuple[tuple[int, int, int], ...]


def used(intake: Intake) -> Used:
    """Which local codes admission has to translate for `intake`."""
    delta = intake.delta
    tables: tuple[Any, ...] = (delta.cells, delta.sums, delta.slots, delta.languages, delta.versions)
    streams = np.concatenate(
        [t.stream for t in tables] + [np.array([s.stream for s in intake.samples], np.int64)]
    )
    slices = np.concatenate([t.slice for t in (delta.cells, delta.sums, delta.languages, delta.versions)])
    triples, _, _ = grouped(_category_rows(delta))
    return Used(
        streams=tuple(np.unique(streams).tolist()),
        slices=tuple(np.unique(slices[slices != WHOLE]).tolist()),
        categories=tuple(zip(*(c.tolist() for c in triples), strict=True)),
    )


def _category_rows(delta: Delta) -> list[I64]:
    tables: tuple[Any, ...] = (delta.cells, delta.slots, delta.languages)
    columns = [np.concatenate([getattr(t, name) for t in tables]) for name in ("stream", "signal", "bucket")]
    rows = categorical(columns[1]) & (columns[2] >= FIRST_CATEGORY)
    return [c[rows] for c in columns]


def remap(
    intake: Intake,
    streams: Mapping[int, int],
    slices: Mapping[int, int],
    categories: Mapping[tuple[int, int, int], int],
) -> Intake:
    """`intake` with the ledger's ids; rows that became equal are added up.

    `streams` and `slices` map local codes, `categories` (local stream, signal, local code): each at least
    what `used` names. A slice may map to `DROPPED`. Raises KeyError for a code that is not in its map.
    """
    delta = intake.delta
    cells = replace(delta.cells, bucket=_buckets(delta.cells, categories))
    slots = replace(delta.slots, bucket=_buckets(delta.slots, categories))
    languages = replace(delta.languages, bucket=_buckets(delta.languages, categories))
    moved = Delta(
        cells=_moved(cells, streams, slices),
        sums=_moved(delta.sums, streams, slices),
        slots=replace(slots, stream=_translate(slots.stream, streams)),
        languages=_moved_languages(languages, streams, slices),
        versions=_moved(delta.versions, streams, slices),
    )
    samples = tuple(replace(s, stream=streams[s.stream]) for s in intake.samples)
    return replace(intake, delta=fold([moved]), samples=samples)


def _translate(codes: I64, ids: Mapping[int, int]) -> I64:
    """Codes int64[n] >= 0 through `ids`; 0 (`WHOLE`, or the stream `(other)`) needs no entry."""
    if codes.size == 0:
        return codes
    present = np.flatnonzero(np.bincount(codes))
    table = np.zeros(int(present[-1]) + 1, np.int64)
    table[present] = [ids.get(0, 0) if code == 0 else ids[code] for code in present.tolist()]
    return table[codes]


def _moved(table: _Sliced, streams: Mapping[int, int], slices: Mapping[int, int]) -> _Sliced:
    slice_ids = _translate(table.slice, slices)
    moved = replace(table, stream=_translate(table.stream, streams), slice=slice_ids)
    kept = slice_ids != DROPPED
    if kept.all():
        return moved
    return type(table)(*(getattr(moved, f.name)[kept] for f in fields(table)))


def _moved_languages(table: Languages, streams: Mapping[int, int], slices: Mapping[int, int]) -> Languages:
    slice_ids = np.maximum(_translate(table.slice, slices), WHOLE)
    return replace(table, stream=_translate(table.stream, streams), slice=slice_ids)


def _buckets(table: Cells | Slots | Languages, ids: Mapping[tuple[int, int, int], int]) -> I64:
    rows = np.flatnonzero(categorical(table.signal) & (table.bucket >= FIRST_CATEGORY))
    buckets = table.bucket.copy()
    triples, order, starts = grouped([table.stream[rows], table.signal[rows], table.bucket[rows]])
    if starts.size:
        new = np.array([ids[triple] for triple in zip(*(c.tolist() for c in triples), strict=True)], np.int64)
        buckets[rows[order]] = np.repeat(new, np.diff(np.append(starts, rows.size)))
    return buckets
