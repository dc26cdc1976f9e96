"""Trip and release: a switch's state, its event and its webhook in the caller's transaction.

A switch has one state, whichever stream tripped it; `stream` of its row is the last that did. Its sequence
number grows for ever, also in a ledger that went back (rule 7): a receiver can ignore what comes too late.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from monitor.config.model import Guard, KillSwitch
from monitor.errors import LedgerUnavailable
from monitor.ledger.announcements import announce
from monitor.ledger.facts import KillFacts, stored_facts
from monitor.ledger.incidents import note
from monitor.ledger.models import incident, kill_event, kill_switch
from monitor.ledger.moments import millis, moment, rfc3339
from monitor.ledger.outbox import KILL, enqueue, lock_switches, short_hash, supersede, switch_lane
from monitor.ledger.wording import duration

# How long after the evidence stopped being fresh a trip may still be sent (rule 5).
SEND_WITHIN_MS: Final = 300_000


class KillAction(StrEnum):
    """What a call did."""

    TRIPPED = "tripped"
    RELEASED = "released"
    HELD_BY_GUARD = "held_by_guard"
    ALREADY = "already"


@dataclass(frozen=True, slots=True)
class KillOutcome:
    """`sequence` and `kill_id` are of the event, or of the switch as it was where nothing happened.

    `new` says whether this call wrote an event.
    """

    action: KillAction
    sequence: int
    kill_id: str | None
    new: bool


@dataclass(frozen=True, slots=True)
class SwitchState:
    """A switch as the ledger has it; `tripped` is what the service should obey."""

    switch: str
    stream: str
    tripped: bool
    mode: str
    target: str | None
    sequence: int
    since_ms: int
    reason: str
    incident_id: str | None
    confirmed_ms: int | None


def state(conn: Connection) -> dict[str, SwitchState]:
    """Every switch that ever changed, by name."""
    rows = conn.execute(select(kill_switch).order_by(kill_switch.c.sequence)).all()
    return {row.switch: _switch_state(row) for row in rows}


def held_by_guard(conn: Connection, switch: KillSwitch, at: datetime) -> bool:
    """Whether `guard.at_most` other switches have been tripped by rules within `guard.within`."""
    return len(_recently_tripped(conn, switch, at)) >= switch.guard.at_most


def trip(
    conn: Connection,
    switch: KillSwitch,
    *,
    stream: str,
    reason: str,
    actor: str,
    incident_id: str | None = None,
    evidence_until_ms: int | None = None,
) -> KillOutcome:
    """Trip `switch` unless it is tripped; with an incident it is a trip by rule, which the guard may hold.

    A held trip leaves one event and one line in the incident's timeline, however often it is asked for.
    Enqueue the incident's own messages first: who was told of it is told of the kill.
    """
    at = _lock(conn)
    seen = _seen(conn, switch.name)
    if seen is not None and seen.state == KillAction.TRIPPED:
        return KillOutcome(KillAction.ALREADY, seen.sequence, None, new=False)
    change = _Change(conn, switch, stream, reason, actor, incident_id, evidence_until_ms, at, seen)
    if incident_id is not None and held_by_guard(conn, switch, at):
        return _hold(change, incident_id)
    return change.apply(KillAction.TRIPPED, not_after_ms=millis(at) + switch.guard.fresh_ms + SEND_WITHIN_MS)


def release(
    conn: Connection, switch: KillSwitch, *, reason: str, actor: str, stream: str | None = None
) -> KillOutcome:
    """Release `switch` unless it serves already; `stream` None is the stream that tripped it."""
    at = _lock(conn)
    seen = _seen(conn, switch.name)
    if seen is None or seen.state != KillAction.TRIPPED:
        return KillOutcome(KillAction.ALREADY, seen.sequence if seen else 0, None, new=False)
    about = stream or seen.stream
    change = _Change(conn, switch, about, reason, actor, seen.incident_id, None, at, seen)
    return change.apply(KillAction.RELEASED, not_after_ms=None)


def confirm(conn: Connection, switch: str, sequence: int) -> bool:
    """Record that the webhook took the state numbered `sequence`; False where the switch has moved on."""
    current = (kill_switch.c.switch == switch) & (kill_switch.c.sequence == sequence)
    confirmed = update(kill_switch).where(current & kill_switch.c.confirmed_at.is_(None))
    return conn.execute(confirmed.values(confirmed_at=func.clock_timestamp())).rowcount == 1


def is_confirmed(conn: Connection, switch: str, sequence: int) -> bool:
    """Whether the webhook took the state numbered `sequence` and that is still the switch's state."""
    current = (kill_switch.c.switch == switch) & (kill_switch.c.sequence == sequence)
    confirmed = select(kill_switch.c.switch).where(current & kill_switch.c.confirmed_at.is_not(None))
    return conn.execute(confirmed).first() is not None


def send_again(conn: Connection, switch: KillSwitch, *, reason: str, actor: str) -> KillOutcome | None:
    """Send the switch's state with a new sequence number, after the ledger went back (rule 7)."""
    at = _lock(conn)
    seen = _seen(conn, switch.name)
    if seen is None:
        return None
    change = _Change(conn, switch, seen.stream, reason, actor, seen.incident_id, None, at, seen)
    if seen.state != KillAction.TRIPPED:
        return change.apply(KillAction.RELEASED, not_after_ms=None)
    return change.apply(KillAction.TRIPPED, not_after_ms=millis(at) + switch.guard.fresh_ms + SEND_WITHIN_MS)


@dataclass(frozen=True, slots=True)
class _Change:
    conn: Connection
    switch: KillSwitch
    stream: str
    reason: str
    actor: str
    incident_id: str | None
    evidence_until_ms: int | None
    at: datetime
    seen: Row[Any] | None

    def apply(self, action: KillAction, *, not_after_ms: int | None) -> KillOutcome:
        sequence = max(millis(self.at), self.seen.sequence + 1 if self.seen else 0)
        self._store_state(action, sequence)
        kill_id = self.event(action, sequence)
        supersede(self.conn, switch_lane(self.switch.name))
        enqueue(
            self.conn,
            incident_id=self.incident_id,
            kill_id=kill_id,
            receiver=self.switch.name,
            kind=KILL,
            event=action.value,
            payload=self._body(action, sequence, not_after_ms),
            not_after_ms=not_after_ms,
        )
        return KillOutcome(action, sequence, kill_id, new=True)

    def event(self, action: KillAction, sequence: int) -> str:
        kill_id = short_hash(10, self.switch.name, self.stream, action.value, str(sequence))
        row = {
            "kill_id": kill_id,
            "switch": self.switch.name,
            "stream": self.stream,
            "action": action.value,
            "mode": self.switch.mode,
            "target": self.switch.target,
            "sequence": sequence,
            "at": self.at,
            "reason": self.reason,
            "incident_id": self.incident_id,
            "actor": self.actor,
            "evidence_until": None if self.evidence_until_ms is None else moment(self.evidence_until_ms),
        }
        self.conn.execute(insert(kill_event).values(row))
        if self.incident_id is not None:
            self._tell_timeline(action)
        return kill_id

    def _tell_timeline(self, action: KillAction) -> None:
        doing = f"{self.switch.mode} {self.switch.target or ''}".strip()
        note(
            self.conn,
            str(self.incident_id),
            action.value,
            f"{self.switch.name} ({doing}) by {self.actor}: {self.reason}",
        )
        mine = (incident.c.incident_id == self.incident_id) & incident.c.kill_switch.is_(None)
        self.conn.execute(update(incident).where(mine).values(kill_switch=self.switch.name))

    def _store_state(self, action: KillAction, sequence: int) -> None:
        row = {
            "switch": self.switch.name,
            "stream": self.stream,
            "state": action.value,
            "mode": self.switch.mode,
            "target": self.switch.target,
            "sequence": sequence,
            "since": self.at,
            "reason": self.reason,
            "incident_id": self.incident_id,
            "confirmed_at": None,
        }
        if self.seen is None:
            changed = self.conn.execute(insert(kill_switch).values(row).on_conflict_do_nothing()).rowcount
        else:
            unchanged = (kill_switch.c.switch == self.switch.name) & (
                kill_switch.c.sequence == self.seen.sequence
            )
            changed = self.conn.execute(update(kill_switch).where(unchanged).values(row)).rowcount
        if changed != 1:
            raise LedgerUnavailable(
                f"kill switch {self.switch.name} changed while it was being changed: try again"
            )

    def _body(self, action: KillAction, sequence: int, not_after_ms: int | None) -> dict[str, Any]:
        return {
            "switch": self.switch.name,
            "stream": self.stream,
            "state": action.value,
            "mode": self.switch.mode,
            "target": self.switch.target,
            "sequence": sequence,
            "reason": self.reason,
            "incident_id": self.incident_id,
            "actor": self.actor,
            "at": rfc3339(self.at),
            "evidence_until": _instant(self.evidence_until_ms),
            "not_after": _instant(not_after_ms),
        }


def _instant(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(moment(ms))


def _hold(change: _Change, incident_id: str) -> KillOutcome:
    name = change.switch.name
    newest = select(kill_event).where(kill_event.c.switch == name).order_by(kill_event.c.at.desc()).limit(1)
    last = change.conn.execute(newest).first()
    if last is not None and last.action == KillAction.HELD_BY_GUARD and last.incident_id == incident_id:
        return KillOutcome(KillAction.HELD_BY_GUARD, last.sequence, last.kill_id, new=False)
    sequence = max(millis(change.at), last.sequence + 1 if last else 0)
    kill_id = change.event(KillAction.HELD_BY_GUARD, sequence)
    kill = KillFacts(
        switch=name,
        state="held_by_guard",
        mode=change.switch.mode,
        sequence=sequence,
        actor=change.actor,
        at_ms=millis(change.at),
        target=change.switch.target,
        reason=_why_held(change.switch.guard),
    )
    extra = {"kill": stored_facts(kill)}
    announce(change.conn, incident_id, "escalated", delivery_key=f"held/{kill_id}", extra=extra)
    return KillOutcome(KillAction.HELD_BY_GUARD, sequence, kill_id, new=True)


def _why_held(guard: Guard) -> str:
    return (
        f"The guard allows {guard.at_most} tripped within {duration(guard.within_ms)}; "
        "trip it by hand if it has to be"
    )


def _recently_tripped(conn: Connection, switch: KillSwitch, at: datetime) -> list[str]:
    by_rule = (kill_event.c.action == KillAction.TRIPPED.value) & kill_event.c.incident_id.is_not(None)
    recent = kill_event.c.at > moment(millis(at) - switch.guard.within_ms)
    others = select(kill_event.c.switch).where(by_rule & recent & (kill_event.c.switch != switch.name))
    return list(conn.execute(others.distinct()).scalars())


def _lock(conn: Connection) -> datetime:
    """The database's clock, once nobody else can change a switch any more."""
    lock_switches(conn)
    at: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
    return at


def _seen(conn: Connection, switch: str) -> Row[Any] | None:
    mine = select(kill_switch).where(kill_switch.c.switch == switch)
    return conn.execute(mine.order_by(kill_switch.c.sequence.desc()).limit(1)).first()


def _switch_state(row: Row[Any]) -> SwitchState:
    return SwitchState(
        switch=row.switch,
        stream=row.stream,
        tripped=row.state == KillAction.TRIPPED,
        mode=row.mode,
        target=row.target,
        sequence=row.sequence,
        since_ms=millis(row.since),
        reason=row.reason,
        incident_id=row.incident_id,
        confirmed_ms=None if row.confirmed_at is None else millis(row.confirmed_at),
    )
