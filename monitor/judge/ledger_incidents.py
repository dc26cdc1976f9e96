"""The incidents of a ledger: their rows, their timeline, and the outbox, in one transaction of the judge."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from monitor.config.rule import Severity
from monitor.judge.standing import Digested, Mark, Message, Note, Standing, Step, severest_first
from monitor.ledger import incidents, outbox, silences
from monitor.ledger.announcements import announce
from monitor.ledger.decided import incident
from monitor.ledger.facts import INTERNAL_STREAM, Facts
from monitor.ledger.moments import millis
from monitor.ledger.outbox import Addressee
from monitor.ledger.silences import Silence

_STANDING: Final = select(
    *(
        incident.c[name]
        for name in ("incident_id", "rule", "stream", "signal", "severity", "labels", "summary")
    ),
    *(
        incident.c[name]
        for name in ("onset_at", "state", "dry_run", "historical", "acknowledged_at", "reopened")
    ),
    *(incident.c[name] for name in ("group_id", "held_back", "notified_at")),
)


class LedgerIncidents:
    """`Incidents` in one transaction of the judge."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def find(self, rule: str, stream: str, signal: str | None, slice_id: int) -> str | None:
        """The id of the one that fires, if any."""
        mine = (incident.c.rule == rule) & (incident.c.stream == stream) & (incident.c.state == "firing")
        mine &= (incident.c.slice_id == slice_id) & incident.c.signal.is_not_distinct_from(signal)
        found: str | None = self._conn.execute(select(incident.c.incident_id).where(mine)).scalar()
        return found

    def open(self, row: Mapping[str, Any]) -> bool:
        """Open one; False, and nothing is changed, where its id is there already."""
        return incidents.open_incident(self._conn, row)

    def reopen(self, row: Mapping[str, Any], ended_after_ms: int) -> str | None:
        """Let the newest that `row` would be another of fire on, if it resolved later than that; returns its id."""
        return incidents.reopen(self._conn, row, ended_after_ms)

    def escalate(self, incident_id: str, facts: Facts) -> bool:
        """Raise its severity to that of `facts`; False unless that is higher."""
        return incidents.escalate(self._conn, incident_id, facts)

    def refresh(self, incident_id: str, facts: Facts) -> bool:
        """Store newer figures at the same severity."""
        return incidents.refresh(self._conn, incident_id, facts)

    def resolve(self, incident_id: str, detail: str, *, ended_ms: int) -> bool:
        """End it because its evidence says so."""
        return incidents.resolve(self._conn, incident_id, detail, ended_ms=ended_ms)

    def expire(self, incident_id: str, detail: str) -> bool:
        """End it because its rule is gone."""
        return incidents.expire(self._conn, incident_id, detail)

    def standing(self, ids: Iterable[str]) -> list[Standing]:
        """Some of them, the severest first."""
        found = self._conn.execute(_STANDING.where(incident.c.incident_id.in_(list(ids))))
        return severest_first(_standing(row) for row in found)

    def firing(self) -> tuple[Standing, ...]:
        """All that fire, oldest first; not Tocsin's own."""
        mine = (incident.c.state == "firing") & (incident.c.stream != INTERNAL_STREAM)
        return tuple(map(_standing, self._conn.execute(_STANDING.where(mine).order_by(incident.c.opened_at))))

    def late(self) -> list[Standing]:
        """The historical ones that nobody was told of, by onset."""
        mine = incident.c.historical & incident.c.notified_at.is_(None) & ~incident.c.dry_run
        mine &= incident.c.stream != INTERNAL_STREAM
        return [_standing(r) for r in self._conn.execute(_STANDING.where(mine).order_by(incident.c.onset_at))]

    def told(self, page: str) -> Sequence[Addressee]:
        """Who has been sent anything about the incidents of a page, or is about to be."""
        return outbox.told(self._conn, page)

    def silences(self, now_ms: int) -> tuple[Silence, ...]:
        """What people asked not to be told of."""
        return silences.in_force(self._conn, now_ms)

    def write(self, steps: Iterable[Step]) -> None:
        """Carry out what telling has decided."""
        for step in steps:
            self._write(step)

    def _write(self, step: Step) -> None:
        match step:
            case Mark(incident_id, values):
                incidents.mark(self._conn, incident_id, _columns(values))
            case Digested(incident_id, group_id, at_ms):
                incidents.mark_late(self._conn, incident_id, group_id, at_ms)
            case Note(incident_id, what, detail):
                incidents.note(self._conn, incident_id, what, detail)
            case Message(incident_id, event, to, key, extra, suppressed):
                announce(
                    self._conn,
                    incident_id,
                    event,
                    to,
                    delivery_key=key,
                    extra=extra,
                    suppressed=suppressed,
                )


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    named = {"notified_ms": "notified_at"}
    return {named.get(name, name): value for name, value in values.items()}


def _standing(row: Row[Any]) -> Standing:
    return Standing(
        incident_id=row.incident_id,
        rule=row.rule,
        stream=row.stream,
        signal=row.signal,
        severity=Severity(row.severity),
        labels=row.labels,
        summary=row.summary,
        onset_ms=millis(row.onset_at),
        fires=row.state == "firing",
        dry_run=row.dry_run,
        historical=row.historical,
        acknowledged=row.acknowledged_at is not None,
        reopened=row.reopened,
        group_id=row.group_id,
        held_back=row.held_back,
        notified_ms=None if row.notified_at is None else millis(row.notified_at),
    )
