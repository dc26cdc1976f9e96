"""An incident that is meant to be so: what its signal has been since is the new normal."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from monitor.config.model import Config
from monitor.errors import UsageError, unknown_incident
from monitor.judge.promoting import promote
from monitor.ledger import references
from monitor.ledger.decided import incident
from monitor.ledger.facts import is_relative
from monitor.ledger.incidents import acknowledge, note
from monitor.records.signals import Kind, Signal


@dataclass(frozen=True, slots=True)
class Accepted:
    """The reference that was made for `signal`; `limit` is one that it does not move, None where there is none."""

    reference_id: int
    signal: str
    limit: str | None

    @property
    def sentence(self) -> str:
        """What holds from now on."""
        said = f"{self.signal} is judged by reference #{self.reference_id} from now on"
        stays = f"; the limit {self.limit} stays: change it in alerts.yaml, or it fires again"
        return said + (stays if self.limit else "")


def accept(conn: Connection, settings: Config, incident_id: str, by: str) -> Accepted:
    """Make what was counted since the incident was detected the reference.

    The incident is acknowledged as expected, and resolves once the judge has taken the reference up. Raises UsageError
    where there is no such incident or it has ended, no reference for its signal, or too little was counted since.
    """
    accepted = _promoted(conn, settings, incident_id)
    acknowledge(conn, incident_id, by, "expected")
    note(conn, incident_id, "accepted", f"reference #{accepted.reference_id}")
    return accepted


def _promoted(conn: Connection, settings: Config, incident_id: str) -> Accepted:
    row = conn.execute(select(incident).where(incident.c.incident_id == incident_id)).first()
    if row is None:
        raise unknown_incident(incident_id)
    if row.resolved_at is not None:
        raise UsageError(
            f"{incident_id} ended {row.ended_at or row.resolved_at:%Y-%m-%d %H:%M:%S} UTC, so what came since is not "
            "what it was about: `tocsin reference promote --since ... --until ...` makes a stretch of it the reference"
        )
    stream = references.stream_id(conn, row.stream)
    signal = referenced(settings, row.signal)
    if stream is None or signal is None:
        raise UsageError(
            f"{incident_id} is about {row.signal or 'silence'}, which is not judged by a reference"
        )
    origin, text = "accepted", f"incident {incident_id}"
    now = datetime.now(UTC)
    reference_id = promote(conn, stream, signal, row.detected_at, now, origin, text)
    return Accepted(reference_id, signal.name, None if is_relative(row.tolerance) else row.tolerance)


def referenced(settings: Config, name: str | None) -> Signal | None:
    """The signal called `name` where it is judged by a reference."""
    try:
        signal = settings.signal(name or "")
    except KeyError:
        return None
    return None if signal.kind is Kind.TRAFFIC else signal
