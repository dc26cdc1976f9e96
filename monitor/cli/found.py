"""The incidents that a replay or a backtest comes to, and how they are shown."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from monitor.config.rule import Severity
from monitor.judge.describe import describe
from monitor.judge.history import History
from monitor.judge.plan import Plan
from monitor.judge.verdicts import Verdict
from monitor.ledger.facts import Facts
from monitor.ledger.headline import headline, unit_of


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it ended: facts of its worst moment; `resolved_ms` None while it fires."""

    facts: Facts
    resolved_ms: int | None = None

    def reaches(self, severity: Severity) -> bool:
        return Severity(self.facts.severity).rank >= severity.rank


@dataclass(slots=True)
class Found:
    """Gathers verdicts into incidents."""

    plan: Plan
    history: History
    _incidents: dict[tuple[str, int, int, int], Incident] = field(default_factory=dict)
    _firing: dict[tuple[str, int, int], tuple[str, int, int, int]] = field(default_factory=dict)

    @property
    def incidents(self) -> list[Incident]:
        """All incidents, by when they were detected; at one moment by rule and stream."""
        return sorted(
            self._incidents.values(),
            key=lambda i: (i.facts.detected_ms, i.facts.rule, i.facts.stream, i.facts.part or ("", "")),
        )

    def add(self, verdict: Verdict) -> None:
        """One move of one incident."""
        watch = (verdict.watch, verdict.stream, verdict.slice_id)
        if verdict.what == "resolved":
            key = self._firing.pop(watch, None)
            if key is not None:
                self._incidents[key] = replace(self._incidents[key], resolved_ms=verdict.detected_ms)
            return
        facts = describe(verdict, self.plan, self.history, historical=False).facts
        key = self._firing.setdefault(watch, (*watch, verdict.detected_ms))
        before = self._incidents.get(key)
        self._incidents[key] = Incident(_grown(before.facts, facts) if before else facts)


def _grown(before: Facts, now: Facts) -> Facts:
    """An incident keeps when it was detected; its severity only grows."""
    values = {name: getattr(now, name) for name in now.__struct_fields__}
    severity = max(Severity(before.severity), Severity(now.severity), key=lambda s: s.rank)
    values.update(detected_ms=before.detected_ms, onset_ms=before.onset_ms, severity=str(severity))
    return Facts(**values)


def as_json(incident: Incident) -> str:
    """One object a line."""
    facts = incident.facts
    line: dict[str, Any] = {
        "rule": facts.rule,
        "stream": facts.stream,
        "labels": facts.labels,
        "signal": facts.signal,
        "quantity": facts.quantity,
        "unit": unit_of(facts),
        "severity": facts.severity,
        "onset_at": iso(facts.onset_ms),
        "detected_at": iso(facts.detected_ms),
        "observed": facts.observed,
        "reference": facts.reference,
        "summary": headline(facts),
    }
    return msgspec.json.encode(line).decode()


def as_text(incident: Incident) -> str:
    """One line for people."""
    facts = incident.facts
    until = f", resolved {iso(incident.resolved_ms)}" if incident.resolved_ms else ", still firing at the end"
    return (
        f"{iso(facts.detected_ms)} {facts.severity:8} {facts.rule}: {headline(facts)} "
        f"(since {iso(facts.onset_ms)}{until})"
    )


def iso(ms: int) -> str:
    """RFC 3339 with milliseconds, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
