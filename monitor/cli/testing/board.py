"""Kill switches in a test: what `killswitch.switches` does, without a ledger. Webhooks are taken to be confirmed.

An automatic release is not played: a service would have to obey the probe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from monitor.cli.testing.desk import Desk
from monitor.cli.testing.story import Incident, Story
from monitor.config.model import Config, KillSwitch, SwitchKey
from monitor.judge.kill import Switch, Switches
from monitor.judge.plan import Plan
from monitor.judge.verdicts import Trip
from monitor.ledger.facts import KillFacts, KillState, stored_facts
from monitor.ledger.outbox import addressees

CONFIRMED: Final = "HTTP 200"
SAID: Final[Mapping[str, KillState]] = {
    "tripped": "confirmed",
    "would_trip": "would_trip",
    "held_by_guard": "held_by_guard",
}


@dataclass(slots=True)
class Board:
    """The switches of one test: `tripped` are times by switch and value."""

    config: Config
    plan: Plan
    desk: Desk
    story: Story
    tripped: dict[SwitchKey, int] = field(default_factory=dict)
    said: set[tuple[SwitchKey, str, str]] = field(default_factory=set)

    def switches(self) -> Switches:
        """As the core is told of them."""
        return {key: Switch(tripped=True, sequence=at_ms) for key, at_ms in self.tripped.items()}

    def paused(self, labels: Mapping[int, Mapping[str, str]]) -> frozenset[int]:
        """The streams whose switch is tripped."""
        return frozenset(
            stream
            for watch in self.plan.kills
            for stream, named in labels.items()
            if watch.rule.match.accepts(named) and watch.pulls(named) in self.tripped
        )

    def pull(self, trip: Trip) -> None:
        """A rule wants a switch tripped; its incident was opened or escalated just before."""
        self.desk.flush()
        switch, key = self.config.kill_switches[trip.switch], (trip.switch, trip.value)
        incident = self.desk.firing(trip.watch, trip.stream)
        if key in self.tripped or incident is None:
            return
        state = self._outcome(switch, key, incident, trip.detected_ms)
        if state == "tripped":
            self.tripped[key] = trip.detected_ms
        elif (key, state, incident.incident_id) in self.said:
            return
        self.said.add((key, state, incident.incident_id))
        self.story.kills.append((trip.detected_ms, key, state))
        self._tell(switch, state, incident, trip)

    def _outcome(self, switch: KillSwitch, key: SwitchKey, incident: Incident, at_ms: int) -> str:
        if switch.dry_run or incident.rule.dry_run:
            return "would_trip"
        since_ms = at_ms - switch.guard.within_ms
        others = [k for k, tripped_ms in self.tripped.items() if k != key and tripped_ms > since_ms]
        return "held_by_guard" if len(others) >= switch.guard.at_most else "tripped"

    def _tell(self, switch: KillSwitch, state: str, incident: Incident, trip: Trip) -> None:
        """Those who were told of the incident, and of a trip whom the switch names."""
        told = list(incident.heard)
        event = "escalated"
        if state == "tripped":
            named = addressees(self.config, switch.notify)
            told = list(dict.fromkeys([*told, *named])) or addressees(self.config, self.config.default_notify)
            event = "tripped"
        kill = KillFacts(
            switch=switch.name,
            state=SAID[state],
            mode=switch.mode,
            sequence=trip.detected_ms,
            actor=f"rule {trip.rule}",
            at_ms=trip.detected_ms,
            target=switch.target,
            confirmed_ms=trip.detected_ms if state == "tripped" else None,
            response=CONFIRMED,
            reason=f"{trip.k:,.0f} of {trip.n:,.0f} records",
            value=trip.value,
        )
        self.desk.tell(incident, event, trip.detected_ms, told, {"kill": stored_facts(kill)})
