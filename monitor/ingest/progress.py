"""Rows of `topic_partition`: which partitions there are, where they start, whose they are."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert

from monitor.ledger.counted import topic_partition

# A heartbeat's answer makes us a member for a session time-out of 6 s; a bump has to come well within it.
CONFIRMED_FOR_S: Final = 2.0

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Progress:
    """What the ledger knows of a partition; `next_offset` is None until its start was decided."""

    topic_id: str
    partition: int
    next_offset: int | None
    counted: int
    skipped: int
    max_event_ms: int | None
    max_kafka_ms: int | None


_COLUMNS: Final = [
    topic_partition.c[name]
    for name in (
        "topic_id",
        "partition",
        "next_offset",
        "counted",
        "skipped",
        "max_event_ms",
        "max_kafka_ms",
    )
]


def known(engine: Engine, topic: str) -> dict[Key, int | None]:
    """The next offset of every partition that the ledger has of `topic`, under whatever topic id."""
    query = select(
        topic_partition.c.topic_id, topic_partition.c.partition, topic_partition.c.next_offset
    ).where(topic_partition.c.topic == topic)
    with engine.begin() as connection:
        return {(row.topic_id, row.partition): row.next_offset for row in connection.execute(query)}


def enlist(engine: Engine, topic: str, topic_id: str, starts: Mapping[int, int]) -> None:
    """Store where new partitions start; one that another replica has stored meanwhile stays as it is.

    The start is decided once, when the partition is found, so that nothing is missed until somebody owns it.
    """
    rows = [
        {"topic_id": topic_id, "partition": p, "topic": topic, "next_offset": start}
        for p, start in sorted(starts.items())
    ]
    decided = insert(topic_partition).values(rows)
    undecided = topic_partition.c.next_offset.is_(None)
    with engine.begin() as connection:
        connection.execute(
            decided.on_conflict_do_update(
                index_elements=["topic_id", "partition"],
                set_={"next_offset": decided.excluded.next_offset},
                where=undecided,
            )
        )


def acquire(engine: Engine, key: Key, owner: UUID, confirmed_at: float) -> Progress | None:
    """Make `owner` the partition's owner; None where it is not listed yet or the heartbeat is too long ago.

    Nobody may call this but after a heartbeat that succeeded in the current generation (rule 9), at
    `confirmed_at` of the monotonic clock. The former owner's next checkpoint fails from here on.
    """
    with engine.begin() as connection:
        if time.monotonic() - confirmed_at > CONFIRMED_FOR_S:
            return None
        return _bump(connection, key, owner)


def _bump(connection: Connection, key: Key, owner: UUID) -> Progress | None:
    listed = (topic_partition.c.topic_id == key[0]) & (topic_partition.c.partition == key[1])
    listed &= topic_partition.c.next_offset.is_not(None)
    bump = update(topic_partition).where(listed).values(owner=owner, updated_at=func.clock_timestamp())
    row = connection.execute(bump.returning(*_COLUMNS)).one_or_none()
    return None if row is None else Progress(*row)
