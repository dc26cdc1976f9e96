"""What a receiver forgets unless it is told again: repeated until the incident has ended, also by a later process.

A repetition is one row a lane, due at a time of the database's clock, and claimed by compare-and-set. It waits
while a message of its lane does, and what was sent after the end is followed by the end once more (rule 6).
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from monitor.config.model import Receiver
from monitor.config.receiver_kinds import KINDS
from monitor.ledger.decided import delivery, incident, repetition
from monitor.ledger.moments import millis
from monitor.notify.delivery import Delivery, delivery_of
from monitor.notify.lanes import LEASE_S

EVERY_MS: Final = 60_000


def every(receiver: Receiver | None) -> timedelta | None:
    """How often `receiver` has to be told again; None where once is enough."""
    if receiver is None or receiver.kind not in KINDS or not KINDS[receiver.kind].repeats:
        return None
    return timedelta(milliseconds=receiver.settings.get("resend", EVERY_MS))


def follow(conn: Connection, sent: Delivery, pause: timedelta) -> None:
    """`sent` was taken: repeat it after `pause`, or, where it was the end, repeat nothing any more."""
    if sent.event == "resolved":
        conn.execute(delete(repetition).where(repetition.c.lane == sent.lane))
        return
    now = func.clock_timestamp()
    values = {
        "delivery_id": sent.delivery_id,
        "receiver": sent.receiver,
        "due_at": now + pause,
        "taken_at": now,
        "failures": 0,
        "claimed_by": None,
    }
    row = insert(repetition).values(lane=sent.lane, **values)
    conn.execute(row.on_conflict_do_update(index_elements=["lane"], set_=values))


def claim(conn: Connection, receiver: str, most: int, lease_s: float = LEASE_S) -> list[Delivery]:
    """Claim at most `most` repetitions of `receiver` that are due, the longest due first."""
    waits = (delivery.c.lane == repetition.c.lane) & (delivery.c.state == "pending")
    fires = (delivery.c.delivery_id == repetition.c.delivery_id) & (
        incident.c.incident_id == delivery.c.incident_id
    )
    due = (
        select(repetition.c.lane)
        .where(repetition.c.receiver == receiver, repetition.c.due_at <= func.clock_timestamp())
        .where(~exists().where(waits), exists().where(fires & (incident.c.state == "firing")))
        .order_by(repetition.c.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    until = func.clock_timestamp() + timedelta(seconds=lease_s)
    claimed = (
        update(repetition)
        .where(repetition.c.lane.in_(due))
        .values(claimed_by=uuid4(), due_at=until, failures=repetition.c.failures + 1)
        .returning(repetition, func.clock_timestamp().label("now"))
    )
    return [_message(conn, row) for row in conn.execute(claimed).all()]


def _message(conn: Connection, row: Row[Any]) -> Delivery:
    """The message to repeat; its age is the time since it was last taken, its attempts are those since then."""
    stored = conn.execute(select(delivery).where(delivery.c.delivery_id == row.delivery_id)).one()
    return replace(
        delivery_of(stored, millis(row.now)),
        repeats=True,
        attempts=row.failures,
        created_ms=millis(row.taken_at),
        claim=row.claimed_by,
    )


def record(conn: Connection, sent: Delivery, pause: timedelta, *, taken: bool) -> bool:
    """Store what came of it and when it is due again; False where the claim, or what it was about, is gone."""
    now = func.clock_timestamp()
    news = {"taken_at": now, "failures": 0} if taken else {}
    mine = (repetition.c.lane == sent.lane) & (repetition.c.claimed_by == sent.claim)
    stored = update(repetition).where(mine).values(due_at=now + pause, claimed_by=None, **news)
    return conn.execute(stored).rowcount == 1
