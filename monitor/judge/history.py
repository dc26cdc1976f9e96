"""What was counted, asked for by the description of an incident: from the ledger in `run`, from memory in `replay`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from monitor.records import fold
from monitor.records.delta import I64, PANE_MS, Cells, Versions
from monitor.records.signals import WHOLE


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """A version of a stream, and when it was first seen in event time."""

    version: str
    slice_id: int
    first_ms: int


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
    """The history of a replay: every pane row it would have stored."""

    def __init__(self, names: StreamNames) -> None:
        self._names = names
        self._parts: list[Cells] = []
        self._versions: list[Versions] = []

    def add(self, cells: Cells, versions: Versions) -> None:
        """Add counts that will not be added again."""
        self._parts.append(cells)
        self._versions.append(versions)

    def counts(
        self, stream: int, signal: int, slice_id: int, since_ms: int, until_ms: int
    ) -> tuple[I64, I64]:
        cells = self._cells()
        mine = (cells.stream == stream) & (cells.signal == signal) & (cells.slice == slice_id)
        start = cells.pane * PANE_MS
        mine &= (start > since_ms - PANE_MS) & (start < until_ms)
        keys, count = fold.add_up([cells.bucket[mine]], cells.count[mine])
        return keys[0], np.asarray(count)

    def total(self, stream: int, signal: int, slice_id: int, since_ms: int, until_ms: int) -> int:
        return int(self.counts(stream, signal, slice_id, since_ms, until_ms)[1].sum())

    def _cells(self) -> Cells:
        if len(self._parts) > 64:
            self._parts = [fold.fold_cells(fold.concat(self._parts, Cells))]
        return fold.concat(self._parts, Cells)

    def stream_key(self, stream: int) -> str:
        return self._names.stream_key(stream)

    def labels(self, stream: int) -> Mapping[str, str]:
        return self._names.labels(stream)

    def category(self, stream: int, signal: int, category: int) -> str:
        return self._names.category(stream, signal, category)

    def versions(self, stream: int) -> Sequence[VersionSeen]:
        folded = fold.fold_versions(fold.concat(self._versions, Versions))
        mine = np.flatnonzero(folded.stream == stream)
        found = [
            VersionSeen(
                self._names.slice(int(folded.slice[i]))[1], int(folded.slice[i]), int(folded.first_ms[i])
            )
            for i in mine
        ]
        return sorted(found, key=lambda v: v.first_ms)

    def slices(self, stream: int) -> Sequence[SliceSeen]:
        cells = self._cells()
        found = np.unique(cells.slice[(cells.stream == stream) & (cells.slice != WHOLE)])
        return [SliceSeen(*self._names.slice(s), s) for s in found.tolist()]

    def traces(self, stream: int, since_ms: int, until_ms: int) -> Sequence[str]:
        return ()
