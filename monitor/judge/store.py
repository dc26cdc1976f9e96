"""The judge's rows: cursors, checkpoints to consume, panes, references, versions and its own memory."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from psycopg2.extras import execute_values
from sqlalchemy import Connection, select, text, update
from sqlalchemy.dialects.postgresql import insert

from detectors.base_rates import PaneRates
from monitor.errors import LeaseLost
from monitor.judge import codec
from monitor.judge.hour_rows import hours_of, rows_of
from monitor.judge.memory import GROUP, Consumed, Memory
from monitor.judge.reference import LEARNED, Correlation, Reference
from monitor.judge.state_versions import brought_up
from monitor.judge.verdicts import Chosen, Learned
from monitor.judge.watermark import Mark, PartitionKey
from monitor.ledger import references, reviewing
from monitor.ledger.counted import judge_cursor, judge_state, reference, slice_, stream
from monitor.ledger.engine import bare_cursor
from monitor.ledger.moments import millis, moment
from monitor.ledger.schema import STATE_VERSION
from monitor.records import codec as delta_codec
from monitor.records import fold
from monitor.records.delta import PANE_MS, Cells, Delta, Sums, Versions
from monitor.records.signals import WHOLE

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


_PANES: Final = """
    INSERT INTO tocsin_ledger.pane
        (stream_id, signal, slice_id, pane_start, evidence_start, n, total, buckets, counts)
    VALUES %s
    ON CONFLICT (stream_id, signal, slice_id, pane_start, evidence_start, step_s)
    DO UPDATE SET n = excluded.n, total = excluded.total, buckets = excluded.buckets, counts = excluded.counts
"""
_PANE_TEMPLATE: Final = "(%s, %s, %s, to_timestamp(%s), to_timestamp(%s), %s, %s, %s::int[], %s::bigint[])"
_SECONDS: Final = PANE_MS // 1000


def write_panes(conn: Connection, cells: Cells, sums: Sums) -> None:
    """Store whole pane rows, replacing what an open pane had before."""
    if len(cells.stream):
        with bare_cursor(conn) as cursor:
            execute_values(cursor, _PANES, _pane_rows(cells, sums), _PANE_TEMPLATE, page_size=1000)


def _pane_rows(cells: Cells, sums: Sums) -> Iterator[tuple[Any, ...]]:
    """A row for each group, made as it is asked for: as objects, all of them take ten times what the arrays do."""
    keys, order, starts = fold.grouped([getattr(cells, name) for name in GROUP])
    buckets, counts = cells.bucket[order], cells.count[order]
    n = np.add.reduceat(counts, starts).tolist()
    ends = np.append(starts[1:], len(order)).tolist()
    totals = dict(zip(_group_keys(sums), sums.total.tolist(), strict=True))
    columns = zip(*(k.tolist() for k in keys), starts.tolist(), ends, n, strict=True)
    for stream_id, slice_id, signal, pane, evidence, start, end, size in columns:
        total = totals.get((stream_id, slice_id, signal, pane, evidence))
        times = (pane * _SECONDS, evidence * _SECONDS)
        held = (buckets[start:end].tolist(), counts[start:end].tolist())
        yield (stream_id, signal, slice_id, *times, size, total, *held)


def _group_keys(table: Sums) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(table, name).tolist() for name in GROUP), strict=True))


def pane_days(cells: Cells) -> set[int]:
    """The days (days since the epoch) that pane rows fall on."""
    return set((np.unique(cells.pane) * PANE_MS // 86_400_000).tolist())


_VERSIONS: Final = text("""
    INSERT INTO tocsin_ledger.version (stream_id, version, slice_id, first_seen, last_seen, n)
    SELECT :stream, s.value, s.slice_id, to_timestamp(:first / 1000.0), to_timestamp(:last / 1000.0), :n
    FROM tocsin_ledger.slice s WHERE s.slice_id = :slice
    ON CONFLICT (stream_id, version) DO UPDATE SET
        first_seen = least(version.first_seen, excluded.first_seen),
        last_seen = greatest(version.last_seen, excluded.last_seen),
        n = version.n + excluded.n
""")


def write_versions(conn: Connection, versions: Versions) -> None:
    """Add to when each version was seen, and how often."""
    columns = (versions.stream, versions.slice, versions.first_ms, versions.last_ms, versions.count)
    rows = [
        {"stream": s, "slice": v, "first": first, "last": last, "n": n}
        for s, v, first, last, n in zip(*(c.tolist() for c in columns), strict=True)
    ]
    if rows:
        conn.execute(_VERSIONS, rows)


def write_reference(conn: Connection, learned: Learned) -> None:
    """Store a settled reference and retire the one before it."""
    r = learned.reference
    references.replace(
        conn,
        r.reference_id,
        references.New(
            stream_id=learned.stream,
            signal=learned.signal,
            origin=r.origin,
            provisional=r.provisional,
            learned_from=moment(r.from_ms),
            learned_until=moment(r.until_ms),
            buckets=r.buckets.tolist(),
            counts=r.counts.tolist(),
            block_s=r.correlation.block_s,
            phi=r.correlation.phi,
            rho=r.correlation.rho,
            pane_rates=r.panes.rates.tolist(),
            panes=r.panes.panes,
            panes_inverse=r.panes.inverse,
            hours=rows_of(learned.hours),
            held_from=moment(r.until_ms),
        ),
    )


def write_choice(conn: Connection, chosen: Chosen) -> None:
    """Store the block that a reference has found; raises LeaseLost where it has one already."""
    c = chosen.correlation
    mine = (reference.c.reference_id == chosen.reference_id) & reference.c.block_s.is_(None)
    found = update(reference).where(mine).values(block_s=c.block_s, phi=c.phi, rho=c.rho)
    if conn.execute(found).rowcount != 1:
        raise LeaseLost(f"reference #{chosen.reference_id} has a block that this judge did not give it")


def given(conn: Connection, next_reference: int) -> tuple[Learned, ...]:
    """References that people gave since the judge numbered its last one, oldest first."""
    rows = conn.execute(
        select(reference)
        .where(reference.c.reference_id >= next_reference, reference.c.origin != LEARNED)
        .where(reference.c.retired_at.is_(None))
        .order_by(reference.c.reference_id)
    )
    return tuple(learned(conn, row) for row in rows)


def learned(conn: Connection, row: Any) -> Learned:
    """The reference of a row of the ledger, with its hours of the week where it has some."""
    hours = hours_of(references.hours(conn, row.reference_id))
    return Learned(row.stream_id, row.signal, replace(_reference(row), hourly=hours is not None), hours)


def adopted(conn: Connection, given: Sequence[Learned], pane: int) -> None:
    """Note that the judge holds against what people gave from `pane` on; raises LeaseLost where another noted it."""
    ids = [one.reference.reference_id for one in given]
    if ids and references.hold(conn, ids, moment(pane * PANE_MS)) != len(ids):
        raise LeaseLost(f"another judge has adopted some of the references {ids}")


def _reference(row: Any) -> Reference:
    return Reference(
        reference_id=row.reference_id,
        provisional=row.provisional,
        learned=row.n,
        from_ms=millis(row.learned_from),
        until_ms=millis(row.learned_until),
        buckets=np.array(row.buckets, np.int64),
        counts=np.array(row.counts, np.int64),
        correlation=Correlation(row.block_s, row.phi, row.rho),
        origin=row.origin,
        panes=PaneRates(np.array(row.pane_rates, np.float64), row.panes, row.panes_inverse),
    )


@dataclass(frozen=True, slots=True)
class StreamRow:
    """What `streams` shows of one stream."""

    stream_id: int
    state: str
    first_ms: int
    last_ms: int
    learned: int
    needed: int
    reference_id: int | None


_STREAM: Final = text("""
    UPDATE tocsin_ledger.stream SET state = :state, learned = :learned, needed = :needed,
        reference_id = coalesce(:reference_id, reference_id),
        first_seen = least(coalesce(first_seen, 'infinity'), to_timestamp(:first_ms / 1000.0)),
        last_seen = greatest(coalesce(last_seen, '-infinity'), to_timestamp(:last_ms / 1000.0))
    WHERE stream_id = :stream_id
""")


def write_streams(conn: Connection, rows: Sequence[StreamRow]) -> None:
    """Store how far each stream has come."""
    if rows:
        conn.execute(_STREAM, [{name: getattr(r, name) for name in StreamRow.__slots__} for r in rows])


def labels(conn: Connection, known: Iterable[int]) -> dict[int, Mapping[str, str]]:
    """Labels of all streams that are not `known` yet."""
    rows = conn.execute(select(stream.c.stream_id, stream.c.labels).where(stream.c.stream_id.not_in(known)))
    return {row.stream_id: row.labels for row in rows}


def slice_fields(conn: Connection, tables: Iterable[Cells], known: Collection[int]) -> dict[int, str]:
    """The field of every slice in `tables` that is not `known` yet."""
    counted = {s for cells in tables for s in np.unique(cells.slice).tolist()}
    fresh = counted - {WHOLE} - set(known)
    if not fresh:
        return {}
    rows = conn.execute(select(slice_.c.slice_id, slice_.c.field).where(slice_.c.slice_id.in_(fresh)))
    return {row.slice_id: row.field for row in rows}
