"""What a rule asked for and was not done: held back by the guard, or a dry run. Each is said once an incident."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection, Row, func, select

from monitor.config.model import SwitchKey
from monitor.killswitch.change import Change, KillOutcome
from monitor.killswitch.deciding import KillAction, is_said, said
from monitor.ledger.announcements import announce
from monitor.ledger.decided import kill_event
from monitor.ledger.facts import stored_facts
from monitor.ledger.moments import millis


def tripped_by_rules(conn: Connection) -> list[tuple[SwitchKey, int]]:
    """Every switch (of one with `per`: every value) that a rule ever tripped, with the ms of the last time."""
    by_rule = (kill_event.c.action == KillAction.TRIPPED.value) & kill_event.c.incident_id.is_not(None)
    last = select(kill_event.c.switch, kill_event.c.value, func.max(kill_event.c.at)).where(by_rule)
    rows = conn.execute(last.group_by(kill_event.c.switch, kill_event.c.value))
    return [((name, value), millis(at)) for name, value, at in rows]


def only_say(change: Change, incident_id: str, action: KillAction, before: Callable[[], None]) -> KillOutcome:
    """Leave the switch as it is; an event, and, `before` having been called, news to those who know of the incident."""
    last = _last(change)
    if last is not None and is_said((last.action, last.incident_id), action, incident_id):
        return KillOutcome(action, last.sequence, last.kill_id, new=False)
    before()
    change = replace(change, last=max(change.last, last.sequence if last else 0))
    sequence, at_ms = change.next_sequence, millis(change.at)
    kill_id = change.event(action, sequence)
    kill = said(change.switch, action, change.value, sequence, at_ms, change.actor, change.reason)
    extra = {"kill": stored_facts(kill)}
    announce(change.conn, incident_id, "escalated", delivery_key=f"{kill.state}/{kill_id}", extra=extra)
    return KillOutcome(action, sequence, kill_id, new=True)


def _last(change: Change) -> Row[tuple[object, ...]] | None:
    mine = (kill_event.c.switch == change.switch.name) & (kill_event.c.value == change.value)
    return change.conn.execute(
        select(kill_event).where(mine).order_by(kill_event.c.at.desc()).limit(1)
    ).first()
