"""False alarms as people marked them, against what was promised."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from detectors.weights import KILL_THRESHOLD
from monitor.config.model import Config, FalseAlarms
from monitor.config.rule import labelled
from monitor.ledger.wording import digits, number

DAYS: Final = 30
MS_IN_TIME: Final = DAYS * 86_400_000
LONGEST_LIST: Final = 20
WITHOUT: Final = "without guarantee"

# What a dry run finds is told to nobody, and what is found late is told once: both are incidents all the same.
_INCIDENTS: Final = text("""
    SELECT i.incident_id, i.rule, i.stream, i.severity, i.guaranteed, i.outcome, i.detected_at, i.summary,
           coalesce(s.labels, i.labels) AS labels
    FROM tocsin.incidents i LEFT JOIN tocsin.streams s USING (stream)
    WHERE i.opened_at > now() - make_interval(days => :days) AND i.rule NOT LIKE 'tocsin.%'
    ORDER BY i.opened_at DESC
""")
_KILLS: Final = text("""
    SELECT i.outcome, count(*) AS n
    FROM tocsin.kill_events k JOIN tocsin.incidents i USING (incident_id)
    WHERE k.action = 'tripped' AND k.at > now() - make_interval(days => :days)
    GROUP BY 1
""")


@dataclass(frozen=True, slots=True)
class Tally:
    """Incidents of one promise in 30 days by outcome; `promised` None where nothing is promised of them."""

    name: str
    promised: float | None
    outcomes: Counter[str | None] = field(default_factory=Counter)

    def __str__(self) -> str:
        n, marked, unmarked = self.outcomes.total(), self.outcomes["false_alarm"], self.outcomes[None]
        promised = "" if self.promised is None else f"promised at most {_amount(self.promised)} in {DAYS} d, "
        said = f"{self.name}: {promised}marked false: {marked} of {number(n, 'incident')} in {DAYS} d"
        if unmarked:
            said += f", {unmarked} unmarked"
        return said + (", more than promised" if self.promised is not None and marked > self.promised else "")


@dataclass(frozen=True, slots=True)
class Unmarked:
    """An incident of which nobody has said what it turned out to be."""

    incident_id: str
    severity: str
    rule: str
    detected_at: datetime
    summary: str


@dataclass(frozen=True, slots=True)
class FalselyAlarmed:
    """What people marked in the last 30 days, and what is still `unmarked`, newest first."""

    tallies: tuple[Tally, ...]
    unmarked: tuple[Unmarked, ...]


def falsely_alarmed(conn: Connection, settings: Config) -> FalselyAlarmed:
    """Read it; Tocsin's own incidents are no alarms."""
    found = conn.execute(_INCIDENTS, {"days": DAYS}).all()
    kills = {row.outcome: row.n for row in conn.execute(_KILLS, {"days": DAYS})}
    tallies = [*_tallies(found, settings), *_kill_tally(kills, settings.false_alarms)]
    columns = ("incident_id", "severity", "rule", "detected_at", "summary")
    unmarked = [Unmarked(*(getattr(row, c) for c in columns)) for row in found if row.outcome is None]
    return FalselyAlarmed(tuple(tallies), tuple(unmarked))


def _tallies(found: Sequence[Row[Any]], settings: Config) -> list[Tally]:
    """One for each severity with a promise of its own, within each value of the label `per`; then what has none."""
    promise = settings.false_alarms
    guaranteed = [row for row in found if row.guaranteed]
    named = {rate: [row for row in guaranteed if rate in ("any", row.severity)] for rate in promise.rates}
    tallies = []
    for rate, rows in named.items():
        promised = promise.rates[rate] * MS_IN_TIME
        for value, mine in _by_value(rows, settings):
            name = " ".join(w for w in ("" if rate == "any" else rate, value) if w) or "all severities"
            tallies.append(Tally(name, promised, Counter(row.outcome for row in mine)))
    others = [row for row in found if not row.guaranteed]
    return tallies + ([Tally(WITHOUT, None, Counter(row.outcome for row in others))] if others else [])


def _by_value(rows: Sequence[Row[Any]], settings: Config) -> Iterable[tuple[str, list[Row[Any]]]]:
    per = settings.false_alarms.per
    if per is None:
        return [("", list(rows))]
    values: dict[str, list[Row[Any]]] = {}
    for row in rows:
        value = labelled(row.labels, settings.streams.namings).get(per, "")
        values.setdefault(f"{per}={value}", []).append(row)
    return sorted(values.items())


def _kill_tally(outcomes: dict[str | None, int], promise: FalseAlarms) -> list[Tally]:
    """Kills have a promise of their own; nothing is said of it where nobody asked for it and none was."""
    if not outcomes and promise.kill is None:
        return []
    rate = promise.kill or 1 / (1000 * KILL_THRESHOLD)
    return [Tally("kills", rate * MS_IN_TIME, Counter(outcomes))]


def _amount(promised: float) -> str:
    """`1.0`: a decimal at least, since it is an expected number."""
    return f"{promised:.1f}" if promised >= 0.1 else digits(promised)
