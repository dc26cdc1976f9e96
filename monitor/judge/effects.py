"""Decisions into rows: incidents, messages, trips, references, in the transaction that moves the cursors."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from monitor.judge import reference_rows
from monitor.judge.moving import News, make_known, move, pulling, rule_of, trip_reason
from monitor.judge.reference import Reference
from monitor.judge.scene import Happened, Scene
from monitor.judge.verdicts import Chosen, Decision, Learned, Mended, Quarantined, Trip, Verdict
from monitor.killswitch import switches
from monitor.ledger import announcements


def apply(conn: Connection, scene: Scene, decisions: Iterable[Decision]) -> list[Happened]:
    """Write all decisions, in their order; what is told of incidents is told together where that changes nothing."""
    happened: list[Happened] = []
    learned: list[Learned] = []
    news = News(scene)
    for decision in decisions:
        match decision:
            case Verdict():
                happened += move(scene, decision, news)
            case Trip():
                news.tell()
                happened += _trip(conn, scene, decision)
            case Mended():
                happened += _release(conn, scene, decision)
            case Learned():
                reference_rows.write_reference(conn, decision)
                learned.append(decision)
            case Chosen():
                reference_rows.write_choice(conn, decision)
            case Quarantined():
                happened.append(_quarantine(conn, scene, decision))
    news.tell()
    return happened + _learned(scene, learned)


def _trip(conn: Connection, scene: Scene, trip: Trip) -> list[Happened]:
    """Trip the switch; its incident was opened or escalated just before, unless the switch is tripped already."""
    firing = pulling(scene, trip)
    if firing is None:
        return []
    stream, reason = scene.history.stream_key(trip.stream), trip_reason(trip)
    switch = scene.config.kill_switches[trip.switch]
    outcome = switches.trip(
        conn,
        switch,
        stream=trip.value if switch.per else stream,
        reason=reason,
        actor=f"rule {trip.rule}",
        incident_id=firing,
        evidence_until_ms=trip.evidence_until_ms,
        dry_run=rule_of(scene, trip.watch).dry_run,
        before=lambda: make_known(scene, firing),
    )
    if not outcome.new:
        return []
    return [Happened(f"switch {outcome.action}", trip.rule, stream, reason, firing)]


def _release(conn: Connection, scene: Scene, mended: Mended) -> list[Happened]:
    """The probe was good: the switch serves again."""
    switch = scene.config.kill_switches[mended.switch]
    reason = f"the probe was good by {', '.join(mended.rules)}"
    outcome = switches.release(
        conn, switch, stream=mended.value or None, reason=reason, actor=switches.TOCSIN
    )
    return [Happened("switch released", mended.rules[0], mended.value, reason)] if outcome.new else []


def probe_due(conn: Connection, scene: Scene) -> list[Happened]:
    """Let a share through at every switch whose automatic release is due."""
    return [
        Happened("switch probing", "", now.stream, f"{now.switch}: {now.reason}", now.incident_id)
        for now in switches.probe_due(conn, scene.config.kill_switches)
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


def _quarantine(conn: Connection, scene: Scene, quarantined: Quarantined) -> Happened:
    announcements.open_internal(
        conn,
        scene.config,
        rule="tocsin.quarantine",
        key=quarantined.watch,
        summary=f"rule {quarantined.watch} failed and is not judged any more",
        detail=quarantined.detail,
        at_ms=scene.now_ms,
    )
    return Happened("rule quarantined", quarantined.watch, "", quarantined.detail)


def expire_removed(conn: Connection, scene: Scene, verdicts: Iterable[Verdict]) -> list[Happened]:
    """End the incidents of rules that alerts.yaml has no more."""
    return apply(conn, scene, [replace(v, what="expired") for v in verdicts])
