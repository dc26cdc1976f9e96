"""Adding tables of counts: rows with equal keys become one, in one numpy pass over packed keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.records.delta import I64, Cells, Delta, Languages, Slots, Sums, Versions
from monitor.records.signals import ALL_USERS, FAILED_USERS

SAMPLE_SIZE = 300
SKETCH_SIZE = 256

Table = TypeVar("Table", Cells, Sums, Slots, Languages, Versions)


@dataclass(frozen=True, slots=True)
class Packing:
    """How key columns share one int64: each is `column - base`, shifted left by the widths to its right."""

    bases: tuple[int, ...]
    widths: tuple[int, ...]

    def unpack(self, keys: I64) -> list[I64]:
        """The columns int64[n] again."""
        columns: list[I64] = []
        rest = keys
        for base, width in zip(reversed(self.bases), reversed(self.widths), strict=True):
            columns.append((rest & ((1 << width) - 1)) + base)
            rest = rest >> width
        return columns[::-1]


def pack(columns: Sequence[I64]) -> tuple[I64, Packing] | None:
    """Key columns int64[n], n > 0, as one int64[n] in the same order; None if they need more than 63 bits."""
    bases = tuple(int(c.min()) for c in columns)
    widths = tuple((int(c.max()) - b).bit_length() for c, b in zip(columns, bases, strict=True))
    if sum(widths) > 63:
        return None
    keys = columns[0] - bases[0]
    for column, base, width in zip(columns[1:], bases[1:], widths[1:], strict=True):
        keys <<= width
        keys |= column - base
    return keys, Packing(bases, widths)


def grouped(columns: Sequence[I64]) -> tuple[list[I64], NDArray[np.intp], NDArray[np.intp]]:
    """Distinct rows of key columns int64[n], ascending; the order that sorts them; each row's start in it."""
    if columns[0].size == 0:
        return [c[:0] for c in columns], np.empty(0, np.intp), np.empty(0, np.intp)
    packed = pack(columns)
    if packed is None:
        return _grouped_wide(columns)
    keys, packing = packed
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return packing.unpack(ordered[starts]), order, starts


def _grouped_wide(columns: Sequence[I64]) -> tuple[list[I64], NDArray[np.intp], NDArray[np.intp]]:
    order = np.lexsort(columns[::-1])
    ordered = [c[order] for c in columns]
    changed = np.zeros(order.size, np.bool_)
    changed[0] = True
    for column in ordered:
        changed[1:] |= column[1:] != column[:-1]
    starts = np.flatnonzero(changed)
    return [c[starts] for c in ordered], order, starts


def add_up(columns: Sequence[I64], weights: NDArray[Any]) -> tuple[list[I64], NDArray[Any]]:
    """Distinct rows of key columns int64[n], ascending, and the sum of `weights` [n] of each."""
    keys, order, starts = grouped(columns)
    if starts.size == 0:
        return keys, weights[:0]
    return keys, np.add.reduceat(weights[order], starts)


def concat(tables: Sequence[Table], kind: type[Table]) -> Table:
    """All rows of `tables`, not added up."""
    filled = [t for t in tables if len(getattr(t, fields(kind)[0].name))]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        return kind()
    return kind(*(np.concatenate([getattr(t, f.name) for t in filled]) for f in fields(kind)))


def fold_cells(cells: Cells) -> Cells:
    """Rows of equal keys added up, in the order of the keys; of a pane's users the `smallest` hashes, last."""
    sketched = (cells.signal == ALL_USERS) | (cells.signal == FAILED_USERS)
    if not sketched.any():
        return _fold_cells(cells)
    # Hashes are 32 bits wide: apart from them, the other keys still fit into one integer.
    rest, sketches = _fold_cells(_where(cells, ~sketched)), _fold_cells(_where(cells, sketched))
    return concat([rest, smallest(sketches)], Cells)


def smallest(cells: Cells, size: int = SKETCH_SIZE) -> Cells:
    """The first `size` rows of each group of equal keys but the bucket; `cells` are in the order of the keys.

    Exact in any order of folding: a hash among the smallest of all is among the smallest of each part it is in.
    """
    n = cells.count.size
    if n == 0:
        return cells
    keys = (cells.stream, cells.slice, cells.signal, cells.pane, cells.evidence)
    changed = np.ones(n, np.bool_)
    changed[1:] = np.logical_or.reduce([k[1:] != k[:-1] for k in keys])
    starts = np.flatnonzero(changed)
    rank = np.arange(n) - np.repeat(starts, np.diff(np.append(starts, n)))
    return _where(cells, rank < size)


def _where(cells: Cells, mask: NDArray[np.bool_]) -> Cells:
    return Cells(*(getattr(cells, f.name)[mask] for f in fields(Cells)))


def _fold_cells(cells: Cells) -> Cells:
    keys, count = add_up(
        [cells.stream, cells.slice, cells.signal, cells.pane, cells.evidence, cells.bucket], cells.count
    )
    return Cells(*[*keys, count])


def fold_sums(sums: Sums) -> Sums:
    """Rows of equal keys added up, in the order of the keys."""
    keys, total = add_up([sums.stream, sums.slice, sums.signal, sums.pane, sums.evidence], sums.total)
    stream, slices, signal, pane, evidence = keys
    return Sums(stream, slices, signal, pane, evidence, total)


def fold_slots(slots: Slots) -> Slots:
    """Rows of equal keys added up, in the order of the keys."""
    keys, count = add_up([slots.clock, slots.stream, slots.signal, slots.slot, slots.bucket], slots.count)
    return Slots(*[*keys, count])


def fold_versions(versions: Versions) -> Versions:
    """One row a version: first and last seen, and the sum of counts."""
    keys, order, starts = grouped([versions.stream, versions.slice])
    if starts.size == 0:
        return Versions()
    first = np.minimum.reduceat(versions.first_ms[order], starts)
    last = np.maximum.reduceat(versions.last_ms[order], starts)
    return Versions(*[*keys, first, last, np.add.reduceat(versions.count[order], starts)])


def bottom(languages: Languages, size: int = SAMPLE_SIZE) -> Languages:
    """The rows with the `size` smallest hashes of each (stream, signal, evidence pane), each hash once.

    Rows come ordered by these keys and the hash. Merging is exact: the bottom of a union is the bottom of the
    union of bottoms, whatever was cut off before.
    """
    if languages.hash.size == 0:
        return languages
    order = np.lexsort((languages.hash, languages.evidence, languages.signal, languages.stream))
    keys = [getattr(languages, name)[order] for name in ("stream", "signal", "evidence")]
    hashes = languages.hash[order]
    new_group = np.ones(order.size, np.bool_)
    new_group[1:] = np.logical_or.reduce([k[1:] != k[:-1] for k in keys])
    fresh = new_group.copy()
    fresh[1:] |= hashes[1:] != hashes[:-1]
    order, new_group = order[fresh], new_group[fresh]
    starts = np.flatnonzero(new_group)
    rank = np.arange(order.size) - np.repeat(starts, np.diff(np.append(starts, order.size)))
    kept = order[rank < size]
    return Languages(*(getattr(languages, f.name)[kept] for f in fields(Languages)))


def fold(deltas: Iterable[Delta]) -> Delta:
    """The sum of `deltas`, as if all their records had come in one.

    Exact in any order, but for rounding in `sums`; languages keep the `bottom` of each pane.
    """
    parts = list(deltas)
    return Delta(
        cells=fold_cells(concat([d.cells for d in parts], Cells)),
        sums=fold_sums(concat([d.sums for d in parts], Sums)),
        slots=fold_slots(concat([d.slots for d in parts], Slots)),
        languages=bottom(concat([d.languages for d in parts], Languages)),
        versions=fold_versions(concat([d.versions for d in parts], Versions)),
    )
