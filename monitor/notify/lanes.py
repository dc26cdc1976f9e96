"""The outbox as lanes: what is due is claimed for a while, sent without a transaction, and recorded (rule 6).

A claim is a lease in the row: no row is locked during HTTP, and what a dead process claimed is free again
when the lease ends. All times are the database's.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, case, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from monitor.ledger.decided import delivery, repetition
from monitor.ledger.facts import storable
from monitor.ledger.moments import millis
from monitor.ledger.outbox import KILL, OF_SWITCH, delivery_id, lock_switches
from monitor.notify.delivery import Delivery, delivery_of

LEASE_S: Final = 30.0
_COPIED: Final = ("lane", "incident_id", "kill_id", "receiver", "kind", "event", "not_after", "payload")


def claim(
    conn: Connection, busy: Mapping[tuple[bool, str], int], *, most_each: int, lease_s: float = LEASE_S
) -> list[Delivery]:
    """Claim the first waiting message of every lane that is due, kills first, in order of position.

    `busy` counts what is under way by (is a kill, receiver); with that no receiver has more than `most_each`.
    """
    now = conn.execute(select(func.clock_timestamp())).scalar_one()
    chosen = _due_ids(busy, most_each)
    free = delivery.c.claimed_until.is_(None) | (delivery.c.claimed_until < func.clock_timestamp())
    locked = select(delivery.c.delivery_id).where(
        delivery.c.delivery_id.in_(chosen), delivery.c.state == "pending", free
    )
    claimed = (
        update(delivery)
        .where(delivery.c.delivery_id.in_(locked.with_for_update(skip_locked=True)))
        .values(
            claimed_by=uuid4(),
            claimed_until=func.clock_timestamp() + timedelta(seconds=lease_s),
            attempts=delivery.c.attempts + 1,
        )
        .returning(delivery)
    )
    rows = sorted(conn.execute(claimed).all(), key=lambda row: (row.kind not in OF_SWITCH, row.position))
    receipts = _first_receipts(conn, [row.lane for row in rows])
    return [delivery_of(row, millis(now), receipts.get(row.lane)) for row in rows]


def _first_receipts(conn: Connection, lanes: list[str]) -> dict[str, Mapping[str, str]]:
    """By lane, what its receiver gave for the first message that it took."""
    kept = (
        select(delivery.c.lane, delivery.c.receipt)
        .where(delivery.c.lane.in_(lanes), delivery.c.receipt.is_not(None))
        .ext(distinct_on(delivery.c.lane))
        .order_by(delivery.c.lane, delivery.c.position)
    )
    return {row.lane: row.receipt for row in conn.execute(kept)} if lanes else {}


def _due_ids(busy: Mapping[tuple[bool, str], int], most_each: int) -> Any:
    """A query for the ids of the heads of lanes that are due, as many as each receiver has room for."""
    now = func.clock_timestamp()
    is_kill = delivery.c.kind == KILL
    turn = func.row_number().over(partition_by=(is_kill, delivery.c.receiver), order_by=delivery.c.position)
    due = (
        select(delivery.c.delivery_id, turn.label("turn"), _room(is_kill, busy, most_each).label("room"))
        .where(delivery.c.state == "pending", delivery.c.next_attempt_at <= now, _is_head())
        .where(~exists().where(_repeats_under_way()))
        .where(delivery.c.claimed_until.is_(None) | (delivery.c.claimed_until < now))
        .where(delivery.c.not_after.is_(None) | (delivery.c.not_after > now))
        .subquery()
    )
    return select(due.c.delivery_id).where(due.c.turn <= due.c.room)


def _is_head() -> ColumnElement[bool]:
    earlier = delivery.alias("earlier")
    waits_before = (earlier.c.lane == delivery.c.lane) & (earlier.c.position < delivery.c.position)
    return ~exists().where(waits_before & (earlier.c.state == "pending"))


def _repeats_under_way() -> ColumnElement[bool]:
    """A repetition is under way in the lane: what comes after it must not overtake it."""
    mine = (repetition.c.lane == delivery.c.lane) & repetition.c.claimed_by.is_not(None)
    return mine & (repetition.c.due_at > func.clock_timestamp())


def _room(
    is_kill: ColumnElement[bool], busy: Mapping[tuple[bool, str], int], most_each: int
) -> ColumnElement[int]:
    taken = [
        ((is_kill == kill) & (delivery.c.receiver == receiver), literal(most_each - count))
        for (kill, receiver), count in busy.items()
        if count
    ]
    return case(*taken, else_=literal(most_each)) if taken else literal(most_each)


def next_due_s(conn: Connection) -> float | None:
    """The seconds until the next message falls due; None where none will, whatever is due already."""
    at = func.greatest(delivery.c.next_attempt_at, delivery.c.claimed_until)
    later = (delivery.c.state == "pending") & (at > func.clock_timestamp())
    left = conn.execute(
        select(func.extract("epoch", func.min(at) - func.clock_timestamp())).where(later)
    ).scalar()
    return None if left is None else float(left)


def record(conn: Connection, sent: Delivery, values: Mapping[str, Any]) -> bool:
    """Store what came of an attempt and end the claim; False, and nothing stored, where the claim is gone."""
    mine = (delivery.c.delivery_id == sent.delivery_id) & (delivery.c.claimed_by == sent.claim)
    stored = update(delivery).where(mine & (delivery.c.state == "pending"))
    ended = {"claimed_by": None, "claimed_until": None, **storable(values)}
    return conn.execute(stored.values(ended)).rowcount == 1


def pause(conn: Connection, receiver: str, seconds: float) -> None:
    """Let everything that waits for `receiver` wait at least `seconds`: it asked all of us to."""
    until = func.clock_timestamp() + timedelta(seconds=seconds)
    waits = (delivery.c.receiver == receiver) & (delivery.c.kind != KILL) & (delivery.c.state == "pending")
    later = func.greatest(delivery.c.next_attempt_at, until)
    conn.execute(update(delivery).where(waits).values(next_attempt_at=later))


def overdue(conn: Connection) -> list[Row[Any]]:
    """Expire what waits past its `not_after` and is not under way; returns the rows."""
    now = func.clock_timestamp()
    late = (delivery.c.state == "pending") & (delivery.c.not_after < now)
    late &= delivery.c.claimed_until.is_(None) | (delivery.c.claimed_until < now)
    expired = update(delivery).where(late).values(state="expired", claimed_by=None, claimed_until=None)
    return list(conn.execute(expired.returning(delivery)))


def send_newest_again(conn: Connection, sent: Delivery) -> str | None:
    """What `sent` carried may have arrived after newer messages of its lane: send the newest once more.

    An incident's message goes again under its own id. A switch's state goes under a new one, or a receiver
    that remembers ids would take the old state and ignore the newer. Returns the id, None where nothing newer
    went.
    """
    if sent.kind in OF_SWITCH:
        lock_switches(conn)
    mine = select(delivery).where(delivery.c.lane == sent.lane)
    newest = conn.execute(mine.order_by(delivery.c.position.desc()).limit(1).with_for_update()).first()
    if newest is None or newest.position <= sent.position:
        return None
    if newest.state == "pending" and newest.attempts == 0:
        return None
    return _copy(conn, sent, newest) if sent.kind in OF_SWITCH else _revive(conn, newest)


def _copy(conn: Connection, sent: Delivery, newest: Row[Any]) -> str:
    again = delivery_id(
        newest.kill_id, newest.receiver, newest.event, f"after/{sent.delivery_id}/{sent.attempts}"
    )
    row = {column: newest._mapping[column] for column in _COPIED}
    conn.execute(insert(delivery).values(row | {"delivery_id": again}).on_conflict_do_nothing())
    return again


def _revive(conn: Connection, newest: Row[Any]) -> str | None:
    mine = (delivery.c.delivery_id == newest.delivery_id) & (delivery.c.state == "delivered")
    again = {"state": "pending", "attempts": 0, "next_attempt_at": func.clock_timestamp()}
    revived = conn.execute(update(delivery).where(mine).values(again)).rowcount == 1
    return newest.delivery_id if revived else None


def next_attempt(delay_s: float) -> ColumnElement[Any]:
    """`delay_s` from now, by the database's clock."""
    later: ColumnElement[Any] = func.clock_timestamp() + timedelta(seconds=delay_s)
    return later
