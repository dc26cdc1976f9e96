"""What records add: columns of counts, in the shape that checkpoints store and the judge folds.

All columns of one table have the same length. Panes and slots are numbers, not times:
pane = event time in ms // 10,000; slot = time in ms // 1,000.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

PANE_MS = 10_000
SLOT_MS = 1_000
EVENT_CLOCK = 0
KAFKA_CLOCK = 1

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
F64 = NDArray[np.float64]


def _none() -> I64:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Cells:
    """Counts per bucket, int64[n] each; rows are unique in all columns but `count`.

    `slice` 0 is the whole stream. `evidence` is the pane whose evidence the records join: their own, or
    for late records the first open one. `bucket`: 0 or 1 for a rate (1 = the event), the scale's bucket for a
    distribution, the category's id for a category, 0 for `requests`.
    """

    stream: I64 = field(default_factory=_none)
    slice: I64 = field(default_factory=_none)
    signal: I64 = field(default_factory=_none)
    pane: I64 = field(default_factory=_none)
    evidence: I64 = field(default_factory=_none)
    bucket: I64 = field(default_factory=_none)
    count: I64 = field(default_factory=_none)


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of a distribution's values, beside its cells; `total` is float64[n]."""

    stream: I64 = field(default_factory=_none)
    slice: I64 = field(default_factory=_none)
    signal: I64 = field(default_factory=_none)
    pane: I64 = field(default_factory=_none)
    evidence: I64 = field(default_factory=_none)
    total: F64 = field(default_factory=lambda: np.empty(0, np.float64))


@dataclass(frozen=True, slots=True)
class Slots:
    """Counts per bucket in 1 s slots of `clock` 0 (event time: windows) or 1 (Kafka time, fresh: kills)."""

    clock: I64 = field(default_factory=_none)
    stream: I64 = field(default_factory=_none)
    signal: I64 = field(default_factory=_none)
    slot: I64 = field(default_factory=_none)
    bucket: I64 = field(default_factory=_none)
    count: I64 = field(default_factory=_none)


@dataclass(frozen=True, slots=True)
class Languages:
    """Candidates of the hash-chosen sample, one row a record and signal; `hash` is uint64[n].

    `slice` is the record's version slice. `bucket` is the language's category id. `wrong` is 1 where another
    language was expected, 0 where this one was, -1 where none was named.
    """

    stream: I64 = field(default_factory=_none)
    slice: I64 = field(default_factory=_none)
    signal: I64 = field(default_factory=_none)
    pane: I64 = field(default_factory=_none)
    evidence: I64 = field(default_factory=_none)
    bucket: I64 = field(default_factory=_none)
    wrong: I64 = field(default_factory=_none)
    hash: U64 = field(default_factory=lambda: np.empty(0, np.uint64))


@dataclass(frozen=True, slots=True)
class Versions:
    """When each version of a stream was seen, by its version slice; times in ms of event time."""

    stream: I64 = field(default_factory=_none)
    slice: I64 = field(default_factory=_none)
    first_ms: I64 = field(default_factory=_none)
    last_ms: I64 = field(default_factory=_none)
    count: I64 = field(default_factory=_none)


@dataclass(frozen=True, slots=True)
class Delta:
    """All that a run of records added; stored as one compressed blob."""

    cells: Cells = field(default_factory=Cells)
    sums: Sums = field(default_factory=Sums)
    slots: Slots = field(default_factory=Slots)
    languages: Languages = field(default_factory=Languages)
    versions: Versions = field(default_factory=Versions)

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays, many times those of its blob."""
        tables = (getattr(self, table.name) for table in fields(self))
        return sum(getattr(t, column.name).nbytes for t in tables for column in fields(t))

    def without_kill_slots_before(self, slot: int) -> "Delta":
        """The same without the slots of Kafka time before `slot`."""
        kept = (self.slots.clock == 0) | (self.slots.slot >= slot)
        if kept.all():
            return self
        columns = (getattr(self.slots, name)[kept] for name in Slots.__dataclass_fields__)
        return replace(self, slots=Slots(*columns))


@dataclass(frozen=True, slots=True)
class SkippedRange:
    """Neighbouring offsets, first and last included, skipped for one reason."""

    first: int
    last: int
    count: int
    reason: str
    detail: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One record kept to be looked at; `record` is cleaned JSON text.

    `signals` are what was measured of it: rates whose event it shows, values of distributions, names of categories.
    """

    stream: int
    at_ms: int
    offset: int
    record_id: str
    trace_id: str
    version: str
    why: str
    signal: str
    record: str
    signals: Mapping[str, bool | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intake:
    """What one partition added since the last checkpoint, ids still local to the process.

    `counted` are Kafka's records; `ignored` says how many of these are none that `source.where` names.
    `notices` are sentences for the operator on what is wrong with the log as a whole.
    """

    from_offset: int
    next_offset: int
    counted: int
    max_event_ms: int | None
    max_kafka_ms: int | None
    delta: Delta
    skipped: tuple[SkippedRange, ...] = ()
    samples: tuple[Sample, ...] = ()
    notices: tuple[str, ...] = ()
    ignored: int = 0

    @property
    def skipped_count(self) -> int:
        return sum(r.count for r in self.skipped)
