"""What a rule asked for and was not done: held back by the guard, or a dry run. Each is said once an incident."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select, tuple_

from monitor.config.model import Guard, KillSwitch, SwitchKey
from monitor.killswitch.change import Change, KillAction, KillOutcome
from monitor.ledger.announcements import announce
from monitor.ledger.decided import kill_event
from monitor.ledger.facts import KillFacts, KillState, stored_facts
from monitor.ledger.moments import millis, moment
from monitor.ledger.wording import duration


def held_by_guard(conn: Connection, switch: KillSwitch, value: str, at: datetime) -> bool:
    """Whether `guard.at_most` others have been tripped by rules within `guard.within`.

    What counts are distinct switches; of one with `per`, distinct values.
    """
    return len(_recently_tripped(conn, (switch.name, value), switch.guard, at)) >= switch.guard.at_most


def _recently_tripped(conn: Connection, mine: SwitchKey, guard: Guard, at: datetime) -> list[SwitchKey]:
    by_rule = (kill_event.c.action == KillAction.TRIPPED.value) & kill_event.c.incident_id.is_not(None)
    recent = kill_event.c.at > moment(millis(at) - guard.within_ms)
    key = tuple_(kill_event.c.switch, kill_event.c.value)
    others = select(kill_event.c.switch, kill_event.c.value).where(by_rule & recent & (key != mine))
    return [(name, value) for name, value in conn.execute(others.distinct())]


def hold(change: Change, incident_id: str) -> KillOutcome:
    """The guard does not let the rule trip: alert, and leave the switch as it is."""
    guard = change.switch.guard
    why = (
        f"The guard allows {guard.at_most} tripped within {duration(guard.within_ms)}; "
        "trip it by hand if it has to be"
    )
    return _only_said(change, incident_id, KillAction.HELD_BY_GUARD, "held_by_guard", why)


def would_trip(change: Change, incident_id: str) -> KillOutcome:
    """A dry run: say what would have been done, and leave the switch as it is."""
    return _only_said(change, incident_id, KillAction.WOULD_TRIP, "would_trip", change.reason)


def _only_said(
    change: Change, incident_id: str, action: KillAction, state: KillState, why: str
) -> KillOutcome:
    mine = (kill_event.c.switch == change.switch.name) & (kill_event.c.value == change.value)
    newest = select(kill_event).where(mine).order_by(kill_event.c.at.desc()).limit(1)
    last = change.conn.execute(newest).first()
    if last is not None and last.action == action and last.incident_id == incident_id:
        return KillOutcome(action, last.sequence, last.kill_id, new=False)
    change = replace(change, last=max(change.last, last.sequence if last else 0))
    sequence = change.next_sequence
    kill_id = change.event(action, sequence)
    kill = KillFacts(
        switch=change.switch.name,
        state=state,
        mode=change.switch.mode,
        sequence=sequence,
        actor=change.actor,
        at_ms=millis(change.at),
        target=change.switch.target,
        reason=why,
        value=change.value,
    )
    extra = {"kill": stored_facts(kill)}
    announce(change.conn, incident_id, "escalated", delivery_key=f"{state}/{kill_id}", extra=extra)
    return KillOutcome(action, sequence, kill_id, new=True)
