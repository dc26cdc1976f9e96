"""The judge's place in the ledger: cursors, checkpoints to consume, and its own memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from monitor.errors import LeaseLost
from monitor.judge import codec
from monitor.judge.memory import Advance, Consumed, Memory
from monitor.judge.state_versions import brought_up
from monitor.judge.watermark import Mark, PartitionKey
from monitor.ledger import reviewing
from monitor.ledger.counted import judge_cursor, judge_state
from monitor.ledger.schema import STATE_VERSION
from monitor.records import codec as delta_codec
from monitor.records.delta import PANE_MS, Delta

CORE_PART: Final = "core"
EVIDENCE_PART: Final = "evidence"
OPEN_PART: Final = "open"
HOURS_PART: Final = "hours"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last checkpoint consumed of a partition, and the offset up to which the pane rows tell everything."""

    seq: int
    judged_offset: int


@dataclass(frozen=True, slots=True)
class Read:
    """Checkpoints in the order they are to be consumed, and where the cursors stand after them."""

    consumed: tuple[Consumed, ...]
    cursors: Mapping[PartitionKey, Cursor]
    left_over: bool


_NEXT: Final = text("""
    SELECT c.topic_id, c.partition, c.seq, c.next_offset, c.max_event_ms, c.max_kafka_ms, c.last_record_ms,
           c.clock_ms, c.caught_up, c.deltas
    FROM tocsin_ledger.checkpoint c
    LEFT JOIN tocsin_ledger.judge_cursor j USING (topic_id, partition)
    WHERE c.seq > coalesce(j.seq, 0)
    ORDER BY c.at, c.seq
    LIMIT :most
""")


def read(conn: Connection, cursors: Mapping[PartitionKey, Cursor], most: int, most_bytes: int) -> Read:
    """Whole checkpoints after each cursor, without a gap, at most `most`, and about `most_bytes` of arrays."""
    now, taken = dict(cursors), 0
    consumed: list[Consumed] = []
    rows = conn.execution_options(yield_per=50).execute(_NEXT, {"most": most})
    left_over = False
    for seen, row in enumerate(rows, start=1):
        left_over = seen == most
        key = (row.topic_id, row.partition)
        if row.seq != now.get(key, Cursor(0, 0)).seq + 1:
            continue
        checkpoint = _consumed(key, row)
        taken += checkpoint.delta.nbytes
        if taken > most_bytes and consumed:
            left_over = True
            break
        consumed.append(checkpoint)
        now[key] = Cursor(row.seq, row.next_offset)
    return Read(tuple(consumed), now, left_over)


def _consumed(key: PartitionKey, row: Any) -> Consumed:
    delta = delta_codec.decode(bytes(row.deltas)) if row.deltas else Delta()
    return Consumed(key, None if row.topic_id == reviewing.TOPIC_ID else _mark(row), delta)


def _mark(row: Any) -> Mark:
    return Mark(
        clock_ms=row.clock_ms,
        next_offset=row.next_offset,
        max_event_ms=row.max_event_ms,
        max_kafka_ms=row.max_kafka_ms,
        last_record_ms=row.last_record_ms,
        caught_up=row.caught_up,
    )


_LISTED: Final = text("""
    SELECT topic_id, partition, topic FROM tocsin_ledger.topic_partition WHERE topic_id IN (
        SELECT DISTINCT ON (topic) topic_id FROM tocsin_ledger.topic_partition WHERE topic = ANY(:topics)
        ORDER BY topic, listed_at DESC)
""")


def listed(conn: Connection, topics: Iterable[str]) -> dict[PartitionKey, str]:
    """All partitions of some topics that ingest has listed, with the topic; of one made anew those of the newest id."""
    rows = conn.execute(_LISTED, {"topics": list(topics)})
    return {(row.topic_id, row.partition): row.topic for row in rows}


def load_cursors(conn: Connection) -> dict[PartitionKey, Cursor]:
    """Where the judge stands in every partition."""
    rows = conn.execute(select(judge_cursor))
    return {(r.topic_id, r.partition): Cursor(r.seq, r.judged_offset) for r in rows}


def move_cursors(
    conn: Connection,
    before: Mapping[PartitionKey, Cursor],
    after: Mapping[PartitionKey, Cursor],
    watermarks: Mapping[PartitionKey, int | None],
) -> None:
    """Move every cursor that moved, each by compare-and-set; raises LeaseLost where one is not where it was."""
    for key, cursor in after.items():
        old = before.get(key)
        if old == cursor:
            continue
        values = {
            "seq": cursor.seq,
            "judged_offset": cursor.judged_offset,
            "watermark_ms": watermarks.get(key),
        }
        first = insert(judge_cursor).values(topic_id=key[0], partition=key[1], **values)
        moved = first.on_conflict_do_update(
            index_elements=["topic_id", "partition"],
            set_=values,
            where=judge_cursor.c.seq == (old.seq if old else 0),
        )
        if conn.execute(moved).rowcount != 1:
            raise LeaseLost(f"the cursor of partition {key[1]} is not where this judge left it")


def judged(
    before: Mapping[PartitionKey, Cursor], after: Mapping[PartitionKey, Cursor], moved: Advance
) -> dict[PartitionKey, Cursor]:
    """Cursors after a tick: the judged offset waits until the pane rows tell all that was consumed."""
    if not moved.complete:
        return {key: replace(c, judged_offset=before[key].judged_offset) for key, c in after.items()}
    marks = {key: p.mark for key, p in moved.memory.progress.known.items()}
    return {
        key: replace(c, judged_offset=mark.next_offset if (mark := marks.get(key)) else c.judged_offset)
        for key, c in after.items()
    }


def watermarks(memory: Memory) -> dict[PartitionKey, int | None]:
    """Each partition's own watermark."""
    progress = memory.progress
    return {key: progress.reached(key) for key in progress.known}


def load(conn: Connection) -> Memory | None:
    """The judge's memory as last stored; None in a new ledger.

    Raises SchemaMismatch for a version that this program does not know. Each part has the version that stored it.
    """
    parts = {
        row.part: brought_up(row.part, row.state_version, bytes(row.state))
        for row in conn.execute(select(judge_state))
    }
    if CORE_PART not in parts:
        return None
    stored = codec.decode(parts[CORE_PART], parts[EVIDENCE_PART], parts.get(HOURS_PART, b""))
    opened = delta_codec.decode(parts[OPEN_PART])
    return Memory(stored.progress, stored.core, opened, stored.recent, unwritten=opened.cells)


def closed_ms(conn: Connection) -> int | None:
    """Up to where in event time every pane is judged; None before the first one."""
    core = conn.execute(select(judge_state.c.state).where(judge_state.c.part == CORE_PART)).scalar()
    found = None if core is None else codec.next_pane(bytes(core))
    return None if found is None else found * PANE_MS


def save(conn: Connection, memory: Memory, before: Memory | None) -> None:
    """Store the judge's memory in the transaction that moves its cursors; `before` is as it was stored last.

    The evidence, which grows with streams, is stored only when a pane has closed or a trip has muted some; past hours
    of the week, which are large, once an hour.
    """
    _save_part(conn, CORE_PART, codec.encode_core(memory.core, memory.progress, memory.recent))
    _save_part(conn, OPEN_PART, delta_codec.encode(memory.open))
    if before is None or before.core.watches is not memory.core.watches:
        _save_part(conn, EVIDENCE_PART, codec.encode_evidence(memory.core))
    if memory.core.hours is not (before.core.hours if before else None):
        _save_part(conn, HOURS_PART, codec.encode_hours(memory.core))


def _save_part(conn: Connection, part: str, blob: bytes) -> None:
    values = {"state_version": STATE_VERSION, "state": blob, "updated_at": text("now()")}
    row = insert(judge_state).values(part=part, **values)
    conn.execute(row.on_conflict_do_update(index_elements=["part"], set_=values))
