"""Tocsin broken on purpose, one safeguard at a time: what the harness has to notice."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from sqlalchemy import ColumnElement, Connection, func, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from monitor.errors import OwnershipLost
from monitor.ingest import checkpoint
from monitor.ingest.checkpoint import Checkpoint
from monitor.judge import lease, session, store
from monitor.judge.lease import Lease
from monitor.judge.memory import Advance, Consumed, Context, Memory
from monitor.judge.store import Cursor, Read
from monitor.judge.watermark import PartitionKey
from monitor.ledger.counted import judge_cursor, topic_partition
from monitor.notify import lanes
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.worker import Notifier

_EVERY_CHECKPOINT: Final = text("SELECT * FROM tocsin_ledger.checkpoint WHERE at > :at ORDER BY at, seq")


def offset_in_a_transaction_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The offset is committed before what was counted up to it."""
    advance = checkpoint._advance

    def apart(connection: Connection, one: Checkpoint) -> int | None:
        with connection.engine.begin() as other:
            return advance(other, one)

    monkeypatch.setattr(checkpoint, "_advance", apart)


def neither_owner_nor_offset_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stores a checkpoint moves the offset."""

    _move_where(monkeypatch, lambda one: true())


def owner_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stores a checkpoint from the ledger's offset on moves it, the partition's owner or not."""
    _move_where(monkeypatch, lambda one: topic_partition.c.next_offset == one.intake.from_offset)


def _move_where(
    monkeypatch: pytest.MonkeyPatch, condition: Callable[[Checkpoint], ColumnElement[bool]]
) -> None:
    def move(connection: Connection, one: Checkpoint) -> int | None:
        columns, intake = topic_partition.c, one.intake
        moved = update(topic_partition).where((columns.partition == one.partition) & condition(one))
        values = {
            "counted": columns.counted + intake.counted,
            "skipped": columns.skipped + intake.skipped_count,
        }
        moved = moved.values(next_offset=intake.next_offset, seq=columns.seq + 1, **values)
        seq = connection.execute(moved.returning(columns.seq)).scalar()
        if seq is None:
            raise OwnershipLost(one.name)
        return int(seq)

    monkeypatch.setattr(checkpoint, "_advance", move)


def lease_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that once held the lease believes that it still does."""

    def believed(conn: Connection, held: Lease) -> Lease:
        now_ms = func.extract("epoch", func.clock_timestamp()) * 1000
        return replace(held, now_ms=int(conn.execute(select(now_ms)).scalar_one()))

    monkeypatch.setattr(lease, "renew", believed)


def neither_lease_nor_cursors_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has judged writes what it found, and moves the cursors to where it stands."""

    def move(
        conn: Connection, before: object, after: Mapping[PartitionKey, Cursor], watermarks: object
    ) -> None:
        for (topic_id, partition), cursor in after.items():
            values = {"seq": cursor.seq, "judged_offset": cursor.judged_offset}
            row = insert(judge_cursor).values(topic_id=topic_id, partition=partition, **values)
            conn.execute(row.on_conflict_do_update(index_elements=["topic_id", "partition"], set_=values))

    lease_not_checked(monkeypatch)
    monkeypatch.setattr(store, "move_cursors", move)


def one_cursor_over_all_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge reads on after the newest checkpoint that it has seen, of whatever partition."""
    seen: list[Any] = ["-infinity"]

    def read(conn: Connection, cursors: Mapping[PartitionKey, Cursor], most: int, most_bytes: int) -> Read:
        now, consumed = dict(cursors), []
        for row in conn.execute(_EVERY_CHECKPOINT, {"at": seen[-1]}).all():
            key = (row.topic_id, row.partition)
            consumed.append(store._consumed(key, row))
            now[key] = Cursor(row.seq, row.next_offset)
            seen.append(row.at)
        return Read(tuple(consumed), now, left_over=False)

    monkeypatch.setattr(store, "read", read)


def watermark_from_the_progress_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """How far a partition has come is what ingest says now, not what the last consumed checkpoint said."""
    advance, listed = session.advance, store.listed
    newest: dict[PartitionKey, int | None] = {}

    def look(conn: Connection, *of: Any) -> dict[PartitionKey, str]:
        for row in conn.execute(select(topic_partition)):
            newest[row.topic_id, row.partition] = row.max_event_ms
        return listed(conn, *of)

    def ahead(memory: Memory, consumed: tuple[Consumed, ...], known: Any, context: Context) -> Advance:
        moved = [replace(c, mark=replace(c.mark, max_event_ms=newest[c.key])) for c in consumed]
        return advance(memory, tuple(moved), known, context)

    monkeypatch.setattr(store, "listed", look)
    monkeypatch.setattr(session, "advance", ahead)


def recorded_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message counts as delivered, and then it is sent."""

    def attempt(self: Notifier, delivery: Delivery) -> str:
        result = self._record(delivery, Taken(""), None)
        self._senders.send(delivery)
        return result

    monkeypatch.setattr(Notifier, "_attempt", attempt)


def no_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages about the same thing do not wait for one another."""
    monkeypatch.setattr(lanes, "_is_head", true)
