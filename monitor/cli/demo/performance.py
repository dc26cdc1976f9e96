"""The demo from the first record to the kill: what is seen of it, told as it comes."""

import time
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
AFTER_KILL_MS: Final = 5_000
OUTAGE_MS: Final = 60_000
CALM_MS: Final = 4_000
BEHIND_MS: Final = 8_000
PATIENCE_MS: Final = 90_000
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
                self._break_if_due()
                event = moment(self._plot.event_ms(now_ms()))
                show(f"event time {event:%H:%M:%S}, {self._feed.sent:,} records written")
        return self._score()

    def _check(self) -> None:
        self._feed.check()
        if not self._daemon.pid:
            last = telling_line(self._daemon.log.read_text(errors="replace"))
            raise ServerStartFailed(f"the daemon ended in the middle of the demo: {last}")

    def _over(self) -> bool:
        if self._kill is not None:
            return now_ms() > self._kill.at_ms + AFTER_KILL_MS or self._score().found.keys() == set(Drift)
        began_ms = self._feed.began.get(Drift.ERRORS)
        return began_ms is not None and now_ms() > began_ms + OUTAGE_MS

    def _break_if_due(self) -> None:
        """The outage begins once the judge has come to the present, on a busy machine some time after the feed."""
        caught_up_ms, now = self._plot.caught_up_ms, now_ms()
        if now < caught_up_ms + CALM_MS or Drift.ERRORS in self._feed.began:
            return
        watermark_ms = self._ledger.watermark_ms() or 0
        if watermark_ms > now - BEHIND_MS or now > caught_up_ms + PATIENCE_MS:
            self._feed.fail()

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
                self._inject(Injection(phase.drift, phase.start_ms, phase.end_ms, began[phase.drift]))
        since_ms = self._feed.failing_since_ms
        if since_ms is not None and Drift.ERRORS in began and Drift.ERRORS not in known:
            self._inject(Injection(Drift.ERRORS, since_ms, since_ms + OUTAGE_MS, began[Drift.ERRORS]))

    def _inject(self, injection: Injection) -> None:
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
