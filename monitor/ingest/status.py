"""What ingest says of itself, for /readyz and /metrics."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from monitor.records.delta import Intake
from monitor.records.labels import labels_in

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Dependency:
    """Whether a server answers, and why not."""

    ok: bool = False
    why: str = "not reached yet"


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """An owned partition; `counted` and `skipped` are the ledger's totals, times are of the ingest clock."""

    topic: str
    partition: int
    next_offset: int
    end_offset: int | None
    counted: int
    skipped: int
    caught_up: bool
    last_record_ms: int | None

    @property
    def lag(self) -> int | None:
        return None if self.end_offset is None else max(0, self.end_offset - self.next_offset)


@dataclass(frozen=True, slots=True)
class IngestStatus:
    """One moment of ingest.

    `records` counts what this process stored, by (topic, "counted" or the reason of the skip); `dropped_fields`
    fields of a wrong type or range, by name, `labels` those that came later, by whether they found what they are judged
    by. `held_bytes` of memory, about, wait for the ledger; `paused` says
    that they are too many to read on. `registries` are the schema registries that were asked, by address.
    """

    kafka: Dependency = field(default_factory=Dependency)
    postgres: Dependency = field(default_factory=Dependency)
    partitions: tuple[PartitionStatus, ...] = ()
    records: Mapping[tuple[str, str], int] = field(default_factory=dict)
    dropped_fields: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    held_bytes: int = 0
    paused: bool = False
    running: bool = False
    registries: Mapping[str, Dependency] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        dependencies = (self.kafka, self.postgres, *self.registries.values())
        return self.running and all(d.ok for d in dependencies)


def merged(statuses: Sequence[IngestStatus]) -> IngestStatus:
    """The status of several consumers, one or more, as one."""
    if len(statuses) == 1:
        return statuses[0]
    return IngestStatus(
        kafka=_all_of([s.kafka for s in statuses]),
        postgres=_all_of([s.postgres for s in statuses]),
        partitions=tuple(p for s in statuses for p in s.partitions),
        records=_sum(s.records for s in statuses),
        dropped_fields=_sum(s.dropped_fields for s in statuses),
        labels=_sum(s.labels for s in statuses),
        held_bytes=sum(s.held_bytes for s in statuses),
        paused=any(s.paused for s in statuses),
        running=all(s.running for s in statuses),
        registries=dict(sorted((r for s in statuses for r in s.registries.items()), key=_good_first)),
    )


def _good_first(registry: tuple[str, Dependency]) -> bool:
    return not registry[1].ok


def _all_of(dependencies: Sequence[Dependency]) -> Dependency:
    missing = dict.fromkeys(d.why for d in dependencies if not d.ok)
    return Dependency(not missing, "; ".join(missing))


def _sum(counts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    found: Counter[K] = Counter()
    for one in counts:
        found.update(one)
    return dict(found)


class StatusBoard:
    """The newest status; any thread may write and read it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._status = IngestStatus()
        self._records: Counter[tuple[str, str]] = Counter()
        self._labels: Counter[str] = Counter()

    def read(self) -> IngestStatus:
        with self._lock:
            return replace(self._status, records=dict(self._records), labels=dict(self._labels))

    def write(self, **changes: Any) -> None:
        with self._lock:
            self._status = replace(self._status, **changes)

    def kafka(self, why: str | None) -> None:
        self.write(kafka=Dependency(why is None, why or ""))

    def postgres(self, why: str | None) -> None:
        self.write(postgres=Dependency(why is None, why or ""))

    def registry(self, url: str, why: str | None) -> None:
        with self._lock:
            registries = {**self._status.registries, url: Dependency(why is None, why or "")}
            self._status = replace(self._status, registries=registries)

    def count(self, topic: str, intake: Intake) -> None:
        """Add a stored checkpoint to what this process has done."""
        with self._lock:
            self._records[topic, "counted"] += intake.counted - intake.ignored
            if intake.ignored:
                self._records[topic, "ignored"] += intake.ignored
            for skipped in intake.skipped:
                self._records[topic, skipped.reason] += skipped.count
            judged, lost = labels_in(intake.delta.cells)
            self._labels.update({"judged": judged, "unmatched": lost})
