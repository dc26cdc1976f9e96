"""Whether the demo's story came out as it must: a pure function of what was seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.local.traffic import Drift

SIGNALS: Final[Mapping[Drift, str]] = {
    Drift.LENGTH: "output_tokens",
    Drift.LANGUAGE: "output_language",
    Drift.CONFIDENCE: "confidence",
    Drift.SLOW: "latency_ms",
    Drift.ERRORS: "error",
}
# What else a drift really changes: alarms there are right, but are not what is asked for.
FOLLOW: Final[Mapping[Drift, frozenset[str]]] = {
    Drift.LENGTH: frozenset({"output_chars", "cost_usd"}),
    Drift.LANGUAGE: frozenset({"wrong_language", "output_chars", "version"}),
    Drift.CONFIDENCE: frozenset(),
    Drift.SLOW: frozenset({"ttft_ms"}),
    Drift.ERRORS: frozenset({"timeout", "latency_ms", "error_type", "requests"}),
}
GRACE_MS: Final = 600_000
KILL_WITHIN_S: Final = 15.0
OWN: Final = "tocsin."


@dataclass(frozen=True, slots=True)
class Injection:
    """One drift from `begins_ms` up to `ends_ms` of event time; its first record was sent at `sent_ms`."""

    drift: Drift
    begins_ms: int
    ends_ms: int
    sent_ms: int

    def explains(self, incident: "Incident") -> bool:
        """Whether the incident is this drift or follows from it, and was found while that can be."""
        signals = FOLLOW[self.drift] | {SIGNALS[self.drift]}
        return incident.signal in signals and self.begins_ms <= incident.detected_ms < self.ends_ms + GRACE_MS

    def is_found_by(self, incident: "Incident") -> bool:
        return self.explains(incident) and incident.signal == SIGNALS[self.drift]


@dataclass(frozen=True, slots=True)
class Incident:
    """A row of `tocsin.incidents`: onset and detection in event time, `opened_ms` on the clock."""

    incident_id: str
    rule: str
    signal: str
    severity: str
    state: str
    onset_ms: int
    detected_ms: int
    opened_ms: int
    summary: str


@dataclass(frozen=True, slots=True)
class Score:
    """`found` has the first incident of each drift found; `kill_after_s` is None without a kill webhook."""

    injections: tuple[Injection, ...]
    found: Mapping[Drift, Incident]
    false_alarms: tuple[Incident, ...]
    kill_after_s: float | None

    @property
    def passed(self) -> bool:
        """All five found on their own signals, nothing else alarmed, and the kill came in time."""
        in_time = self.kill_after_s is not None and self.kill_after_s <= KILL_WITHIN_S
        return in_time and not self.false_alarms and self.found.keys() == set(Drift)

    @property
    def line(self) -> str:
        """The demo's last line."""
        kill = "no kill webhook"
        if self.kill_after_s is not None:
            kill = f"kill webhook after {self.kill_after_s:.1f} s"
        alarms = len(self.false_alarms)
        plural = "" if alarms == 1 else "s"
        return f"demo: {len(self.found)}/{len(Drift)} incidents, {alarms} false alarm{plural}, {kill}"


def score(
    injections: Sequence[Injection], incidents: Iterable[Incident], kill_received_ms: int | None
) -> Score:
    """Count what was found and what was not asked for; `kill_received_ms` is when the kill webhook arrived.

    Incidents that Tocsin opens about itself are outside the promise. A kill before the outage is none.
    """
    alarms = sorted((i for i in incidents if not i.rule.startswith(OWN)), key=lambda i: i.detected_ms)
    found: dict[Drift, Incident] = {}
    for injection in injections:
        for alarm in alarms:
            if injection.is_found_by(alarm):
                found.setdefault(injection.drift, alarm)
    unasked = tuple(a for a in alarms if not any(injection.explains(a) for injection in injections))
    return Score(tuple(injections), found, unasked, _kill_after_s(injections, kill_received_ms))


def cause(injections: Iterable[Injection], incident: Incident) -> Injection | None:
    """The injection that an incident comes from, the newest if it may be several; None for a false alarm."""
    return next((i for i in reversed(list(injections)) if i.explains(incident)), None)


def _kill_after_s(injections: Iterable[Injection], received_ms: int | None) -> float | None:
    spike_ms = next((i.sent_ms for i in injections if i.drift is Drift.ERRORS), None)
    if received_ms is None or spike_ms is None or received_ms < spike_ms:
        return None
    return (received_ms - spike_ms) / 1_000
