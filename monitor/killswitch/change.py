"""One change of a switch: its row, its event, its webhook and what its topic gets, in the caller's transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from monitor.config.model import KillSwitch
from monitor.errors import LedgerUnavailable
from monitor.killswitch.deciding import KillAction, next_sequence, value_in
from monitor.ledger.decided import incident, kill_event, kill_switch
from monitor.ledger.incidents import note
from monitor.ledger.moments import millis, moment, rfc3339
from monitor.ledger.outbox import (
    KILL,
    TOPIC,
    enqueue,
    short_hash,
    supersede,
    switch_lane,
    topic_lane,
    topic_of,
)


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
class Change:
    """A change that is about to be written, of the state that `seen` is the row of; `last` is the newest sequence."""

    conn: Connection
    switch: KillSwitch
    stream: str
    reason: str
    actor: str
    incident_id: str | None
    evidence_until_ms: int | None
    at: datetime
    seen: Row[Any] | None
    last: int

    @property
    def value(self) -> str:
        return value_in(self.switch, self.stream)

    @property
    def next_sequence(self) -> int:
        """Higher than any of the switch before."""
        return next_sequence(millis(self.at), self.last)

    def apply(
        self, action: KillAction, *, not_after_ms: int | None = None, share: float | None = None
    ) -> KillOutcome:
        """The new state; what still waits to be sent of the older ones is withdrawn."""
        sequence = self.next_sequence
        self._store_state(action, sequence, share)
        kill_id = self.event(action, sequence, share)
        body = self._body(action, sequence, not_after_ms, share)
        self._enqueue(kill_id, KILL, body, not_after_ms)
        self._enqueue(kill_id, TOPIC, body | {"not_after": None}, None)
        return KillOutcome(action, sequence, kill_id, new=True)

    def _enqueue(self, kill_id: str, kind: str, body: dict[str, Any], not_after_ms: int | None) -> None:
        """To the webhook or the topic, where there is one; what stands in a topic holds until the next."""
        by_topic = kind == TOPIC
        lane = (topic_lane if by_topic else switch_lane)(self.switch.name, self.value)
        supersede(self.conn, lane)
        if (self.switch.topic if by_topic else self.switch.url) is None:
            return
        enqueue(
            self.conn,
            incident_id=self.incident_id,
            kill_id=kill_id,
            receiver=topic_of(self.switch.name) if by_topic else self.switch.name,
            kind=kind,
            event=str(body["state"]),
            payload=body,
            not_after_ms=not_after_ms,
            lane=lane,
        )

    def event(self, action: KillAction, sequence: int, share: float | None = None) -> str:
        """The line of the audit, and of the incident's timeline where there is one."""
        kill_id = short_hash(10, self.switch.name, self.stream, action.value, str(sequence))
        row = {
            "kill_id": kill_id,
            "switch": self.switch.name,
            "value": self.value,
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
            "share": share,
        }
        self.conn.execute(insert(kill_event).values(row))
        if self.incident_id is not None:
            self._tell_timeline(action)
        return kill_id

    def _tell_timeline(self, action: KillAction) -> None:
        doing = f"{self.switch.mode} {self.switch.target or ''}".strip()
        detail = f"{self.switch.name} ({doing}) by {self.actor}: {self.reason}"
        note(self.conn, str(self.incident_id), action.value, detail)
        mine = (incident.c.incident_id == self.incident_id) & incident.c.kill_switch.is_(None)
        self.conn.execute(update(incident).where(mine).values(kill_switch=self.switch.name))

    def _store_state(self, action: KillAction, sequence: int, share: float | None) -> None:
        row = {
            "switch": self.switch.name,
            "value": self.value,
            "stream": self.stream,
            "state": action.value,
            "mode": self.switch.mode,
            "target": self.switch.target,
            "sequence": sequence,
            "since": self.at,
            "reason": self.reason,
            "incident_id": self.incident_id,
            "confirmed_at": None,
            "share": share,
            "per": list(self.switch.per),
        }
        if self.seen is None:
            changed = self.conn.execute(upsert(kill_switch).values(row).on_conflict_do_nothing()).rowcount
        else:
            mine = (kill_switch.c.switch == self.switch.name) & (kill_switch.c.value == self.value)
            unchanged = mine & (kill_switch.c.sequence == self.seen.sequence)
            changed = self.conn.execute(update(kill_switch).where(unchanged).values(row)).rowcount
        if changed != 1:
            raise LedgerUnavailable(
                f"kill switch {self.switch.name} changed while it was being changed: try again"
            )

    def _body(
        self, action: KillAction, sequence: int, not_after_ms: int | None, share: float | None
    ) -> dict[str, Any]:
        body = body_of(self.switch, self.stream, action, sequence, millis(self.at), self.actor, self.reason)
        body |= {"share": share, "incident_id": self.incident_id}
        return body | {"evidence_until": instant(self.evidence_until_ms), "not_after": instant(not_after_ms)}


def body_of(
    switch: KillSwitch, stream: str, action: KillAction, sequence: int, at_ms: int, actor: str, reason: str
) -> dict[str, Any]:
    """What a webhook gets of a state of `switch`; what is not known here is null."""
    unknown = dict.fromkeys(("share", "incident_id", "evidence_until", "not_after"))
    return {
        "switch": switch.name,
        "stream": stream,
        "state": action.value,
        "mode": switch.mode,
        "target": switch.target,
        "sequence": sequence,
        "reason": reason,
        "actor": actor,
        "at": rfc3339(moment(at_ms)),
        **unknown,
    }


def instant(ms: int | None) -> str | None:
    """The ms since the epoch as in a webhook's body."""
    return None if ms is None else rfc3339(moment(ms))


def seen(conn: Connection, switch: KillSwitch, value: str) -> Row[Any] | None:
    """The row of one state of `switch` before a change."""
    mine = (kill_switch.c.switch == switch.name) & (kill_switch.c.value == value)
    return conn.execute(select(kill_switch).where(mine)).first()


def last_sequence(conn: Connection, switch: KillSwitch) -> int:
    """The highest sequence that any event of `switch` has had, 0 without one."""
    newest = select(func.max(kill_switch.c.sequence)).where(kill_switch.c.switch == switch.name)
    return conn.execute(newest).scalar() or 0
