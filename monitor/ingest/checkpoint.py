"""One partition's checkpoint: what its records did, and the offset they take it to, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from monitor import crash_points
from monitor.errors import CheckpointRefused, OwnershipLost
from monitor.ingest.skips import Place, insert_skipped
from monitor.ledger import counted
from monitor.ledger.counted import topic_partition
from monitor.ledger.engine import missing_partition, refused
from monitor.ledger.moments import moment
from monitor.ledger.samples import sample_id
from monitor.ledger.tables import ensure_partitions
from monitor.records.codec import encode
from monitor.records.delta import Intake, Sample

Translate = Callable[[Intake], Intake]
Announce = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one transaction stores; times in ms.

    `intake` is what was added since the last one, from the offset that the ledger has now. `max_event_ms` and
    `max_kafka_ms` are the partition's largest so far, `last_record_ms` the clock when its newest record came.
    """

    topic: str
    topic_id: str
    partition: int
    owner: UUID
    intake: Intake
    max_event_ms: int | None
    max_kafka_ms: int | None
    last_record_ms: int | None
    end_offset: int | None
    caught_up: bool
    clock_ms: int

    @property
    def name(self) -> str:
        first, last = self.intake.from_offset, self.intake.next_offset - 1
        return f"{self.topic}[{self.partition}] offsets {first} to {last}"


def store(
    engine: Engine, checkpoint: Checkpoint, translate: Translate, announcements: Sequence[Announce] = ()
) -> None:
    """Store the checkpoint; `translate` gives the ledger's ids for local codes, in a transaction of its own.

    Raises OwnershipLost where the partition's owner or offset is another by now, CheckpointRefused where the
    database will never take this data (rule 8), and SQLAlchemy's errors otherwise. Storing it again after an
    error is safe, also when it was committed after all.
    """
    try:
        # Connecting comes first: a ledger that is an older copy now is noticed before ids are used.
        with engine.connect() as connection:
            intake = translate(checkpoint.intake) if checkpoint.intake.counted else checkpoint.intake
            blob = encode(intake.delta) if intake.counted else None
            with connection.begin():
                seq = _advance(connection, checkpoint)
                if seq is None:
                    return
                _insert(connection, checkpoint, intake, seq, blob)
                for announce in announcements:
                    announce(connection)
                crash_points.reached("ingest.before_commit")
            crash_points.reached("ingest.after_commit")
    except (SQLAlchemyError, ValueError, OverflowError) as error:
        if refused(error):
            reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
            raise CheckpointRefused(f"{checkpoint.name}: {reason}") from error
        if missing_partition(error):
            # A process that slept for hours wakes before the chore that makes them.
            ensure_partitions(engine)
        raise


def _advance(connection: Connection, checkpoint: Checkpoint) -> int | None:
    """The compare-and-set that exactly-once rests on; the new seq, None if this one is stored already."""
    key = (topic_partition.c.topic_id == checkpoint.topic_id) & (
        topic_partition.c.partition == checkpoint.partition
    )
    intake = checkpoint.intake
    if intake.next_offset < intake.from_offset:
        raise OwnershipLost(f"{checkpoint.name}: the reader stands before what the ledger has")
    ours = (
        key
        & (topic_partition.c.owner == checkpoint.owner)
        & (topic_partition.c.next_offset == intake.from_offset)
    )
    moved = connection.execute(
        update(topic_partition)
        .where(ours)
        .values(
            next_offset=intake.next_offset,
            seq=topic_partition.c.seq + 1,
            counted=topic_partition.c.counted + intake.counted,
            skipped=topic_partition.c.skipped + intake.skipped_count,
            max_event_ms=checkpoint.max_event_ms,
            max_kafka_ms=checkpoint.max_kafka_ms,
            end_offset=checkpoint.end_offset,
            caught_up=checkpoint.caught_up,
            updated_at=func.clock_timestamp(),
        )
        .returning(topic_partition.c.seq)
    ).one_or_none()
    if moved is not None:
        return int(moved.seq)
    _check_stored(connection, checkpoint)
    return None


def _check_stored(connection: Connection, checkpoint: Checkpoint) -> None:
    """A COMMIT whose answer got lost may have happened: then the row is as this checkpoint left it."""
    row = connection.execute(
        select(topic_partition.c.owner, topic_partition.c.next_offset).where(
            topic_partition.c.topic_id == checkpoint.topic_id,
            topic_partition.c.partition == checkpoint.partition,
        )
    ).one_or_none()
    intake = checkpoint.intake
    advanced = intake.next_offset > intake.from_offset
    if row is None or row.owner != checkpoint.owner or not advanced or row.next_offset != intake.next_offset:
        raise OwnershipLost(f"{checkpoint.name}: another process owns the partition now")


def _insert(
    connection: Connection, checkpoint: Checkpoint, intake: Intake, seq: int, blob: bytes | None
) -> None:
    connection.execute(
        insert(counted.checkpoint).values(
            topic_id=checkpoint.topic_id,
            partition=checkpoint.partition,
            seq=seq,
            from_offset=intake.from_offset,
            next_offset=intake.next_offset,
            max_event_ms=checkpoint.max_event_ms,
            max_kafka_ms=checkpoint.max_kafka_ms,
            last_record_ms=checkpoint.last_record_ms,
            clock_ms=checkpoint.clock_ms,
            caught_up=checkpoint.caught_up,
            counted=intake.counted,
            skipped=intake.skipped_count,
            deltas=blob,
        )
    )
    place = Place(checkpoint.topic_id, checkpoint.partition, checkpoint.topic)
    insert_skipped(connection, place, intake.skipped)
    if intake.samples:
        rows = [_sample_row(checkpoint, sample) for sample in intake.samples]
        connection.execute(insert(counted.sample), rows)


def _sample_row(checkpoint: Checkpoint, sample: Sample) -> dict[str, object]:
    return {
        "topic_id": checkpoint.topic_id,
        "partition": checkpoint.partition,
        "topic": checkpoint.topic,
        "kafka_offset": sample.offset,
        "why": sample.why,
        "stream_id": sample.stream,
        "at": moment(sample.at_ms),
        "record_id": sample.record_id,
        "trace_id": sample.trace_id,
        "version": sample.version,
        "signal": sample.signal,
        "record": sample.record,
        "sample_id": sample_id(checkpoint.topic_id, checkpoint.partition, sample.offset),
        "signals": dict(sample.signals),
    }
