"""What happened in a test, by event time: incidents, what receivers were told, and what became of switches."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from monitor.config.model import SwitchKey
from monitor.config.rule import Rule
from monitor.ledger.facts import Facts
from monitor.ledger.headline import headline


@dataclass(slots=True)
class Incident:
    """An incident and how it went: `steps` are times with the severity from then on, None where it had ended."""

    incident_id: str
    rule: Rule
    facts: Facts
    steps: list[tuple[int, str | None]]

    def severity_at(self, ms: int) -> str | None:
        """How severe it was at a time; None before it opened and after it ended."""
        return next((severity for at, severity in reversed(self.steps) if at <= ms), None)

    @property
    def part(self) -> str | None:
        """The value of a slice that is judged by itself."""
        return self.facts.part[1] if self.facts.part else None

    def __str__(self) -> str:
        about = [word for word in (self.facts.signal, self.part) if word]
        return f"{self.rule.name} on {self.facts.stream}" + (f" ({', '.join(about)})" if about else "")


@dataclass(frozen=True, slots=True)
class News:
    """One message: what a receiver was told of an incident or a kill, and the whole text."""

    at_ms: int
    receiver: str
    event: str
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.receiver}: {self.event} by {self.rule}"


@dataclass(slots=True)
class Story:
    """All of it. `incidents` are by id; `kills` are the states that switches came to, in order."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    kills: list[tuple[int, SwitchKey, str]] = field(default_factory=list)

    def firing_at(self, ms: int) -> Iterator[tuple[Incident, str]]:
        """The incidents that fire at a time, with their severity then."""
        for incident in self.incidents.values():
            severity = incident.severity_at(ms)
            if severity is not None:
                yield incident, severity

    def told_between(self, after_ms: int, until_ms: int) -> list[News]:
        """What was told later than `after_ms` and not later than `until_ms`."""
        return [news for news in self.news if after_ms < news.at_ms <= until_ms]

    def kill_at(self, key: SwitchKey, ms: int) -> str:
        """The state of a switch at a time."""
        return next((state for at, k, state in reversed(self.kills) if k == key and at <= ms), "serving")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Everything with its time, in order."""
        found = [(news.at_ms, str(news)) for news in self.news]
        found += [(at, f"switch {'/'.join(filter(None, key))} {state}") for at, key, state in self.kills]
        for incident in self.incidents.values():
            for at, severity in incident.steps:
                what = f"fires, {severity}: {headline(incident.facts)}" if severity else "has ended"
                found.append((at, f"{incident} {what}"))
        yield from sorted(found)
