"""Incidents and their timeline, row by row: every change is a compare-and-set in the caller's transaction."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from monitor.config.rule import Severity
from monitor.ledger.decided import incident, timeline
from monitor.ledger.facts import Facts, storable, stored_facts
from monitor.ledger.headline import headline, unit_of
from monitor.ledger.moments import millis, moment
from monitor.ledger.outbox import short_hash

PANE_MS: Final = 10_000
FLAPPING: Final = "flapping"
"""Why nobody is told of an incident that resolved and came back soon."""


class Acknowledgement(StrEnum):
    """What `acknowledge` found."""

    DONE = "done"
    ALREADY = "already"
    UNKNOWN = "unknown"


def incident_id(name: str, rule: str, stream: str, signal: str, onset_pane_ms: int, *part: str) -> str:
    """The id of an incident: the same decision has the same id, also in a ledger that went back (rule 7).

    `part` is the field and value of a slice that is judged by itself.
    """
    return short_hash(10, name, rule, stream, signal, str(onset_pane_ms), *part)


def incident_row(
    facts: Facts,
    *,
    incident_id: str,
    config_hash: str,
    cause: tuple[str, str] | None = None,
    dry_run: bool = False,
    slice_id: int = 0,
) -> dict[str, Any]:
    """The row that `open_incident` takes; `cause` is the field and value that the change came with."""
    return {
        "incident_id": incident_id,
        "rule": facts.rule,
        "stream": facts.stream,
        "labels": facts.labels,
        "signal": facts.signal,
        "state": "firing",
        "onset_at": facts.onset_ms,
        "detected_at": facts.detected_ms,
        "cause_field": cause[0] if cause else None,
        "cause_value": cause[1] if cause else None,
        "historical": facts.historical,
        "dry_run": dry_run,
        "slice_id": slice_id,
        "config_hash": config_hash,
        **measured(facts),
    }


def measured(facts: Facts) -> dict[str, Any]:
    """What grows with an incident, by column."""
    return {
        "quantity": facts.quantity,
        "unit": unit_of(facts),
        "severity": facts.severity,
        "observed": facts.observed,
        "reference": facts.reference,
        "tolerance": facts.tolerance,
        "at_least": facts.at_least,
        "guaranteed": facts.guaranteed,
        "version": facts.version,
        "version_seen_at": facts.version_seen_ms,
        "affected": facts.affected,
        "total": facts.total,
        "reference_id": facts.reference_id,
        "kill_switch": facts.kill_switch,
        "summary": headline(facts),
        "facts": stored_facts(facts),
    }


def _columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """`row` as the table takes it: int ms of the `_at` columns as instants, nothing that Postgres refuses."""
    return {
        column: moment(value) if column.endswith("_at") and isinstance(value, int) else storable(value)
        for column, value in row.items()
    }


def open_incident(conn: Connection, row: Mapping[str, Any]) -> bool:
    """Open an incident; False, and nothing is changed, where its id is there already."""
    opened = conn.execute(insert(incident).values(_columns(row)).on_conflict_do_nothing()).rowcount == 1
    if opened:
        note(conn, str(row["incident_id"]), "opened", f"{row['severity']}: {row['summary']}")
    return opened


def reopen(conn: Connection, row: Mapping[str, Any], ended_after_ms: int) -> str | None:
    """Let the newest resolved incident that `row` would be another of fire on, where it ended later than that.

    Returns its id; None where there is none. `ended_after_ms` is event time.
    """
    same = (incident.c.rule == row["rule"]) & (incident.c.stream == row["stream"])
    same &= incident.c.signal.is_not_distinct_from(row["signal"]) & (incident.c.slice_id == row["slice_id"])
    same &= (incident.c.state == "resolved") & (incident.c.ended_at >= moment(ended_after_ms))
    same &= incident.c.dry_run == row["dry_run"]
    newest = select(incident.c.incident_id).where(same).order_by(incident.c.ended_at.desc()).limit(1)
    found: str | None = conn.execute(newest).scalar()
    if found is None:
        return None
    kept = ("incident_id", "onset_at", "detected_at", "state", "config_hash", "historical", "dry_run")
    fresh = {k: v for k, v in row.items() if k not in kept}
    again = {"state": "firing", "resolved_at": None, "reopened": incident.c.reopened + 1}
    ended = (incident.c.incident_id == found) & (incident.c.state == "resolved")
    if conn.execute(update(incident).where(ended).values(_columns(fresh) | again)).rowcount != 1:
        return None
    note(conn, found, "reopened", f"{row['severity']}: {row['summary']}")
    return found


def mark(conn: Connection, incident_id: str, values: Mapping[str, Any]) -> bool:
    """Store how far people know of a firing incident: `held_back`, `notified_at`, `group_id`."""
    return _change(conn, incident_id, None, values)


def mark_late(conn: Connection, incident_id: str, group_id: str | None, at_ms: int) -> None:
    """Note that a historical incident was told in the digest of `group_id`, whether it still fires or not."""
    mine = (incident.c.incident_id == incident_id) & incident.c.notified_at.is_(None)
    conn.execute(update(incident).where(mine).values(group_id=group_id, notified_at=moment(at_ms)))


def escalate(conn: Connection, incident_id: str, facts: Facts) -> bool:
    """Raise a firing incident to the severity of `facts`; False unless that is higher than what it has."""
    milder = [s.value for s in Severity if s.rank < Severity(facts.severity).rank]
    changed = _change(conn, incident_id, incident.c.severity.in_(milder), measured(facts))
    if changed:
        note(conn, incident_id, "escalated", f"{facts.severity}: {headline(facts)}")
    return changed


def refresh(conn: Connection, incident_id: str, facts: Facts) -> bool:
    """Store newer figures of a firing incident of the same severity; the timeline does not grow."""
    return _change(conn, incident_id, incident.c.severity == facts.severity, measured(facts))


def resolve(
    conn: Connection,
    incident_id: str,
    detail: str = "",
    *,
    at_ms: int | None = None,
    ended_ms: int | None = None,
) -> bool:
    """End a firing incident because its evidence says so, in event time at `ended_ms`; False where it fires no more."""
    return _end(conn, incident_id, "resolved", detail, at_ms, ended_ms)


def expire(
    conn: Connection, incident_id: str, detail: str = "rule_removed", *, at_ms: int | None = None
) -> bool:
    """End a firing incident whose rule is gone; False where it fires no more."""
    return _end(conn, incident_id, "expired", detail, at_ms)


def _end(
    conn: Connection,
    incident_id: str,
    state: str,
    detail: str,
    at_ms: int | None,
    ended_ms: int | None = None,
) -> bool:
    at = func.clock_timestamp() if at_ms is None else moment(at_ms)
    changed = _change(conn, incident_id, None, {"state": state, "resolved_at": at, "ended_at": ended_ms})
    if changed:
        note(conn, incident_id, state, detail)
    return changed


def acknowledge(conn: Connection, incident_id: str, by: str, outcome: str | None = None) -> Acknowledgement:
    """Record who has taken the incident, and what it turned out to be; an outcome may follow later."""
    known = select(incident.c.acknowledged_at, incident.c.outcome).where(
        incident.c.incident_id == incident_id
    )
    row = conn.execute(known.with_for_update()).first()
    if row is None:
        return Acknowledgement.UNKNOWN
    values: dict[str, Any] = {}
    if row.acknowledged_at is None:
        values = {"acknowledged_at": func.clock_timestamp(), "acknowledged_by": storable(by)}
    if outcome is not None and outcome != row.outcome:
        values["outcome"] = outcome
    if not values:
        return Acknowledgement.ALREADY
    conn.execute(update(incident).where(incident.c.incident_id == incident_id).values(values))
    note(conn, incident_id, "acknowledged", f"by {by}" + (f": {outcome}" if outcome else ""))
    return Acknowledgement.DONE if row.acknowledged_at is None else Acknowledgement.ALREADY


def fires(conn: Connection, incident_id: str | None) -> bool:
    """Whether there is such an incident and it has not ended, as far as people know."""
    firing = (incident.c.incident_id == incident_id) & (incident.c.state == "firing")
    firing &= incident.c.held_back.is_distinct_from(FLAPPING)
    return conn.execute(select(incident.c.incident_id).where(firing)).first() is not None


def note(conn: Connection, incident_id: str, what: str, detail: str = "") -> None:
    """Add a line to the incident's timeline."""
    row = {"incident_id": incident_id, "what": what, "detail": storable(detail), "at": func.clock_timestamp()}
    conn.execute(insert(timeline).values(row))


def last_resolved_ms(conn: Connection, rule: str, stream: str, signal: str | None) -> int | None:
    """When the newest ended incident of the rule on the stream and signal ended: the next onset is later."""
    same = (incident.c.rule == rule) & (incident.c.stream == stream)
    same &= incident.c.signal.is_not_distinct_from(signal)
    at = conn.execute(select(func.max(incident.c.resolved_at)).where(same)).scalar()
    return None if at is None else millis(at)


def _change(
    conn: Connection, incident_id: str, seen: ColumnElement[bool] | None, values: Mapping[str, Any]
) -> bool:
    firing = (incident.c.incident_id == incident_id) & (incident.c.state == "firing")
    condition = firing if seen is None else firing & seen
    return conn.execute(update(incident).where(condition).values(_columns(values))).rowcount == 1
