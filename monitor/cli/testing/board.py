"""Kill switches in a test: what `killswitch.switches` decides, kept without a ledger. Webhooks confirm at once.

An automatic release is not played: a service would have to obey the probe.
"""

from dataclasses import dataclass, field
from typing import Final

from monitor.cli.testing.played import PlayedIncidents
from monitor.cli.testing.story import Story
from monitor.config.model import Config, KillSwitch, SwitchKey
from monitor.judge.kill import Switch, Switches
from monitor.judge.moving import make_known, pulling, rule_of, trip_reason
from monitor.judge.scene import Scene
from monitor.judge.standing import message
from monitor.judge.verdicts import Trip
from monitor.killswitch import deciding
from monitor.killswitch.change import body_of
from monitor.killswitch.deciding import KillAction, State
from monitor.ledger.facts import KillState, stored_facts
from monitor.notify.kill_news import audience, kill_facts

CONFIRMED: Final = "HTTP 200"


@dataclass(slots=True)
class Board:
    """The switches of one test: `tripped` are times by switch and value, `events` what each came to last."""

    config: Config
    incidents: PlayedIncidents
    story: Story
    tripped: dict[SwitchKey, int] = field(default_factory=dict)
    events: dict[SwitchKey, tuple[str, str | None]] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)

    def switches(self) -> Switches:
        """As the core is told of them."""
        return {key: Switch(tripped=True, sequence=at_ms) for key, at_ms in self.tripped.items()}

    def pull(self, scene: Scene, trip: Trip) -> None:
        """A rule wants a switch tripped; its incident was opened or escalated just before."""
        incident_id = pulling(scene, trip)
        if incident_id is None:
            return
        switch = self.config.kill_switches[trip.switch]
        stream = trip.value if switch.per else scene.history.stream_key(trip.stream)
        key = (switch.name, deciding.value_in(switch, stream))
        action = self._asked(switch, key, scene, trip)
        if action is KillAction.ALREADY or deciding.is_said(self.events.get(key), action, incident_id):
            return
        make_known(scene, incident_id)
        self.events[key] = (action.value, incident_id)
        self.story.kills.append((scene.now_ms, key, action.value))
        if action is KillAction.TRIPPED:
            self.tripped[key] = scene.now_ms
        self._tell(scene, switch, stream, action, trip, incident_id)

    def _asked(self, switch: KillSwitch, key: SwitchKey, scene: Scene, trip: Trip) -> KillAction:
        now = State.TRIPPED if key in self.tripped else None
        others = deciding.others_of_late(self.tripped.items(), key, switch.guard, scene.now_ms)
        dry_run = rule_of(scene, trip.watch).dry_run
        return deciding.asked(switch, now, by_rule=True, dry_run=dry_run, others=others)

    def _tell(
        self, scene: Scene, switch: KillSwitch, stream: str, action: KillAction, trip: Trip, incident_id: str
    ) -> None:
        """Those who know of the incident, and of a trip whom the switch names, once it is confirmed."""
        [about] = self.incidents.standing([incident_id])
        known, value = self.incidents.told(about.page), deciding.value_in(switch, stream)
        sequence = deciding.next_sequence(scene.now_ms, self.sequences.get(switch.name, 0))
        self.sequences[switch.name] = sequence
        said = (sequence, scene.now_ms, f"rule {trip.rule}", trip_reason(trip))
        if action is not KillAction.TRIPPED:
            kill = deciding.said(switch, action, value, *said)
            extra = {"kill": stored_facts(kill)}
            self.incidents.write(message(about, "escalated", known, extra=extra))
            return
        body = body_of(switch, stream, action, *said)
        confirmed: KillState = "published" if switch.url is None else "confirmed"
        kill = kill_facts(body, value, confirmed, CONFIRMED, scene.now_ms)
        extra = {"kill": stored_facts(kill), "switch": body}
        to = audience(self.config, switch.name, known)
        self.incidents.write(message(about, "tripped", to, extra=extra))
