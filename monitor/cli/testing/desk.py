"""Decisions into incidents and messages, as `judge.effects` and `judge.telling` have it, without a ledger.

What began together goes in one page there; here each incident of a page counts as told, whatever it is bundled with.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from monitor.cli.testing.story import Incident, News, Story
from monitor.config.model import Config
from monitor.config.receiver_kinds import hears
from monitor.config.rule import Rule, Severity
from monitor.config.templates import receivers
from monitor.judge.describe import describe, rules_by_watch
from monitor.judge.history import History
from monitor.judge.plan import Plan
from monitor.judge.quiet import Quiet
from monitor.judge.telling import FLAPPING
from monitor.judge.verdicts import Verdict
from monitor.ledger import incidents
from monitor.ledger.moments import moment, rfc3339
from monitor.ledger.outbox import Addressee, addressees
from monitor.notify.message import compose
from monitor.records.delta import PANE_MS

Key = tuple[str, int, int]
RISING: Final = ("opened", "escalated", "worsened")


class Desk:
    """Keeps the incidents of one test and says who is told of them."""

    def __init__(self, config: Config, plan: Plan, history: History, story: Story) -> None:
        self._config = config
        self._plan = plan
        self._history = history
        self._story = story
        self._rules = rules_by_watch(plan)
        self._last: dict[Key, Incident] = {}
        self._fresh: list[Incident] = []

    def firing(self, watch: str, stream: int) -> Incident | None:
        """The open incident of a watch on a whole stream."""
        found = self._last.get((watch, stream, 0))
        return found if found is not None and found.fires else None

    def move(self, verdict: Verdict) -> None:
        """One move of one incident; what opens is told with all that the same moment brings."""
        self._tell_before(verdict.detected_ms)
        now = self._last.get((verdict.watch, verdict.stream, verdict.slice_id))
        if verdict.what not in RISING:
            if now is not None and now.fires:
                self._end(now, verdict.detected_ms)
            return
        if now is not None and now.fires:
            self._grow(now, verdict)
        elif now is not None and verdict.detected_ms - now.steps[-1][0] <= now.rule.clear_for_ms:
            self._reopen(now, verdict)
        else:
            self._open(verdict)

    def flush(self) -> None:
        """Tell of what has opened and is not told yet."""
        for incident in self._fresh:
            self._page(incident, incident.steps[-1][0])
        self._fresh = []

    def remind(self, now_ms: int) -> None:
        """Tell what is due by the clock: after a mute, after flapping, and again where a rule wants it."""
        self.flush()
        for incident in self._story.incidents:
            if not incident.fires or incident.rule.dry_run:
                continue
            renotify_ms = incident.rule.renotify_ms
            if incident.held_back is not None:
                self._release(incident, now_ms)
            elif renotify_ms and incident.notified_ms and now_ms - incident.notified_ms >= renotify_ms:
                incident.notified_ms = now_ms
                self.tell(incident, "opened", now_ms, incident.heard, {"again": True})

    def tell(
        self,
        incident: Incident,
        event: str,
        at_ms: int,
        to: Iterable[Addressee],
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """One message to each of `to` who can hear it, in production's own words."""
        payload = {**self._payload(incident), **(extra or {})}
        for receiver in list(to):
            incident.heard[receiver] = None
            if hears(receiver.kind, event):
                text = compose(event, payload).text
                self._story.news.append(News(at_ms, receiver.name, event, incident.rule.name, text))

    def _tell_before(self, ms: int) -> None:
        if any(incident.steps[-1][0] != ms for incident in self._fresh):
            self.flush()

    def _open(self, verdict: Verdict) -> None:
        what = self._rules[verdict.watch]
        rule = what if isinstance(what, Rule) else what.rule
        facts = describe(verdict, self._plan, self._history, historical=False).facts
        pane_ms, part = verdict.onset_ms // PANE_MS * PANE_MS, facts.part or ()
        name, signal = self._config.name, verdict.signal or ""
        named = incidents.incident_id(name, rule.name, facts.stream, signal, pane_ms, *part)
        opened = Incident(named, rule, facts, [(verdict.detected_ms, facts.severity)])
        self._last[verdict.watch, verdict.stream, verdict.slice_id] = opened
        self._story.incidents.append(opened)
        if not rule.dry_run:
            self._fresh.append(opened)

    def _grow(self, incident: Incident, verdict: Verdict) -> None:
        facts = describe(verdict, self._plan, self._history, historical=False).facts
        rank = Severity(incident.facts.severity).rank
        if Severity(facts.severity).rank <= rank:
            return
        incident.facts = facts
        incident.steps.append((verdict.detected_ms, facts.severity))
        if incident in self._fresh or incident.rule.dry_run:
            return
        why = self._quiet(incident, verdict.detected_ms)
        incident.held_back = why
        if why is None:
            incident.notified_ms = verdict.detected_ms
            to = dict.fromkeys([*incident.heard, *self._audience(incident)])
            self.tell(incident, "escalated", verdict.detected_ms, to)

    def _reopen(self, incident: Incident, verdict: Verdict) -> None:
        """What comes back soon is the same incident; nobody is told for as long again."""
        incident.facts = describe(verdict, self._plan, self._history, historical=False).facts
        incident.steps.append((verdict.detected_ms, incident.facts.severity))
        incident.held_back, incident.notified_ms = FLAPPING, verdict.detected_ms

    def _end(self, incident: Incident, at_ms: int) -> None:
        if incident in self._fresh:
            self.flush()
        incident.steps.append((at_ms, None))
        if incident.held_back != FLAPPING:
            ended = {"state": "resolved", "resolved_at": rfc3339(moment(at_ms))}
            self.tell(incident, "resolved", at_ms, incident.heard, ended)

    def _page(self, incident: Incident, at_ms: int) -> None:
        incident.held_back = self._quiet(incident, at_ms)
        if incident.held_back is None:
            incident.notified_ms = at_ms
            self.tell(incident, "opened", at_ms, self._audience(incident))

    def _release(self, incident: Incident, now_ms: int) -> None:
        flapping = incident.held_back == FLAPPING
        if flapping and now_ms - (incident.notified_ms or now_ms) < incident.rule.clear_for_ms:
            return
        incident.held_back = self._quiet(incident, now_ms)
        if incident.held_back is not None:
            return
        incident.notified_ms = now_ms
        to = dict.fromkeys([*incident.heard, *self._audience(incident)])
        event = "escalated" if incident.heard and not flapping else "opened"
        self.tell(incident, event, now_ms, to, {"back": True} if flapping else None)

    def _quiet(self, incident: Incident, now_ms: int) -> str | None:
        facts = incident.facts
        own = {
            "rule": facts.rule,
            "stream": facts.stream,
            "signal": facts.signal or "",
            "severity": facts.severity,
        }
        return Quiet(self._config.mutes, (), now_ms).reason({**own, **facts.labels})

    def _audience(self, incident: Incident) -> list[Addressee]:
        names = incident.rule.notify.at(Severity(incident.facts.severity))
        known, default = self._config.receivers, self._config.default_notify
        return addressees(self._config, receivers(names, incident.facts.labels, known, default))

    def _payload(self, incident: Incident) -> dict[str, Any]:
        return incidents.incident_row(
            incident.facts, incident_id=incident.incident_id, config_hash=self._config.config_hash
        )
