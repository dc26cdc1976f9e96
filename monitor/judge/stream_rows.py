"""Streams as the ledger's rows: how far each has come, its labels, and the fields of its slices."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import Connection, select, text

from monitor.judge.memory import Advance
from monitor.judge.plan import Plan
from monitor.ledger.counted import slice_, stream
from monitor.records.delta import Cells
from monitor.records.signals import WHOLE


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


def rows_of(moved: Advance, plan: Plan) -> list[StreamRow]:
    """What changed of the streams that were counted in this tick."""
    core = moved.memory.core
    newest: dict[int, int] = {}
    for (stream_id, _), reference in core.references.items():
        newest[stream_id] = max(newest.get(stream_id, 0), reference.reference_id)
    touched = set(moved.cells.stream.tolist()) & core.streams.keys()
    return [
        StreamRow(
            stream_id=stream_id,
            state=str(core.streams[stream_id].stage(plan.learn, plan.at_least_ms)),
            first_ms=core.streams[stream_id].first_ms,
            last_ms=core.streams[stream_id].last_ms,
            learned=min(core.streams[stream_id].requests, plan.learn),
            needed=plan.learn,
            reference_id=newest.get(stream_id),
        )
        for stream_id in sorted(touched)
    ]


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
