"""The partitions that are ours, and their way into the ledger: checkpoints out, answers in."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from kafka.structs import TopicPartition
from sqlalchemy import Engine

from monitor.errors import CheckpointRefused, OwnershipLost
from monitor.ingest.batches import BadBatchError
from monitor.ingest.checkpoint import Announce, Checkpoint, store
from monitor.ingest.measuring import Measuring
from monitor.ingest.partition import Flight, OwnedPartition
from monitor.ingest.placement import Placement
from monitor.ingest.progress import Key, Progress
from monitor.ingest.reader import Bounds, Reader, Records
from monitor.ingest.registry import Read, Registry
from monitor.ingest.status import PartitionStatus, StatusBoard
from monitor.ingest.unpack import Polled
from monitor.ingest.writer import Writer
from monitor.records.delta import SkippedRange
from monitor.records.settings import MeasureSettings
from monitor.records.shown import Sought

log = structlog.get_logger(__name__)

# At most this often with data, at least this often without: an idle partition has to say that it is (rule 3).
DATA_S: Final = 0.5
IDLE_S: Final = 1.0
MOST_FAULTS: Final = 3
DETAIL_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Called after each stored checkpoint, and when another process owns the partition."""

    committed: Callable[[Key, int], None]
    lost: Callable[[TopicPartition], None]
    stored: Callable[[], None]


class Holdings:
    """Owned partitions by TopicPartition; used on the reader's thread."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        engine: Engine,
        measuring: Measuring,
        clock: Callable[[], int],
        board: StatusBoard,
        callbacks: Callbacks,
        registries: Mapping[str, Registry] | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._engine = engine
        self._measuring = measuring
        self._clock = clock
        self._board = board
        self._on = callbacks
        self._owned: dict[TopicPartition, OwnedPartition] = {}
        self._faults: dict[TopicPartition, tuple[int, int]] = {}
        self._registries = registries or {}
        self._wanted: dict[TopicPartition, frozenset[int]] = {}

    @property
    def weight(self) -> int:
        """Bytes of memory that wait for the ledger, about."""
        return sum(p.weight for p in self._owned.values())

    @property
    def partitions(self) -> Collection[OwnedPartition]:
        return self._owned.values()

    def measure_by(self, settings: Mapping[str, MeasureSettings]) -> None:
        """Measure every partition by other settings, those of its topic, from now on."""
        for owned in self._owned.values():
            owned.aggregator.measure_by(settings[owned.tp.topic])

    def seek(self, sought: tuple[Sought, ...]) -> None:
        """Look for records that show this, in every partition."""
        for owned in self._owned.values():
            owned.aggregator.seek(sought)

    def readable(self) -> frozenset[TopicPartition]:
        """Partitions that may be read: in a bisection, not while a part of it is on its way.

        Nor while a schema is not known that their next records need: they are not skipped for want of a registry.
        """
        for tp in [tp for tp, ids in self._wanted.items() if self._registries[tp.topic].knows(ids)]:
            del self._wanted[tp]
        return frozenset(tp for tp, p in self._owned.items() if not p.held and tp not in self._wanted)

    def caught_up(self, tps: Iterable[TopicPartition], now: float) -> bool:
        """Whether all of `tps` are held, and read to their ends."""
        held = ((self._owned.get(tp), self._reader.position(tp)) for tp in tps)
        return all(p is not None and at is not None and p.caught_up(at, now) for p, at in held)

    def look(self) -> None:
        """Measure the predictions that were read, so that labels find them."""
        for owned in list(self._owned.values()):
            position = self._position(owned)
            if owned.tp.topic in self._reader.labels or position is None:
                continue
            try:
                owned.aggregator.look()
            except Exception as error:
                self._unmeasured(owned, position, error)

    def begin(
        self,
        tp: TopicPartition,
        owner: UUID,
        row: Progress,
        placement: Placement,
        bounds: Bounds,
        now: float,
        announcements: tuple[Announce, ...],
    ) -> None:
        """Take up a partition that was acquired; what was lost before it is stored at once."""
        lost = placement.lost
        first = placement.offset if lost is None else lost.first
        owned = OwnedPartition.begin(tp, owner, row, first, self._measuring.aggregator, now)
        owned.end, owned.end_at = bounds.end, bounds.at
        self._owned[tp] = owned
        self._reader.seek(tp, placement.offset)
        if lost is not None:
            owned.skip(lost)
        if announcements:
            self._submit(owned, placement.offset, now, announcements)

    def keep_only(self, assigned: Collection[TopicPartition]) -> None:
        """Drop what is not assigned any more; it is not flushed (hazard 4)."""
        for tp in [tp for tp in self._owned if tp not in assigned]:
            self._wanted.pop(tp, None)
            flight = self._owned.pop(tp).flight
            if flight is not None:
                flight.ticket.cancel()

    def drop_all(self) -> None:
        """Drop the memory of every partition; what is on its way may still arrive."""
        self._owned, self._wanted = {}, {}

    def add(self, records: Records) -> None:
        """Take up what Kafka returned; what is not ours is read again by its owner."""
        clock_ms = self._clock()
        for tp, polled in records.items():
            owned = self._owned.get(tp)
            if owned is None:
                continue
            registry = self._registries.get(tp.topic)
            try:
                if registry is None:
                    owned.add(polled, clock_ms)
                else:
                    self._add_framed(owned, polled, clock_ms, registry)
            except Exception as error:
                self._unmeasured(owned, polled[-1][0] + 1, error)

    def _add_framed(
        self, owned: OwnedPartition, polled: list[Polled], clock_ms: int, registry: Registry
    ) -> None:
        """Take up records of a registry's schemas; until these are there, none of them."""
        read = registry.read(polled)
        if isinstance(read, Read):
            owned.add(read.records, clock_ms, read.refused)
        else:
            self._wanted[owned.tp] = read
            self._reader.seek(owned.tp, max(owned.expected, polled[0][0]))

    def _unmeasured(self, owned: OwnedPartition, until: int, error: Exception) -> None:
        """Find the record that measuring fails on, as if the ledger had refused it; the others still count."""
        if owned.flight is not None:
            owned.retry()
        else:
            if owned.bisection.until is None:
                log.exception("records could not be measured", partition=owned.name, until=until)
            end = until if owned.bisection.until is None else min(until, owned.bisection.until)
            owned.refused(owned.stored, end, f"{type(error).__name__}: {error}"[:DETAIL_CHARS])
            self._check_faults(owned, error)
        self._reader.seek(owned.tp, owned.expected)

    def _check_faults(self, owned: OwnedPartition, error: Exception) -> None:
        """One record that cannot be measured is the record's fault, several in a row are ours: lose no more."""
        if not owned.bisection.given_up:
            return
        before, n = self._faults.get(owned.tp, (-1, 0))
        n = n + 1 if owned.expected == before + 1 else 1
        self._faults[owned.tp] = (owned.expected, n)
        if n >= MOST_FAULTS:
            raise error

    def skip(self, bad: BadBatchError) -> None:
        """Pass over a batch that nobody can read."""
        owned = self._owned.get(bad.tp)
        if owned is None:
            return
        n = bad.last - bad.first + 1
        if owned.skip(SkippedRange(bad.first, bad.last, n, bad.reason, bad.detail, self._clock())):
            log.warning("unreadable batch skipped", why=str(bad))
        self._reader.seek(bad.tp, bad.last + 1)

    def submit_due(self, now: float) -> None:
        """Send the checkpoints whose time has come."""
        for owned in list(self._owned.values()):
            position = self._position(owned)
            if position is not None and owned.due(position, now, DATA_S, IDLE_S):
                self._submit(owned, position, now)

    def submit_rest(self, now: float) -> bool:
        """Send what is not stored yet, the last time; whether something is still on its way."""
        for owned in list(self._owned.values()):
            position = self._position(owned)
            if position is not None and owned.due(position, now, 0.0, float("inf")):
                self._submit(owned, position, now)
        return any(owned.flight is not None for owned in self._owned.values())

    def statuses(self, now: float) -> Iterable[PartitionStatus]:
        for owned in self._owned.values():
            position = self._position(owned)
            yield owned.status(owned.stored if position is None else position, now)

    def _position(self, owned: OwnedPartition) -> int | None:
        if owned.bisection.given_up:
            return owned.bisection.until
        return self._reader.position(owned.tp)

    def _submit(
        self, owned: OwnedPartition, position: int, now: float, announcements: tuple[Announce, ...] = ()
    ) -> None:
        if owned.tp.topic in self._reader.labels:
            self.look()
        weight = owned.weight
        try:
            checkpoint = owned.take(position, self._clock(), now)
        except Exception as error:
            self._unmeasured(owned, position, error)
            return
        work = partial(store, self._engine, checkpoint, self._measuring.translate, announcements)
        ticket = self._writer.submit(work, partial(self._answered, owned, checkpoint))
        owned.flight = Flight(checkpoint, ticket, weight)
        if owned.held:
            # Records beyond the end of the part may have been polled already; they come again.
            self._reader.seek(owned.tp, owned.expected)

    def _answered(
        self, owned: OwnedPartition, checkpoint: Checkpoint, _: Any, error: Exception | None
    ) -> None:
        ours = self._owned.get(owned.tp) is owned
        if error is None:
            self._stored(checkpoint)
            if ours:
                owned.landed(checkpoint)
        elif ours and isinstance(error, OwnershipLost):
            log.info("partition lost to another owner", why=str(error))
            del self._owned[owned.tp]
            self._on.lost(owned.tp)
        elif ours and isinstance(error, CheckpointRefused):
            self._refused(owned, checkpoint, error)
        elif not isinstance(error, OwnershipLost | CheckpointRefused):
            raise error

    def _stored(self, checkpoint: Checkpoint) -> None:
        intake = checkpoint.intake
        self._board.count(checkpoint.topic, intake)
        self._on.committed((checkpoint.topic_id, checkpoint.partition), intake.next_offset)
        self._on.stored()

    def _refused(self, owned: OwnedPartition, checkpoint: Checkpoint, error: CheckpointRefused) -> None:
        """Read the same offsets again, in halves, until the record that Postgres refuses is found."""
        intake = checkpoint.intake
        log.error("checkpoint refused", why=str(error))
        owned.refused(intake.from_offset, intake.next_offset, str(error)[:DETAIL_CHARS])
        self._reader.seek(owned.tp, owned.expected)
