"""Decisions into rows: incidents, messages, trips, references, in the transaction that moves the cursors."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from monitor.config.rule import Rule
from monitor.judge import store, telling
from monitor.judge.describe import Described, describe, rules_by_watch
from monitor.judge.reference import Reference
from monitor.judge.scene import Happened, Scene
from monitor.judge.verdicts import Chosen, Decision, Learned, Mended, Quarantined, Trip, Verdict
from monitor.killswitch import switches
from monitor.ledger import announcements, incidents
from monitor.ledger.decided import incident
from monitor.records.delta import PANE_MS
from monitor.records.signals import WHOLE


def apply(scene: Scene, decisions: Iterable[Decision]) -> list[Happened]:
    """Write all decisions, in their order; what is told of incidents is told together where that changes nothing."""
    happened: list[Happened] = []
    learned: list[Learned] = []
    news = _News(scene)
    for decision in decisions:
        match decision:
            case Verdict():
                happened += _move(scene, decision, news)
            case Trip():
                news.tell()
                happened += _trip(scene, decision)
            case Mended():
                happened += _release(scene, decision)
            case Learned():
                store.write_reference(scene.conn, decision)
                learned.append(decision)
            case Chosen():
                store.write_choice(scene.conn, decision)
            case Quarantined():
                happened.append(_quarantine(scene, decision))
    news.tell()
    return happened + _learned(scene, learned)


class _News:
    """Incidents that opened and ended and are not told yet: those of one tick go together."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._opened: list[str] = []
        self._ended: list[str] = []

    def opened(self, incident_id: str) -> None:
        if incident_id in self._ended:
            self.tell()
        self._opened.append(incident_id)

    def escalated(self, incident_id: str) -> None:
        if incident_id not in self._opened:
            telling.tell_escalated(self._scene, incident_id)

    def ended(self, incident_id: str) -> None:
        self._ended.append(incident_id)

    def before_end(self, incident_id: str) -> None:
        """What opened is told while it fires."""
        if incident_id in self._opened:
            self.tell()

    def tell(self) -> None:
        """Tell all of it."""
        telling.tell_opened(self._scene, self._opened)
        telling.tell_ended(self._scene, self._ended)
        self._opened, self._ended = [], []


def _move(scene: Scene, verdict: Verdict, news: _News) -> list[Happened]:
    stream = scene.history.stream_key(verdict.stream)
    firing = _firing(scene.conn, verdict.rule, stream, verdict.signal, verdict.slice_id)
    match verdict.what:
        case "opened" if firing is None:
            return [_opened(scene, verdict, stream, news)]
        case "opened" | "escalated" | "worsened" if firing is not None:
            return _grown(scene, verdict, firing, news)
        case "resolved" | "expired" if firing is not None:
            return _ended(scene, verdict, firing, news)
    return []


def _firing(
    conn: Connection, rule: str, stream: str, signal: str | None, slice_id: int = WHOLE
) -> str | None:
    mine = (incident.c.rule == rule) & (incident.c.stream == stream) & (incident.c.state == "firing")
    mine &= incident.c.slice_id == slice_id
    mine &= incident.c.signal.is_not_distinct_from(signal)
    found: str | None = conn.execute(select(incident.c.incident_id).where(mine)).scalar()
    return found


def _rule(scene: Scene, watch: str) -> Rule:
    what = rules_by_watch(scene.plan)[watch]
    return what if isinstance(what, Rule) else what.rule


def _described(scene: Scene, verdict: Verdict) -> Described:
    historical = scene.now_ms - verdict.detected_ms > scene.plan.fresh_ms
    return describe(verdict, scene.plan, scene.history, historical=historical)


def _opened(scene: Scene, verdict: Verdict, stream: str, news: _News) -> Happened:
    described, rule = _described(scene, verdict), _rule(scene, verdict.watch)
    again = _reopened(scene, verdict, described, rule)
    if again is not None:
        return _happened(scene, "incident reopened", verdict, again)
    opened = _insert(scene, verdict, stream, described)
    if not described.facts.historical and not rule.dry_run:
        news.opened(opened)
    return _happened(scene, "incident opened", verdict, opened)


def _reopened(scene: Scene, verdict: Verdict, described: Described, rule: Rule) -> str | None:
    """What resolved and comes back within `clear_for` is the same incident; nobody is told for as long again."""
    row = _row(scene, verdict, described, "")
    again = incidents.reopen(scene.conn, row, verdict.detected_ms - rule.clear_for_ms)
    if again is not None:
        back = {"held_back": telling.FLAPPING, "notified_at": scene.now_ms}
        incidents.mark(scene.conn, again, back)
    return again


def _insert(scene: Scene, verdict: Verdict, stream: str, described: Described) -> str:
    """Insert the incident under its id; an earlier one that ended in the same pane moves it to the next."""
    pane_ms = verdict.onset_ms // PANE_MS * PANE_MS
    signal, part = verdict.signal or "", described.facts.part or ()
    while True:
        found = incidents.incident_id(scene.config.name, verdict.rule, stream, signal, pane_ms, *part)
        row = _row(scene, verdict, described, found)
        if incidents.open_incident(scene.conn, row):
            return found
        pane_ms += PANE_MS


def _row(scene: Scene, verdict: Verdict, described: Described, incident_id: str) -> dict[str, Any]:
    return incidents.incident_row(
        described.facts,
        incident_id=incident_id,
        config_hash=scene.config.config_hash,
        cause=described.cause,
        slice_id=verdict.slice_id,
        dry_run=_rule(scene, verdict.watch).dry_run,
    )


def _grown(scene: Scene, verdict: Verdict, firing: str, news: _News) -> list[Happened]:
    facts = _described(scene, verdict).facts
    if incidents.escalate(scene.conn, firing, facts):
        if not facts.historical and not _rule(scene, verdict.watch).dry_run:
            news.escalated(firing)
        return [_happened(scene, "incident escalated", verdict, firing)]
    incidents.refresh(scene.conn, firing, facts)
    incidents.note(scene.conn, firing, "worsened", facts.tolerance or "")
    return [_happened(scene, "incident worsened", verdict, firing)]


def _ended(scene: Scene, verdict: Verdict, firing: str, news: _News) -> list[Happened]:
    news.before_end(firing)
    if verdict.what == "expired":
        incidents.expire(scene.conn, firing, verdict.reason)
    else:
        incidents.resolve(scene.conn, firing, verdict.reason, ended_ms=verdict.detected_ms)
    news.ended(firing)
    return [_happened(scene, f"incident {verdict.what}", verdict, firing)]


def _happened(scene: Scene, event: str, verdict: Verdict, incident_id: str) -> Happened:
    summary = scene.conn.execute(
        select(incident.c.summary).where(incident.c.incident_id == incident_id)
    ).scalar()
    stream = scene.history.stream_key(verdict.stream)
    return Happened(event, verdict.rule, stream, summary or "", incident_id)


def _trip(scene: Scene, trip: Trip) -> list[Happened]:
    """Trip the switch; its incident was opened or escalated just before, unless the switch is tripped already."""
    stream = scene.history.stream_key(trip.stream)
    firing = _firing(scene.conn, trip.rule, stream, trip.signal)
    if firing is None:
        return []
    reason = (
        f"{trip.rule}: {trip.k:,.0f} of {trip.n:,.0f} records ({trip.k / trip.n:.0%}), limit {trip.m:.0%}"
    )
    switch = scene.config.kill_switches[trip.switch]
    outcome = switches.trip(
        scene.conn,
        switch,
        stream=trip.value if switch.per else stream,
        reason=reason,
        actor=f"rule {trip.rule}",
        incident_id=firing,
        evidence_until_ms=trip.evidence_until_ms,
        dry_run=_rule(scene, trip.watch).dry_run,
    )
    if not outcome.new:
        return []
    return [Happened(f"switch {outcome.action}", trip.rule, stream, reason, firing)]


def _release(scene: Scene, mended: Mended) -> list[Happened]:
    """The probe was good: the switch serves again."""
    switch = scene.config.kill_switches[mended.switch]
    reason = f"the probe was good by {', '.join(mended.rules)}"
    outcome = switches.release(
        scene.conn, switch, stream=mended.value or None, reason=reason, actor=switches.TOCSIN
    )
    return [Happened("switch released", mended.rules[0], mended.value, reason)] if outcome.new else []


def probe_due(scene: Scene) -> list[Happened]:
    """Let a share through at every switch whose automatic release is due."""
    return [
        Happened("switch probing", "", now.stream, f"{now.switch}: {now.reason}", now.incident_id)
        for now in switches.probe_due(scene.conn, scene.config.kill_switches)
    ]


def _learned(scene: Scene, learned: Iterable[Learned]) -> list[Happened]:
    """One line a stream: all its signals come far enough together."""
    found: dict[tuple[int, str], list[Reference]] = {}
    for one in learned:
        stage = "provisional" if one.reference.provisional else "learned"
        found.setdefault((one.stream, stage), []).append(one.reference)
    return [
        Happened(
            "reference",
            "",
            scene.history.stream_key(stream),
            f"{len(references)} signals are {stage} from {references[0].learned:,} predictions",
        )
        for (stream, stage), references in found.items()
    ]


def _quarantine(scene: Scene, quarantined: Quarantined) -> Happened:
    announcements.open_internal(
        scene.conn,
        scene.config,
        rule="tocsin.quarantine",
        key=quarantined.watch,
        summary=f"rule {quarantined.watch} failed and is not judged any more",
        detail=quarantined.detail,
        at_ms=scene.now_ms,
    )
    return Happened("rule quarantined", quarantined.watch, "", quarantined.detail)


def expire_removed(scene: Scene, verdicts: Iterable[Verdict]) -> list[Happened]:
    """End the incidents of rules that alerts.yaml has no more."""
    return apply(scene, [replace(v, what="expired") for v in verdicts])
