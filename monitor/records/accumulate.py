"""What batches added since the last checkpoint, folded now and then so that memory stays bounded."""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from monitor.records.delta import Cells, Delta, Languages, Slots, Sums, Versions
from monitor.records.fold import concat, fold_cells, fold_slots, fold_sums, fold_versions
from monitor.records.signals import WHOLE

_COMPACT_ROWS: Final = 65_536
_BYTES_A_ROW: Final = 56


class Accumulator:
    """Tables of one partition. `cells` and `sums` are by version slice, and the whole is their sum."""

    def __init__(self) -> None:
        self._cells: list[Cells] = []
        self._sums: list[Sums] = []
        self._further_cells: list[Cells] = []
        self._further_sums: list[Sums] = []
        self._slots: list[Slots] = []
        self._versions: list[Versions] = []
        self._rows = 0
        self._limit = _COMPACT_ROWS

    @property
    def weight(self) -> int:
        """Bytes held, about."""
        return self._rows * _BYTES_A_ROW

    def add(self, cells: Cells, sums: Sums, versions: Versions) -> None:
        """A batch's counts by version slice; every record is in exactly one of these slices."""
        self._cells.append(cells)
        self._sums.append(sums)
        self._versions.append(versions)
        self._grow(cells.count.size + sums.total.size + versions.count.size)

    def add_further(self, cells: Cells, sums: Sums) -> None:
        """A batch's counts by another field's slices."""
        self._further_cells.append(cells)
        self._further_sums.append(sums)
        self._grow(cells.count.size + sums.total.size)

    def add_slots(self, slots: Slots) -> None:
        """A batch's counts in 1 s slots."""
        self._slots.append(slots)
        self._grow(slots.count.size)

    def delta(self, languages: Languages) -> Delta:
        """Everything added, with the rows of the whole, and `languages`."""
        self._fold()
        cells, sums = self._cells[0], self._sums[0]
        return Delta(
            cells=concat([fold_cells(_whole(cells)), cells, *self._further_cells], Cells),
            sums=concat([fold_sums(_whole(sums)), sums, *self._further_sums], Sums),
            slots=self._slots[0],
            languages=languages,
            versions=self._versions[0],
        )

    def _grow(self, rows: int) -> None:
        self._rows += rows
        if self._rows > self._limit:
            self._fold()
            self._limit = max(_COMPACT_ROWS, 2 * self._rows)

    def _fold(self) -> None:
        self._cells = [fold_cells(concat(self._cells, Cells))]
        self._sums = [fold_sums(concat(self._sums, Sums))]
        self._further_cells = [fold_cells(concat(self._further_cells, Cells))]
        self._further_sums = [fold_sums(concat(self._further_sums, Sums))]
        self._slots = [fold_slots(concat(self._slots, Slots))]
        self._versions = [fold_versions(concat(self._versions, Versions))]
        counted: list[Any] = [*self._cells, *self._further_cells, *self._slots, *self._versions]
        self._rows = sum(t.count.size for t in counted)
        self._rows += sum(t.total.size for t in (*self._sums, *self._further_sums))


def _whole(table: Any) -> Any:
    return replace(table, slice=np.full_like(table.slice, WHOLE))
