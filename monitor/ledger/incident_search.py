"""Incidents as people look for them: by what they remember of them, the newest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, column, select, table, tuple_

from monitor.config.rule import Severity
from monitor.config.values import milliseconds
from monitor.errors import UsageError, unknown_incident
from monitor.ledger.facts import storable

COLUMNS: Final = (
    "incident_id", "rule", "stream", "labels", "signal", "quantity", "unit", "severity", "state", "onset_at",
    "detected_at", "opened_at", "acknowledged_at", "acknowledged_by", "resolved_at", "observed", "reference",
    "tolerance", "at_least", "guaranteed", "cause_field", "cause_value", "version", "version_seen_at", "affected",
    "total", "reference_id", "outcome", "historical", "dry_run", "kill_switch", "summary", "config_hash",
)  # fmt: skip
SEVERITIES: Final = tuple(severity.value for severity in reversed(Severity))
STATES: Final = ("firing", "resolved", "expired")
UNSAID: Final = "none"
OUTCOMES: Final = ("true", "expected", "false_alarm", UNSAID)
ANY: Final = "*"

_INCIDENTS: Final = table("incidents", *map(column, COLUMNS), schema="tocsin")
_SCOPES: Final = table("incident_scopes", column("incident_id"), column("ended_at"), schema="tocsin")
_PLACE: Final = (_INCIDENTS.c.opened_at, _INCIDENTS.c.incident_id)


@dataclass(frozen=True, slots=True)
class Found:
    """Some incidents, the newest first, with when each `ended_at` in event time; and whether there are older ones."""

    rows: Sequence[Row[Any]]
    more: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents somebody looks for; None leaves it open. In `stream` and `rule` a `*` stands for anything.

    `since` is of when they were opened; `outcome` may be `UNSAID`.
    """

    stream: str | None = None
    rule: str | None = None
    severity: str | None = None
    state: str | None = None
    outcome: str | None = None
    since: datetime | None = None

    @classmethod
    def of(cls, filters: Mapping[str, str | None]) -> "Wanted":
        """What filters leave, by name; raises UsageError, which begins with `since`, where that is no time."""
        values: dict[str, Any] = dict(filters)
        if values.get("since"):
            try:
                values["since"] = read_since(values["since"])
            except UsageError as wrong:
                raise UsageError(f"since {wrong}") from None
        return cls(**values)

    def newest(self, conn: Connection, most: int, before: str | None = None) -> Found:
        """At most so many, from the newest on, or from the one that is older than `before`; raises UsageError."""
        of_scope = _SCOPES.c.incident_id == _INCIDENTS.c.incident_id
        found = select(_INCIDENTS, _SCOPES.c.ended_at).join(_SCOPES, of_scope).where(*self._conditions())
        if before is not None:
            found = found.where(tuple_(*_PLACE) < tuple_(*_place(conn, before)))
        rows = conn.execute(_newest_first(found).limit(most + 1)).all()
        return Found(rows[:most], len(rows) > most)

    def _conditions(self) -> list[ColumnElement[bool]]:
        of = _INCIDENTS.c
        found = [
            _named(of[name], storable(value)) for name in ("stream", "rule") if (value := getattr(self, name))
        ]
        found += [of[name] == value for name in ("severity", "state") if (value := getattr(self, name))]
        if self.outcome:
            found.append(of.outcome.is_(None) if self.outcome == UNSAID else of.outcome == self.outcome)
        if self.since:
            found.append(of.opened_at >= self.since)
        return found


def read_since(text: str) -> datetime:
    """`7d` before now, or a date or time, of UTC where it says nothing else; raises UsageError."""
    try:
        return datetime.now(UTC) - timedelta(milliseconds=milliseconds(text))
    except (ValueError, OverflowError):
        pass
    try:
        at = datetime.fromisoformat(text.strip())
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text} is no time: write 24h, 7d or 2026-11-14") from None


def _newest_first(found: Select[Any]) -> Select[Any]:
    return found.order_by(*(place.desc() for place in _PLACE))


def _place(conn: Connection, incident: str) -> tuple[Any, ...]:
    row = conn.execute(select(*_PLACE).where(_INCIDENTS.c.incident_id == storable(incident))).first()
    if row is None:
        raise unknown_incident(incident)
    return tuple(row)


def _named(of: ColumnElement[str], text: str) -> ColumnElement[bool]:
    if ANY not in text:
        return of == text
    plain = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return of.like(plain.replace(ANY, "%"), escape="\\")
