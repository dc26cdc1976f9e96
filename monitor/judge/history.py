"""What was counted, asked for by the description of an incident: from the ledger in `run`, from memory in `replay`."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.records import fold
from monitor.records.delta import I64, PANE_MS, Cells, Versions
from monitor.records.signals import WHOLE

MOST_CELLS: Final = 300_000
NEWEST_CELLS: Final = 100_000
COARSER_PANES: Final = (30, 360)


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """A version of a stream, and when it was first and last seen in event time."""

    version: str
    slice_id: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class SliceSeen:
    """A value of a slice field of a stream."""

    field: str
    value: str
    slice_id: int


class History(Protocol):
    """Counts by event time, and the names of ids."""

    def counts(
        self, stream: int, signal: int, slice_id: int, since_ms: int, until_ms: int
    ) -> tuple[I64, I64]:
        """Buckets, ascending, and counts of a signal of a stream's slice (0: the whole) in [since, until)."""
        ...

    def total(self, stream: int, signal: int, slice_id: int, since_ms: int, until_ms: int) -> int:
        """As `counts`, all buckets together."""
        ...

    def stream_key(self, stream: int) -> str:
        """The stream's key: the values of `streams.by` joined by `/`."""
        ...

    def labels(self, stream: int) -> Mapping[str, str]:
        """The stream's own labels: the fields of `streams.by` with their values."""
        ...

    def category(self, stream: int, signal: int, category: int) -> str:
        """The name of a category."""
        ...

    def versions(self, stream: int) -> Sequence[VersionSeen]:
        """The versions of a stream, the first seen first."""
        ...

    def slices(self, stream: int) -> Sequence[SliceSeen]:
        """Every slice of a stream that was counted."""
        ...

    def traces(self, stream: int, since_ms: int, until_ms: int) -> Sequence[str]:
        """Trace ids of some records kept from [since, until)."""
        ...


class StreamNames(Protocol):
    """How a replay names its local codes."""

    def stream_key(self, stream: int) -> str: ...

    def labels(self, stream: int) -> Mapping[str, str]: ...

    def category(self, stream: int, signal: int, category: int) -> str: ...

    def slice(self, slice_id: int) -> tuple[str, str]:
        """Field and value."""
        ...


class MemoryHistory:
    """The history of a replay: the pane rows that it would have stored, of `signals` or of all.

    Memory is bounded: of many cells the older ones are kept in five minutes, then in hours.
    """

    def __init__(self, names: StreamNames, signals: Collection[int] | None = None) -> None:
        self._names = names
        self._signals = signals
        self._parts: defaultdict[int, list[Cells]] = defaultdict(list)
        self._most: dict[int, int] = {}
        self._held: Counter[int] = Counter()
        self._slices: dict[int, set[int]] = {}
        self._versions = Versions()

    def add(self, cells: Cells, versions: Versions) -> None:
        """Add counts that will not be added again."""
        self._versions = fold.fold_versions(fold.concat([self._versions, versions], Versions))
        pairs = np.unique(np.stack((cells.stream, cells.slice)), axis=1)
        for stream, slice_id in pairs.T.tolist():
            self._slices.setdefault(stream, set()).add(slice_id)
        for code in np.unique(cells.signal).tolist():
            if self._signals is None or code in self._signals:
                self._add(code, _rows(cells, cells.signal == code))

    def _add(self, code: int, cells: Cells) -> None:
        self._parts[code].append(cells)
        self._held[code] += len(cells.count)
        if self._held[code] > self._most.get(code, MOST_CELLS):
            coarser = _coarser(self._cells(code))
            self._parts[code] = [coarser]
            self._held[code] = len(coarser.count)
            self._most[code] = max(MOST_CELLS, 2 * self._held[code])

    def counts(
        self, stream: int, signal: int, slice_id: int, since_ms: int, until_ms: int
    ) -> tuple[I64, I64]:
        cells = self._cells(signal)
        mine = (cells.stream == stream) & (cells.slice == slice_id)
        start = cells.pane * PANE_MS
        mine &= (start > since_ms - PANE_MS) & (start < until_ms)
        keys, count = fold.add_up([cells.bucket[mine]], cells.count[mine])
        return keys[0], np.asarray(count)

    def total(self, stream: int, signal: int, slice_id: int, since_ms: int, until_ms: int) -> int:
        return int(self.counts(stream, signal, slice_id, since_ms, until_ms)[1].sum())

    def _cells(self, code: int) -> Cells:
        self._parts[code] = [fold.concat(self._parts[code], Cells)]
        return self._parts[code][0]

    def stream_key(self, stream: int) -> str:
        return self._names.stream_key(stream)

    def labels(self, stream: int) -> Mapping[str, str]:
        return self._names.labels(stream)

    def category(self, stream: int, signal: int, category: int) -> str:
        return self._names.category(stream, signal, category)

    def versions(self, stream: int) -> Sequence[VersionSeen]:
        folded = self._versions
        mine = np.flatnonzero(folded.stream == stream)
        found = [
            VersionSeen(self._names.slice(slice_id)[1], slice_id, first_ms, last_ms)
            for slice_id, first_ms, last_ms in zip(
                *(c[mine].tolist() for c in (folded.slice, folded.first_ms, folded.last_ms)), strict=True
            )
        ]
        return sorted(found, key=lambda v: v.first_ms)

    def slices(self, stream: int) -> Sequence[SliceSeen]:
        found = self._slices.get(stream, set()) - {WHOLE}
        return [SliceSeen(*self._names.slice(s), s) for s in sorted(found)]

    def traces(self, stream: int, since_ms: int, until_ms: int) -> Sequence[str]:
        return ()


def _coarser(cells: Cells) -> Cells:
    """The cells with all but the newest added up over five minutes, or over hours."""
    cells = replace(cells, evidence=np.zeros_like(cells.evidence))
    newest = np.partition(cells.pane, -NEWEST_CELLS)[-NEWEST_CELLS]
    for panes in COARSER_PANES:
        pane = np.where(cells.pane < newest, cells.pane // panes * panes, cells.pane)
        cells = fold.fold_cells(replace(cells, pane=pane))
        if len(cells.count) <= (MOST_CELLS + NEWEST_CELLS) // 2:
            break
    return cells


def _rows(cells: Cells, mask: NDArray[np.bool_]) -> Cells:
    return Cells(*(getattr(cells, f.name)[mask] for f in fields(Cells)))
