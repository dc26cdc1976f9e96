"""What one owned partition has in memory; all of it can be dropped, and read again from Kafka."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import structlog
from kafka.structs import TopicPartition

from monitor.ingest.bisect import REFUSED, Bisection
from monitor.ingest.checkpoint import Checkpoint
from monitor.ingest.progress import Progress
from monitor.ingest.status import PartitionStatus
from monitor.ingest.unpack import Polled
from monitor.ingest.writer import Ticket
from monitor.records.aggregate import PartitionAggregator
from monitor.records.decode import RawBatch
from monitor.records.delta import Intake, SkippedRange
from monitor.records.lenient import Refused

# An end offset older than this says nothing of now (rule 3).
SAMPLE_S: Final = 2.0

log = structlog.get_logger(__name__)

NewAggregator = Callable[[str, int, int, int | None], PartitionAggregator]


@dataclass(slots=True)
class Largest:
    """Event time and Kafka time of a partition so far, None before any."""

    event_ms: int | None
    kafka_ms: int | None

    def with_(self, intake: Intake) -> "Largest":
        return Largest(_max(self.event_ms, intake.max_event_ms), _max(self.kafka_ms, intake.max_kafka_ms))


def _max(first: int | None, second: int | None) -> int | None:
    return first if second is None else second if first is None else max(first, second)


@dataclass(slots=True)
class Flight:
    """A checkpoint in the writer's hands."""

    checkpoint: Checkpoint
    ticket: Ticket
    weight: int


@dataclass(slots=True)
class OwnedPartition:
    """A partition from its acquisition until it is dropped.

    `expected` is the offset after all that went into checkpoints, stored or in flight. `stored` is what the
    ledger has, with the largest times as of there. `recorded_ms` is when the last record of ours came, as of the last
    checkpoint. `submitted_at` and the ends' times are monotonic seconds.
    """

    tp: TopicPartition
    topic_id: str
    owner: UUID
    make: NewAggregator
    expected: int
    stored: int
    stored_largest: Largest
    largest: Largest
    aggregator: PartitionAggregator
    submitted_at: float
    counted: int
    skipped: int
    last_record_ms: int | None = None
    recorded_ms: int | None = None
    end: int | None = None
    end_at: float = 0.0
    dirty: bool = False
    skips: list[SkippedRange] = field(default_factory=list)
    bisection: Bisection = field(default_factory=Bisection)
    flight: Flight | None = None
    waits: bool = False
    why: str = ""

    @classmethod
    def begin(
        cls, tp: TopicPartition, owner: UUID, row: Progress, offset: int, make: NewAggregator, now: float
    ) -> "OwnedPartition":
        largest = Largest(row.max_event_ms, row.max_kafka_ms)
        aggregator = make(tp.topic, tp.partition, offset, row.max_event_ms)
        return cls(
            tp=tp,
            topic_id=row.topic_id,
            owner=owner,
            make=make,
            expected=offset,
            stored=offset,
            stored_largest=largest,
            largest=largest,
            aggregator=aggregator,
            submitted_at=now,
            counted=row.counted,
            skipped=row.skipped,
        )

    @property
    def name(self) -> str:
        return f"{self.tp.topic}[{self.tp.partition}]"

    @property
    def held(self) -> bool:
        """Whether nothing may be read before the checkpoint in flight has arrived, or one record was given up."""
        in_parts = self.waits or self.bisection.until is not None
        return self.bisection.given_up or (in_parts and self.flight is not None)

    @property
    def weight(self) -> int:
        """Bytes of memory, about."""
        return int(self.aggregator.weight) + (self.flight.weight if self.flight else 0)

    def add(
        self, records: list[Polled], clock_ms: int, refused: Mapping[int, Refused] = MappingProxyType({})
    ) -> None:
        """Take up records that Kafka returned, none below the expected one or beyond a bisection's end.

        Those of `refused`, by offset, are no messages.
        """
        if self.bisection.given_up:
            return
        until = self.bisection.until
        low, high = self.expected, records[-1][0] + 1 if until is None else until
        if records[0][0] < low or records[-1][0] >= high:
            records = [record for record in records if low <= record[0] < high]
        if records:
            kept = {offset: why for offset, why in refused.items() if low <= offset < high} if refused else {}
            columns: Any = zip(*records, strict=True)
            batch = RawBatch(*columns)
            self.aggregator.add(replace(batch, refused=kept) if kept else batch, clock_ms)
            self.last_record_ms = clock_ms
            self.dirty = True

    def skip(self, skipped: SkippedRange) -> bool:
        """Pass over records that cannot be read; whether they are not just more of the last such range."""
        until = self.bisection.until
        if until is not None and skipped.last >= until:
            # The rest of the batch comes again with the next part.
            last = until - 1
            skipped = replace(skipped, last=last, count=last - skipped.first + 1)
        self.dirty = True
        before = self.skips[-1] if self.skips else None
        if before is None or before.last + 1 != skipped.first or before.reason != skipped.reason:
            self.skips.append(skipped)
            return True
        self.skips[-1] = replace(before, last=skipped.last, count=before.count + skipped.count)
        return False

    def due(self, position: int, now: float, data_s: float, idle_s: float) -> bool:
        """Whether to send a checkpoint up to `position`; in a bisection, when its part is complete.

        A position before the expected one is that of a partition which was lost and assigned anew, and which
        the ledger has not been asked about yet.
        """
        if self.flight is not None or position < self.expected:
            return False
        elapsed = now - self.submitted_at
        if self.bisection.until is not None and not self.bisection.given_up:
            return position >= self.bisection.until
        moved = self.dirty or position > self.expected
        return elapsed >= (data_s if moved else idle_s)

    def caught_up(self, position: int, now: float) -> bool:
        """Whether reading has reached an end that was sampled at most two seconds ago (rule 3)."""
        return self.end is not None and position >= self.end and now - self.end_at <= SAMPLE_S

    def take(self, position: int, clock_ms: int, now: float) -> Checkpoint:
        """All since the last checkpoint, up to `position`: that is past control records and gaps (rule 3)."""
        until = self.bisection.until
        position = position if until is None else min(position, until)
        intake = self._intake(position, clock_ms)
        self.largest = self.largest.with_(intake)
        if intake.ignored == intake.counted and intake.ignored and not intake.skipped:
            # Messages that are none of ours move no event time: with these alone the partition is quiet (rule 3).
            self.last_record_ms = self.recorded_ms
        self.recorded_ms = self.last_record_ms
        self.expected = position
        self.skips = []
        self.dirty = False
        self.submitted_at = now
        return Checkpoint(
            topic=self.tp.topic,
            topic_id=self.topic_id,
            partition=self.tp.partition,
            owner=self.owner,
            intake=intake,
            max_event_ms=self.largest.event_ms,
            max_kafka_ms=self.largest.kafka_ms,
            last_record_ms=self.last_record_ms,
            end_offset=None if self.end is None else max(self.end, position),
            caught_up=self.caught_up(position, now),
            clock_ms=clock_ms,
        )

    def _intake(self, position: int, clock_ms: int) -> Intake:
        taken: Intake = self.aggregator.take()
        for notice in taken.notices:
            log.warning("the log cannot be trusted", partition=self.name, why=notice)
        skipped = sorted([*taken.skipped, *self.skips], key=lambda r: r.first)
        if self.bisection.given_up:
            skipped = [SkippedRange(self.expected, position - 1, 1, REFUSED, self.why, clock_ms)]
        return replace(taken, from_offset=self.expected, next_offset=position, skipped=tuple(skipped))

    def landed(self, checkpoint: Checkpoint) -> None:
        """The checkpoint in flight is in the ledger."""
        self.flight, self.waits = None, False
        self.counted += checkpoint.intake.counted
        self.skipped += checkpoint.intake.skipped_count
        self.stored = checkpoint.intake.next_offset
        self.stored_largest = Largest(checkpoint.max_event_ms, checkpoint.max_kafka_ms)
        self.bisection.stored(self.stored)

    def refused(self, start: int, until: int, why: str) -> None:
        """[start, until) cannot be stored as it is: try it in halves; the caller seeks to `expected`."""
        if until > start:
            self.bisection.refused(start, until)
            self.why = why
        self.flight = None
        self._empty(self.stored, self.stored_largest)

    def retry(self) -> None:
        """Forget what came after the checkpoint in flight, and wait for that; the caller seeks to `expected`."""
        self.waits = True
        self._empty(self.expected, self.largest)

    def _empty(self, offset: int, largest: Largest) -> None:
        self.expected, self.largest = offset, largest
        self.skips = []
        self.dirty = False
        self.aggregator = self.make(self.tp.topic, self.tp.partition, offset, largest.event_ms)

    def status(self, position: int, now: float) -> PartitionStatus:
        return PartitionStatus(
            topic=self.tp.topic,
            partition=self.tp.partition,
            next_offset=self.stored,
            end_offset=self.end,
            counted=self.counted,
            skipped=self.skipped,
            caught_up=self.caught_up(position, now),
            last_record_ms=self.last_record_ms,
        )
