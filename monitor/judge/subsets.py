"""Parts of tables of counts: the rows of a mask, a clock, an evidence pane or a slot."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from monitor.judge.rows import Flags
from monitor.records.delta import Cells, Languages, Slots, Sums

Table = TypeVar("Table", Cells, Sums, Languages, Slots)
Paned = TypeVar("Paned", Cells, Sums, Languages)


def where(table: Table, mask: Flags) -> Table:
    """The rows of a table where `mask` bool[n] is true."""
    return type(table)(*(getattr(table, f.name)[mask] for f in fields(table)))


def of_clock(slots: Slots, clock: int) -> Slots:
    """The slots of event time, or those of Kafka time."""
    return where(slots, slots.clock == clock)


def by_evidence(table: Paned) -> Paned:
    """A table ordered by evidence pane: one pane's rows are a slice."""
    order = np.argsort(table.evidence, kind="stable")
    return type(table)(*(getattr(table, f.name)[order] for f in fields(table)))


def of_pane(table: Paned, pane: int) -> Paned:
    """The rows of one pane of a table ordered by evidence."""
    low, high = np.searchsorted(table.evidence, (pane, pane + 1))
    return type(table)(*(getattr(table, f.name)[low:high] for f in fields(table)))


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is open, ordered by evidence pane."""

    cells: Cells
    languages: Languages
    sums: Sums

    def first_after(self, pane: int, end: int) -> int:
        """The next evidence pane with cells, `end` where there is none."""
        at = int(np.searchsorted(self.cells.evidence, pane, side="right"))
        return int(self.cells.evidence[at]) if at < len(self.cells.evidence) else end


def by_slot(slots: Slots) -> Iterator[tuple[int, Slots]]:
    """Each slot in order, with its rows."""
    order = np.argsort(slots.slot, kind="stable")
    ordered = Slots(*(getattr(slots, f.name)[order] for f in fields(Slots)))
    numbers, starts = np.unique(ordered.slot, return_index=True)
    for number, part in zip(numbers.tolist(), map(slice, starts, [*starts[1:], len(order)]), strict=True):
        yield number, Slots(*(getattr(ordered, f.name)[part] for f in fields(Slots)))
