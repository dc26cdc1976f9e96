"""The demo from the first record to the kill: what is seen of it, told as it comes."""

import time
from collections.abc import Mapping
from typing import Any, Final

from monitor.cli.demo.ledger import Ledger
from monitor.cli.demo.score import OWN, Incident, Injection, Score, cause, score
from monitor.cli.demo.story import Story
from monitor.errors import ServerStartFailed
from monitor.ledger.moments import moment
from monitor.local.daemon import Daemon
from monitor.local.feed import Feed, now_ms
from monitor.local.receiver import KILL, Received, Receiver
from monitor.local.scenario import Scenario
from monitor.local.server import telling_line
from monitor.local.traffic import Drift

LOOK_EVERY_S: Final = 0.25
AFTER_KILL_S: Final = 5.0
STREAM: Final = "chat-eu"
TRIPPED: Final = "kill_switch.tripped"


class Performance:
    """One playing of the scenario; `play` returns when all has been seen, or can no longer come."""

    def __init__(
        self,
        story: Story,
        plot: Scenario,
        feed: Feed,
        receiver: Receiver,
        ledger: Ledger,
        daemon: Daemon,
    ) -> None:
        self._story = story
        self._plot = plot
        self._feed = feed
        self._receiver = receiver
        self._ledger = ledger
        self._daemon = daemon
        self._injections: list[Injection] = []
        self._incidents: dict[str, Incident] = {}
        self._kill: Received | None = None
        self._stage = "learning"

    def play(self) -> Score:
        """Look until the kill has come and its incident is seen, or their time is over.

        Raises KafkaUnavailable if no traffic can be written, ServerStartFailed if the daemon ends by itself.
        """
        with self._story.live() as show:
            while not self._over():
                time.sleep(LOOK_EVERY_S)
                self._check()
                self._look()
                event = moment(self._plot.event_ms(now_ms()))
                show(f"event time {event:%H:%M:%S}, {self._feed.sent:,} records written")
        return self._score()

    def _check(self) -> None:
        self._feed.check()
        if not self._daemon.pid:
            last = telling_line(self._daemon.log.read_text(errors="replace"))
            raise ServerStartFailed(f"the daemon ended in the middle of the demo: {last}")

    def _over(self) -> bool:
        last_ms = self._plot.phases[-1].end_ms if self._kill is None else self._kill.at_ms
        if now_ms() > last_ms + 1_000 * AFTER_KILL_S:
            return True
        return self._kill is not None and self._found().keys() == set(Drift)

    def _found(self) -> Mapping[Drift, Incident]:
        return self._score().found

    def _score(self) -> Score:
        kill_ms = None if self._kill is None else self._kill.at_ms
        return score(self._injections, self._incidents.values(), kill_ms)

    def _look(self) -> None:
        self._look_for_injections()
        self._look_for_learning()
        self._look_for_incidents()
        self._look_for_the_kill()

    def _look_for_injections(self) -> None:
        known = {injection.drift for injection in self._injections}
        began = self._feed.began
        for phase in self._plot.injections():
            if phase.drift is not None and phase.drift in began and phase.drift not in known:
                injection = Injection(phase.drift, phase.start_ms, phase.end_ms, began[phase.drift])
                self._injections.append(injection)
                self._story.injected(injection)

    def _look_for_learning(self) -> None:
        learning = self._ledger.learning(STREAM)
        if learning is not None and learning.state != self._stage:
            self._stage = learning.state
            now = now_ms()
            self._story.learned(now, self._plot.event_ms(now), learning.state, learning.learned)

    def _look_for_incidents(self) -> None:
        for incident in self._ledger.incidents():
            before = self._incidents.get(incident.incident_id)
            self._incidents[incident.incident_id] = incident
            if before is None:
                self._story.fired(incident, cause(self._injections, incident), incident.rule.startswith(OWN))
            elif (before.severity, before.state) != (incident.severity, incident.state):
                self._story.changed(now_ms(), incident)

    def _look_for_the_kill(self) -> None:
        if self._kill is not None:
            return
        self._kill = self._receiver.wait_for(_is_trip, 0)
        if self._kill is not None:
            self._story.killed(self._kill, self._score().kill_after_s)


def _is_trip(request: Received) -> bool:
    """A trip that the service behind the switch would believe."""
    if request.path != KILL or not request.signed:
        return False
    body: Any = request.json()
    return bool(body["type"] == TRIPPED)
