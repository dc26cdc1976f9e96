"""Stored references: what was normal, since when, and where it comes from."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, text, update

from monitor.ledger.counted import pane, reference, reference_hour, stream
from monitor.records.signals import WHOLE


@dataclass(frozen=True, slots=True)
class HourRow:
    """What a reference holds of one hour of the week, 0 to 167 from Monday 00:00 UTC; columns as in `New`."""

    hour: int
    buckets: Sequence[int]
    counts: Sequence[int]
    pane_rates: Sequence[float]
    panes: float
    panes_inverse: float


@dataclass(frozen=True, slots=True)
class New:
    """A reference to store; `buckets` ascend, `counts` go with them, `note` says what it was made from.

    `pane_rates` are the sums of count/n by bucket over `panes` panes, `panes_inverse` of 1/n; none without panes.
    """

    stream_id: int
    signal: int
    origin: str
    provisional: bool
    learned_from: datetime
    learned_until: datetime
    buckets: Sequence[int]
    counts: Sequence[int]
    block_s: int | None = None
    phi: float = 1.0
    rho: float = 0.0
    note: str = ""
    pane_rates: Sequence[float] = ()
    panes: float = 0
    panes_inverse: float = 0.0
    hours: Sequence[HourRow] = ()
    held_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A stored reference as people see it."""

    reference_id: int
    stream: str
    signal: int
    origin: str
    state: str
    n: int
    learned_from: datetime
    learned_until: datetime
    note: str
    hours: int


def replace(conn: Connection, reference_id: int, new: New) -> None:
    """Store `new` under an id of its own and retire what held before."""
    held = (reference.c.stream_id == new.stream_id) & (reference.c.signal == new.signal)
    conn.execute(
        update(reference).where(held & reference.c.retired_at.is_(None)).values(retired_at=func.now())
    )
    row = {"reference_id": reference_id, "n": sum(new.counts)}
    conn.execute(insert(reference).values(row | {name: getattr(new, name) for name in _COLUMNS}))
    if new.hours:
        rows = [{"reference_id": reference_id, **asdict(hour)} for hour in new.hours]
        conn.execute(insert(reference_hour), rows)


def hours(conn: Connection, reference_id: int) -> list[HourRow]:
    """What a reference holds by the hour of the week, in their order; nothing where it does not."""
    mine = select(reference_hour).where(reference_hour.c.reference_id == reference_id)
    rows = conn.execute(mine.order_by(reference_hour.c.hour))
    return [HourRow(**{name: getattr(row, name) for name in HourRow.__slots__}) for row in rows]


def add(conn: Connection, new: New) -> int:
    """Store `new` under the next free id, which the judge takes up at its next tick.

    The judge numbers its own: where both take the same id at once, one of the two transactions fails and is repeated.
    """
    newest = conn.execute(select(func.coalesce(func.max(reference.c.reference_id), 0))).scalar_one()
    replace(conn, newest + 1, new)
    return int(newest + 1)


def again(conn: Connection, reference_id: int, note: str) -> New | None:
    """An earlier reference, to hold again; None where there is none of that id."""
    row = conn.execute(select(reference).where(reference.c.reference_id == reference_id)).first()
    if row is None:
        return None
    values = {name: getattr(row, name) for name in _COLUMNS}
    values |= {"origin": "promoted", "provisional": False, "note": note, "held_from": None}
    return New(**values, hours=hours(conn, reference_id))


def hold(conn: Connection, reference_ids: Sequence[int], since: datetime) -> int:
    """Note that the judge holds against references from `since` on, in event time; how many it did not before."""
    fresh = reference.c.reference_id.in_(reference_ids) & reference.c.held_from.is_(None)
    return conn.execute(update(reference).where(fresh).values(held_from=since)).rowcount


def held_at(conn: Connection, at: datetime) -> Sequence[Any]:
    """The rows of the references that the judge held against at `at` of event time, one a stream and signal."""
    return conn.execute(_HELD, {"at": at}).all()


def given_between(conn: Connection, after: datetime, until: datetime) -> Sequence[Any]:
    """The rows of the references from people that the judge took up in (after, until) of event time, in order."""
    between = (reference.c.held_from > after) & (reference.c.held_from < until)
    rows = select(reference).where(between, reference.c.origin != "learned")
    return conn.execute(rows.order_by(reference.c.held_from, reference.c.reference_id)).all()


def listed(conn: Connection, key: str | None = None) -> Iterator[Listed]:
    """All references, newest first; of one stream where `key` names it."""
    held = select(func.count()).where(reference_hour.c.reference_id == reference.c.reference_id)
    rows = select(reference, stream.c.key, held.scalar_subquery().label("hours")).join(
        stream, stream.c.stream_id == reference.c.stream_id
    )
    rows = rows.order_by(reference.c.reference_id.desc())
    for row in conn.execute(rows.where(stream.c.key == key) if key else rows):
        state = "retired" if row.retired_at else "provisional" if row.provisional else "in force"
        yield Listed(
            row.reference_id,
            row.key,
            row.signal,
            row.origin,
            state,
            row.n,
            row.learned_from,
            row.learned_until,
            row.note,
            row.hours,
        )


def stream_id(conn: Connection, key: str) -> int | None:
    """The id of a stream; None where there is none of that name."""
    found: int | None = conn.execute(select(stream.c.stream_id).where(stream.c.key == key)).scalar()
    return found


def signals_between(conn: Connection, of: int, since: datetime, until: datetime) -> list[int]:
    """The codes of the signals that a stream has panes of."""
    rows = select(pane.c.signal).distinct().where(*_between(of, since, until)).order_by(pane.c.signal)
    return list(conn.execute(rows).scalars())


def panes_between(conn: Connection, of: int, signal: int, since: datetime, until: datetime) -> Sequence[Any]:
    """(pane_start, bucket, count, step_s) of a stream's signal, in order; what came late is at its own time."""
    return conn.execute(_PANES, {"stream": of, "signal": signal, "since": since, "until": until}).all()


_COLUMNS = tuple(f.name for f in fields(New) if f.name != "hours")


def _between(of: int, since: datetime, until: datetime) -> tuple[Any, ...]:
    mine = (pane.c.stream_id == of) & (pane.c.slice_id == WHOLE)
    return (mine, pane.c.pane_start >= since, pane.c.pane_start < until)


_HELD = text("""
    SELECT DISTINCT ON (stream_id, signal) * FROM tocsin_ledger.reference WHERE held_from <= :at
    ORDER BY stream_id, signal, held_from DESC, reference_id DESC
""")

_PANES = text("""
    SELECT p.pane_start, b.bucket, sum(b.count)::bigint AS count, max(p.step_s) AS step_s
    FROM tocsin_ledger.pane p, unnest(p.buckets, p.counts) AS b(bucket, count)
    WHERE p.stream_id = :stream AND p.signal = :signal AND p.slice_id = 0
      AND p.pane_start >= :since AND p.pane_start < :until
    GROUP BY 1, 2 ORDER BY 1, 2
""")
