"""Decisions into rows: incidents, messages, trips, references, in the transaction that moves the cursors."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from monitor.config.model import Config, Rule, Severity
from monitor.config.templates import receivers
from monitor.judge import store
from monitor.judge.describe import Described, describe, rules_by_watch
from monitor.judge.history import History
from monitor.judge.plan import Plan
from monitor.judge.reference import Reference
from monitor.judge.verdicts import Chosen, Decision, Learned, Mended, Quarantined, Trip, Verdict
from monitor.killswitch import switches
from monitor.ledger import announcements, incidents
from monitor.ledger.facts import Facts
from monitor.ledger.models import incident
from monitor.ledger.outbox import Addressee, addressees, told
from monitor.records.delta import PANE_MS
from monitor.records.signals import WHOLE


@dataclass(frozen=True, slots=True)
class Scene:
    """What effects need besides the decision: `now_ms` is the newest ingest clock."""

    conn: Connection
    config: Config
    plan: Plan
    history: History
    now_ms: int


@dataclass(frozen=True, slots=True)
class Happened:
    """One line for the log: what happened to which rule and stream."""

    event: str
    rule: str
    stream: str
    summary: str
    incident_id: str | None = None


def apply(scene: Scene, decisions: Iterable[Decision]) -> list[Happened]:
    """Write all decisions, in their order."""
    happened: list[Happened] = []
    learned: list[Learned] = []
    for decision in decisions:
        match decision:
            case Verdict():
                happened += _move(scene, decision)
            case Trip():
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
    return happened + _learned(scene, learned)


def _move(scene: Scene, verdict: Verdict) -> list[Happened]:
    stream = scene.history.stream_key(verdict.stream)
    firing = _firing(scene.conn, verdict.rule, stream, verdict.signal, verdict.slice_id)
    match verdict.what:
        case "opened" if firing is None:
            return [_opened(scene, verdict, stream)]
        case "opened" | "escalated" | "worsened" if firing is not None:
            return _grown(scene, verdict, stream, firing)
        case "resolved" | "expired" if firing is not None:
            return _ended(scene, verdict, stream, firing)
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


def _opened(scene: Scene, verdict: Verdict, stream: str) -> Happened:
    described = _described(scene, verdict)
    opened = _insert(scene, verdict, stream, described)
    if not described.facts.historical and not _rule(scene, verdict.watch).dry_run:
        announcements.announce(scene.conn, opened, "opened", _audience(scene, verdict, described.facts))
    return _happened(scene, "incident opened", verdict, opened)


def _insert(scene: Scene, verdict: Verdict, stream: str, described: Described) -> str:
    """Insert the incident under its id; an earlier one that ended in the same pane moves it to the next."""
    pane_ms = verdict.onset_ms // PANE_MS * PANE_MS
    signal, part = verdict.signal or "", described.facts.part or ()
    while True:
        found = incidents.incident_id(scene.config.name, verdict.rule, stream, signal, pane_ms, *part)
        row = incidents.incident_row(
            described.facts,
            incident_id=found,
            config_hash=scene.config.config_hash,
            cause=described.cause,
            slice_id=verdict.slice_id,
            dry_run=_rule(scene, verdict.watch).dry_run,
        )
        if incidents.open_incident(scene.conn, row):
            return found
        pane_ms += PANE_MS


def _grown(scene: Scene, verdict: Verdict, stream: str, firing: str) -> list[Happened]:
    facts = _described(scene, verdict).facts
    if incidents.escalate(scene.conn, firing, facts):
        if not facts.historical and not _rule(scene, verdict.watch).dry_run:
            _announce_growth(scene, verdict, firing, facts)
        return [_happened(scene, "incident escalated", verdict, firing)]
    incidents.refresh(scene.conn, firing, facts)
    incidents.note(scene.conn, firing, "worsened", facts.tolerance or "")
    return [_happened(scene, "incident worsened", verdict, firing)]


def _announce_growth(scene: Scene, verdict: Verdict, firing: str, facts: Facts) -> None:
    """Tell those who were told before and whom this severity names; what was historical is news to them."""
    to = dict.fromkeys([*told(scene.conn, firing), *_audience(scene, verdict, facts)])
    announcements.announce(scene.conn, firing, "escalated", to, delivery_key=facts.severity)


def _audience(scene: Scene, verdict: Verdict, facts: Facts) -> list[Addressee]:
    names = _rule(scene, verdict.watch).notify.at(Severity(facts.severity))
    default = scene.config.default_notify
    return addressees(scene.config, receivers(names, facts.labels, scene.config.receivers, default))


def _ended(scene: Scene, verdict: Verdict, stream: str, firing: str) -> list[Happened]:
    if verdict.what == "expired":
        incidents.expire(scene.conn, firing, verdict.reason)
    else:
        incidents.resolve(scene.conn, firing, verdict.reason)
    announcements.announce(scene.conn, firing, "resolved")
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
    return [h for v in verdicts for h in _move(scene, replace(v, what="expired"))]
