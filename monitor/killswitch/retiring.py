"""States of another `per`: alerts.yaml gives their switch other states now, so nobody could release them any more.

What was stopped under them is released, which the service and people are told, and their key in the topic is emptied.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Row, func, select, update

from monitor.config.model import KillSwitch
from monitor.errors import LedgerUnavailable
from monitor.killswitch.change import Change, last_sequence
from monitor.killswitch.deciding import KillAction, State
from monitor.ledger.decided import kill_event, kill_switch
from monitor.ledger.outbox import MIRROR, enqueue, lock_switches, topic_lane, topic_of

TOCSIN: Final = "tocsin"
EMPTIED: Final = "emptied"
"""In a payload: the topic's record has no value."""


def retire(conn: Connection, switches: Mapping[str, KillSwitch]) -> list[tuple[str, str]]:
    """Retire every state that was made under another `per` than its switch has; returns switches and values."""
    lock_switches(conn)
    known = kill_switch.c.switch.in_(switches) & kill_switch.c.per.is_not(None)
    rows = conn.execute(select(kill_switch).where(known).order_by(kill_switch.c.sequence)).all()
    stale = [row for row in rows if tuple(row.per) != switches[row.switch].per]
    for row in stale:
        _retire(conn, switches[row.switch], row)
    return [(row.switch, row.value) for row in stale]


def _retire(conn: Connection, switch: KillSwitch, row: Row[Any]) -> None:
    sequence = row.sequence
    if row.state != State.RELEASED:
        sequence = _release(conn, switch, row)
    mine = (kill_switch.c.switch == row.switch) & (kill_switch.c.value == row.value)
    retired = update(kill_switch).where(mine & (kill_switch.c.sequence == sequence)).values(per=None)
    if conn.execute(retired).rowcount != 1:
        raise LedgerUnavailable(f"kill switch {row.switch} changed while it was being retired: try again")
    if switch.topic is not None:
        _empty(conn, row, sequence)


def _release(conn: Connection, switch: KillSwitch, row: Row[Any]) -> int:
    """Release it as the switch that it was; returns the new sequence."""
    at = conn.execute(select(func.clock_timestamp())).scalar_one()
    reason = f"alerts.yaml has per: [{', '.join(switch.per)}] now, it was per: [{', '.join(row.per)}]"
    as_it_was = replace(switch, per=tuple(row.per))
    last = last_sequence(conn, switch)
    change = Change(conn, as_it_was, row.stream, reason, TOCSIN, row.incident_id, None, at, row, last)
    return change.apply(KillAction.RELEASED).sequence


def _empty(conn: Connection, row: Row[Any], sequence: int) -> None:
    """A record without a value: compaction forgets the key."""
    newest = (kill_event.c.switch == row.switch) & (kill_event.c.sequence == sequence)
    enqueue(
        conn,
        incident_id=None,
        kill_id=conn.execute(select(kill_event.c.kill_id).where(newest)).scalar_one(),
        receiver=topic_of(row.switch),
        kind=MIRROR,
        event=State.RELEASED.value,
        payload={"switch": row.switch, "stream": row.stream, EMPTIED: True},
        delivery_key=uuid4().hex,
        lane=topic_lane(row.switch, row.value),
    )
