"""The states of switches on their way to a compacted topic: a level, sent again at every start and now and then.

A topic has lanes of its own in the outbox, one for each state. Whatever changes the state withdraws what waits there:
what waits is the newest state, and after it nothing older is sent.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, exists, func, select

from monitor.config.model import KillSwitch
from monitor.ledger.decided import delivery, kill_event, kill_switch
from monitor.ledger.moments import rfc3339
from monitor.ledger.outbox import MIRROR, enqueue, lock_switches, topic_lane, topic_of


def record_key(lane: str) -> str:
    """The key under which the state of a `topic_lane` stands: the switch, and with `per` the value of its labels."""
    return lane.removeprefix(topic_lane(""))


def mirror(conn: Connection, switches: Mapping[str, KillSwitch], within: timedelta = timedelta()) -> int:
    """Enqueue the state of every switch that has a topic, unless it waits there or was written `within` this time.

    Of what was sent again only the last stays in the outbox. Returns how many are enqueued.
    """
    with_topic = {name: switch for name, switch in switches.items() if switch.topic is not None}
    if not with_topic:
        return 0
    lock_switches(conn)
    found = [row for row in _states(conn, with_topic) if _fits(with_topic[row.switch], row.per)]
    missing = [row for row in found if not _is_told(conn, topic_lane(row.switch, row.value), within)]
    for row in missing:
        _forget_last(conn, topic_lane(row.switch, row.value))
        enqueue(
            conn,
            incident_id=None,
            kill_id=row.kill_id,
            receiver=topic_of(row.switch),
            kind=MIRROR,
            event=row.state,
            payload=_body(row),
            delivery_key=uuid4().hex,
            lane=topic_lane(row.switch, row.value),
        )
    return len(missing)


def _states(conn: Connection, switches: Mapping[str, KillSwitch]) -> list[Row[Any]]:
    change = (kill_event.c.switch == kill_switch.c.switch) & (kill_event.c.value == kill_switch.c.value)
    change &= kill_event.c.sequence == kill_switch.c.sequence
    rows = select(kill_switch, kill_event.c.kill_id, kill_event.c.actor, kill_event.c.evidence_until)
    known = rows.join(kill_event, change).where(kill_switch.c.switch.in_(switches))
    return list(conn.execute(known.order_by(kill_switch.c.sequence)))


def _fits(switch: KillSwitch, per: list[str] | None) -> bool:
    """Whether alerts.yaml still gives the switch states of this kind."""
    return per is not None and tuple(per) == switch.per


def _is_told(conn: Connection, lane: str, within: timedelta) -> bool:
    recent = delivery.c.delivered_at > func.clock_timestamp() - within
    told = (delivery.c.lane == lane) & ((delivery.c.state == "pending") | recent)
    return bool(conn.execute(select(exists().where(told))).scalar())


def _forget_last(conn: Connection, lane: str) -> None:
    again = (delivery.c.lane == lane) & (delivery.c.kind == MIRROR) & (delivery.c.state != "pending")
    conn.execute(delete(delivery).where(again))


def _body(row: Row[Any]) -> dict[str, Any]:
    return {
        "switch": row.switch,
        "stream": row.stream,
        "state": row.state,
        "mode": row.mode,
        "target": row.target,
        "share": row.share,
        "sequence": row.sequence,
        "reason": row.reason,
        "incident_id": row.incident_id,
        "actor": row.actor,
        "at": rfc3339(row.since),
        "evidence_until": None if row.evidence_until is None else rfc3339(row.evidence_until),
        "not_after": None,
    }
