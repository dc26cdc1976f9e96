"""What becomes of incidents by verdicts, and who hears of it: one piece for the judge and for rule tests."""

from typing import Any

from monitor.config.rule import Rule
from monitor.judge import reminding, telling
from monitor.judge.describe import Described, describe, rules_by_watch
from monitor.judge.quiet import Quiet
from monitor.judge.scene import Happened, Scene
from monitor.judge.standing import Mark, Note, View
from monitor.judge.verdicts import Trip, Verdict
from monitor.ledger import incidents
from monitor.ledger.incidents import FLAPPING
from monitor.records.delta import PANE_MS
from monitor.records.signals import WHOLE


def view_of(scene: Scene) -> View:
    """What telling needs to know, as it is now."""
    quiet = Quiet(scene.config.mutes, scene.incidents.silences(scene.now_ms), scene.now_ms)
    firing, told = scene.incidents.firing(), scene.incidents.told
    return View(scene.config, scene.plan.rules, quiet, scene.now_ms, firing, told)


def remind(scene: Scene) -> None:
    """Tell what is due at `scene.now_ms`."""
    view = view_of(scene)
    steps = reminding.released(view)
    scene.incidents.write(steps)
    scene.incidents.write(reminding.again(view.after(steps)))
    if scene.caught_up:
        scene.incidents.write(reminding.digest(view, scene.incidents.late()))


_Key = tuple[str, int, int]
"""Which incident a verdict moves: watch, stream and slice."""


def _key(verdict: Verdict) -> _Key:
    return verdict.watch, verdict.stream, verdict.slice_id


class News:
    """Incidents that opened and ended and are not told yet: those of one tick go together."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._opened: list[str] = []
        self._ended: dict[_Key, str] = {}

    def opened(self, incident_id: str) -> None:
        """It has opened."""
        self._opened.append(incident_id)

    def escalated(self, incident_id: str) -> None:
        """It has become severer; where it has just opened, that is one message."""
        if incident_id in self._opened:
            return
        [one] = self._scene.incidents.standing([incident_id])
        self._scene.incidents.write(telling.escalated(view_of(self._scene), one))

    def turned(self, incident_id: str) -> None:
        """It has turned to the other side; where it has just opened, that is one message."""
        if incident_id in self._opened:
            return
        [one] = self._scene.incidents.standing([incident_id])
        self._scene.incidents.write(telling.turned(view_of(self._scene), one))

    def ended(self, incident_id: str, key: _Key) -> None:
        """It has ended."""
        self._ended[key] = incident_id

    def before_end(self, incident_id: str) -> None:
        """What opened is told while it fires."""
        if incident_id in self._opened:
            self.tell()

    def before_open(self, key: _Key) -> None:
        """What ended is told before it comes back."""
        if key in self._ended:
            self.tell()

    def tell(self) -> None:
        """Tell all of it."""
        kept, opened, ended = self._scene.incidents, self._opened, self._ended
        self._opened, self._ended = [], {}
        if opened:
            kept.write(telling.opened(view_of(self._scene), kept.standing(opened)))
        if ended:
            kept.write(telling.ended(view_of(self._scene), kept.standing(ended.values())))


def move(scene: Scene, verdict: Verdict, news: News) -> list[Happened]:
    """Make one move of one incident."""
    stream = scene.history.stream_key(verdict.stream)
    firing = scene.incidents.find(verdict.rule, stream, verdict.signal, verdict.slice_id)
    match verdict.what:
        case "opened" if firing is None:
            return [_opened(scene, verdict, news)]
        case "opened" | "escalated" | "turned" | "worsened" if firing is not None:
            return [_grown(scene, verdict, firing, news)]
        case "resolved" | "expired" if firing is not None:
            return [_ended(scene, verdict, firing, news)]
    return []


def rule_of(scene: Scene, watch: str) -> Rule:
    """The rule behind a verdict or trip."""
    what = rules_by_watch(scene.plan)[watch]
    return what if isinstance(what, Rule) else what.rule


def pulling(scene: Scene, trip: Trip) -> str | None:
    """The open incident that a trip belongs to."""
    stream = scene.history.stream_key(trip.stream)
    return scene.incidents.find(trip.rule, stream, trip.signal, WHOLE)


def make_known(scene: Scene, incident_id: str) -> None:
    """Before its switch is news: that the incident came back, if it did so quietly."""
    [one] = scene.incidents.standing([incident_id])
    scene.incidents.write(telling.pulling(view_of(scene), one))


def _described(scene: Scene, verdict: Verdict) -> Described:
    historical = scene.now_ms - verdict.detected_ms > scene.plan.fresh_ms
    return describe(verdict, scene.plan, scene.history, historical=historical)


def _opened(scene: Scene, verdict: Verdict, news: News) -> Happened:
    news.before_open(_key(verdict))
    described, rule = _described(scene, verdict), rule_of(scene, verdict.watch)
    again = _reopened(scene, verdict, described, rule)
    if again is not None:
        return _happened(scene, "incident reopened", verdict, again)
    opened = _insert(scene, verdict, described)
    if not described.facts.historical and not rule.dry_run:
        news.opened(opened)
    return _happened(scene, "incident opened", verdict, opened)


def _reopened(scene: Scene, verdict: Verdict, described: Described, rule: Rule) -> str | None:
    """What resolved and comes back within `clear_for` is the same incident; nobody is told for as long again."""
    row = _row(scene, verdict, described, "")
    again = scene.incidents.reopen(row, verdict.detected_ms - rule.clear_for_ms)
    if again is not None:
        scene.incidents.write([Mark(again, {"held_back": FLAPPING, "notified_ms": scene.now_ms})])
    return again


def _insert(scene: Scene, verdict: Verdict, described: Described) -> str:
    """Insert the incident under its id; an earlier one that ended in the same pane moves it to the next."""
    pane_ms = verdict.onset_ms // PANE_MS * PANE_MS
    facts, name = described.facts, scene.config.name
    signal, part = verdict.signal or "", facts.part or ()
    while True:
        found = incidents.incident_id(name, verdict.rule, facts.stream, signal, pane_ms, *part)
        row = _row(scene, verdict, described, found)
        if scene.incidents.open(row):
            return found
        pane_ms += PANE_MS


def _row(scene: Scene, verdict: Verdict, described: Described, incident_id: str) -> dict[str, Any]:
    return incidents.incident_row(
        described.facts,
        incident_id=incident_id,
        config_hash=scene.config.config_hash,
        cause=described.cause,
        slice_id=verdict.slice_id,
        dry_run=rule_of(scene, verdict.watch).dry_run,
    )


def _grown(scene: Scene, verdict: Verdict, firing: str, news: News) -> Happened:
    facts = _described(scene, verdict).facts
    if scene.incidents.escalate(firing, facts):
        if not facts.historical and not rule_of(scene, verdict.watch).dry_run:
            news.escalated(firing)
        return _happened(scene, "incident escalated", verdict, firing)
    how = "turned" if verdict.what == "turned" else "worsened"
    scene.incidents.refresh(firing, facts)
    scene.incidents.write([Note(firing, how, facts.tolerance or "")])
    if how == "turned" and not facts.historical and not rule_of(scene, verdict.watch).dry_run:
        news.turned(firing)
    return _happened(scene, f"incident {how}", verdict, firing)


def _ended(scene: Scene, verdict: Verdict, firing: str, news: News) -> Happened:
    news.before_end(firing)
    if verdict.what == "expired":
        scene.incidents.expire(firing, verdict.reason)
    else:
        scene.incidents.resolve(firing, verdict.reason, ended_ms=verdict.detected_ms)
    news.ended(firing, _key(verdict))
    return _happened(scene, f"incident {verdict.what}", verdict, firing)


def _happened(scene: Scene, event: str, verdict: Verdict, incident_id: str) -> Happened:
    [one] = scene.incidents.standing([incident_id])
    return Happened(event, verdict.rule, one.stream, one.summary, incident_id)


def trip_reason(trip: Trip) -> str:
    """Why a rule wants its switch tripped."""
    share = f"{trip.k:,.0f} of {trip.n:,.0f} records ({trip.k / trip.n:.0%})"
    return f"{trip.rule}: {share}, limit {trip.m:.0%}"
