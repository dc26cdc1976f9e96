"""Trip and release: a switch's state, its event and its webhook in the caller's transaction.

A switch has one state, whichever stream tripped it; `stream` of its row is the last that did. With `per` it has one for
each value of those labels, and `stream` is that value. Its sequence number grows for ever over all of them, also in a
ledger that went back (rule 7): a receiver can ignore what comes too late.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from monitor.config.model import KillSwitch
from monitor.killswitch.change import Change, KillOutcome, last_sequence, seen
from monitor.killswitch.deciding import ONLY_SAID, KillAction, State, asked, others_of_late, value_in
from monitor.killswitch.guard import only_say, tripped_by_rules
from monitor.killswitch.states import SwitchState, state
from monitor.ledger.decided import kill_event
from monitor.ledger.moments import millis
from monitor.ledger.outbox import lock_switches
from monitor.ledger.wording import duration, percent

# How long after the evidence stopped being fresh a trip may still be sent (rule 5).
SEND_WITHIN_MS: Final = 300_000

MOST_PROBES: Final = 5
"""So often within `PROBES_WITHIN` is a switch let through by itself; each wait is twice the one before."""
PROBES_WITHIN: Final = timedelta(days=1)
TOCSIN: Final = "tocsin"


def trip(
    conn: Connection,
    switch: KillSwitch,
    *,
    stream: str,
    reason: str,
    actor: str,
    incident_id: str | None = None,
    evidence_until_ms: int | None = None,
    dry_run: bool = False,
    before: Callable[[], None] = lambda: None,
) -> KillOutcome:
    """Trip `switch` unless it is tripped; with an incident it is a trip by rule, which the guard may hold.

    A held trip and one that is a dry run leave one event and one line in the incident's timeline, however often they
    are asked for. Enqueue the incident's own messages first, or in `before`, which is called where this is news: who
    was told of it is told of the kill.
    """
    at = _lock(conn)
    value, by_rule = value_in(switch, stream), incident_id is not None
    now = seen(conn, switch, value)
    late = tripped_by_rules(conn) if by_rule else ()
    others = others_of_late(late, (switch.name, value), switch.guard, millis(at))
    was = None if now is None else State(now.state)
    action = asked(switch, was, by_rule=by_rule, dry_run=dry_run, others=others)
    if now is not None and action is KillAction.ALREADY:
        return KillOutcome(action, now.sequence, None, new=False)
    change = _change(conn, switch, stream, reason, actor, incident_id, evidence_until_ms, at, now)
    if incident_id is not None and action in ONLY_SAID:
        return only_say(change, incident_id, action, before)
    before()
    return change.apply(KillAction.TRIPPED, not_after_ms=_not_after_ms(switch, at))


def release(
    conn: Connection, switch: KillSwitch, *, reason: str, actor: str, stream: str | None = None
) -> KillOutcome:
    """Release `switch` unless it serves already; `stream` None is the stream that tripped it.

    Of a switch with `per`, `stream` says which.
    """
    at = _lock(conn)
    now = seen(conn, switch, value_in(switch, stream or ""))
    if now is None or now.state == State.RELEASED:
        return KillOutcome(KillAction.ALREADY, now.sequence if now else 0, None, new=False)
    about = stream or now.stream
    change = _change(conn, switch, about, reason, actor, now.incident_id, None, at, now)
    return change.apply(KillAction.RELEASED)


def probe_due(conn: Connection, switches: Mapping[str, KillSwitch]) -> list[SwitchState]:
    """Begin the probe of every switch with an automatic release that has been tripped by a rule for long enough.

    The wait doubles with every probe of the last day since a person released it; after `MOST_PROBES` only a person can.
    Returns the states that probe now.
    """
    automatic = {name: s for name, s in switches.items() if s.release is not None}
    if not automatic:
        return []
    tripped = [s for s in state(conn).values() if s.switch in automatic and s.tripped and s.incident_id]
    began = {(s.switch, s.value) for s in tripped if _probe_if_due(conn, automatic[s.switch], s)}
    return [s for key, s in state(conn).items() if key in began] if began else []


def _probe_if_due(conn: Connection, switch: KillSwitch, now: SwitchState) -> bool:
    if switch.release is None or value_in(switch, now.value) != now.value:
        return False
    at: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
    before = probes(conn, now, at)
    due_ms = now.since_ms + switch.release.after_ms * 2**before
    if before >= MOST_PROBES or millis(at) < due_ms:
        return False
    _lock(conn)
    row = seen(conn, switch, now.value)
    if row is None or row.sequence != now.sequence:
        return False
    share = switch.release.share
    reason = f"{percent(share)} of the traffic for {duration(switch.release.probe_ms)}, probe {before + 1}"
    stream, incident_id = now.stream, now.incident_id
    change = _change(conn, switch, stream, reason, TOCSIN, incident_id, None, at, row)
    return change.apply(KillAction.PROBING, share=share).new


def probes(conn: Connection, now: SwitchState, at: datetime) -> int:
    """How often the switch was let through by itself in the last day, since a person released it."""
    mine = (kill_event.c.switch == now.switch) & (kill_event.c.value == now.value)
    by_hand = (kill_event.c.action == KillAction.RELEASED.value) & (kill_event.c.actor != TOCSIN)
    released = select(func.max(kill_event.c.at)).where(mine & by_hand).scalar_subquery()
    since = func.greatest(released, at - PROBES_WITHIN)
    began = (kill_event.c.action == KillAction.PROBING.value) & (kill_event.c.at > since)
    return conn.execute(select(func.count()).select_from(kill_event).where(mine & began)).scalar_one()


def send_again(conn: Connection, switch: KillSwitch, *, reason: str, actor: str) -> list[KillOutcome]:
    """Send each of the switch's states with a new sequence number, after the ledger went back (rule 7)."""
    at = _lock(conn)
    mine = [s for (name, _), s in state(conn).items() if name == switch.name]
    return [_sent_again(conn, switch, now, reason, actor, at) for now in mine]


def _sent_again(
    conn: Connection, switch: KillSwitch, now: SwitchState, reason: str, actor: str, at: datetime
) -> KillOutcome:
    row = seen(conn, switch, now.value)
    change = _change(conn, switch, now.stream, reason, actor, now.incident_id, None, at, row)
    not_after_ms = _not_after_ms(switch, at) if now.tripped else None
    return change.apply(KillAction(now.state), not_after_ms=not_after_ms, share=now.share)


def _change(
    conn: Connection,
    switch: KillSwitch,
    stream: str,
    reason: str,
    actor: str,
    incident_id: str | None,
    evidence_until_ms: int | None,
    at: datetime,
    now: Row[Any] | None,
) -> Change:
    last = last_sequence(conn, switch)
    return Change(conn, switch, stream, reason, actor, incident_id, evidence_until_ms, at, now, last)


def _not_after_ms(switch: KillSwitch, at: datetime) -> int:
    return millis(at) + switch.guard.fresh_ms + SEND_WITHIN_MS


def _lock(conn: Connection) -> datetime:
    """The database's clock, once nobody else can change a switch any more."""
    lock_switches(conn)
    at: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
    return at
