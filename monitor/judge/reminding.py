"""What is told of incidents as time goes by: after a mute, after flapping, again and again, and what was found late."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, select

from monitor.config.rule import Rule
from monitor.judge.quiet import words
from monitor.judge.scene import Scene
from monitor.judge.telling import (
    FLAPPING,
    audience,
    hold_back,
    listed,
    quiet_of,
    tell_opened,
)
from monitor.ledger import incidents
from monitor.ledger.announcements import announce
from monitor.ledger.decided import incident
from monitor.ledger.facts import INTERNAL_STREAM
from monitor.ledger.moments import millis, rfc3339
from monitor.ledger.outbox import Addressee, addressees, told

NO_DIGEST: Final = ("pagerduty",)
"""Receivers that wake people are not told of the past."""


def remind(scene: Scene) -> None:
    """Tell what is due at `scene.now_ms`."""
    _release(scene)
    if any(rule.renotify_ms for rule in scene.plan.rules.values()):
        _tell_again(scene)
    if scene.caught_up:
        _digest(scene)


def _firing(scene: Scene, which: ColumnElement[bool]) -> list[Row[Any]]:
    mine = (incident.c.state == "firing") & ~incident.c.dry_run & which
    return list(scene.conn.execute(select(incident).where(mine).order_by(incident.c.opened_at)).all())


def _rule(scene: Scene, row: Row[Any]) -> Rule | None:
    rules = scene.plan.rules.values()
    return next((r for r in rules if r.name == row.rule and r.match.accepts(row.labels)), None)


def _release(scene: Scene) -> None:
    """Tell of what still fires once nothing holds it back any more."""
    held = _firing(scene, incident.c.held_back.is_not(None))
    quiet = quiet_of(scene) if held else None
    fresh = []
    for row in held:
        if row.held_back == FLAPPING and not _is_back(scene, row):
            continue
        why = quiet.reason(words(row)) if quiet is not None else None
        if why is not None:
            if why != row.held_back:
                incidents.mark(scene.conn, row.incident_id, {"held_back": why})
            continue
        incidents.mark(scene.conn, row.incident_id, {"held_back": None})
        incidents.note(scene.conn, row.incident_id, "told_late", f"was held back: {row.held_back}")
        if row.held_back == FLAPPING or told(scene.conn, row.incident_id):
            _tell_known(scene, row)
        else:
            fresh.append(row.incident_id)
    tell_opened(scene, fresh, key=f"late/{scene.now_ms}")


def _is_back(scene: Scene, row: Row[Any]) -> bool:
    """Whether an incident that came back has fired for as long as it takes to resolve."""
    rule = _rule(scene, row)
    since = scene.now_ms if row.notified_at is None else millis(row.notified_at)
    return rule is None or scene.now_ms - since >= rule.clear_for_ms


def _tell_known(scene: Scene, row: Row[Any]) -> None:
    """Tell of an incident that people know: that it is back, or what it has grown to."""
    to = dict.fromkeys([*told(scene.conn, row.incident_id), *audience(scene, row)])
    incidents.mark(scene.conn, row.incident_id, {"notified_at": scene.now_ms})
    if row.held_back == FLAPPING:
        key, extra = f"reopened/{row.reopened}", {"back": True}
        announce(scene.conn, row.incident_id, "opened", to, delivery_key=key, extra=extra)
    else:
        key = f"{row.severity}/late/{scene.now_ms}"
        announce(scene.conn, row.incident_id, "escalated", to, delivery_key=key)


def _tell_again(scene: Scene) -> None:
    """Say that it still fires, after each `renotify` in which nobody acknowledged it."""
    open_pages = incident.c.acknowledged_at.is_(None) & incident.c.held_back.is_(None)
    open_pages &= incident.c.notified_at.is_not(None) & ~incident.c.historical
    for row in _firing(scene, open_pages & incident.c.group_id.is_(None)):
        rule = _rule(scene, row)
        if rule is None or rule.renotify_ms is None:
            continue
        if scene.now_ms - millis(row.notified_at) < rule.renotify_ms:
            continue
        why = quiet_of(scene).reason(words(row))
        if why is not None:
            hold_back(scene, row, why, "opened", f"again/{scene.now_ms}")
            continue
        incidents.mark(scene.conn, row.incident_id, {"notified_at": scene.now_ms})
        incidents.note(scene.conn, row.incident_id, "told_again", "nobody has acknowledged it")
        key = f"again/{scene.now_ms}"
        announce(scene.conn, row.incident_id, "opened", delivery_key=key, extra={"again": True})


def _digest(scene: Scene) -> None:
    """One message for all that was found late, once the judge has come to the present."""
    late = incident.c.historical & incident.c.notified_at.is_(None) & ~incident.c.dry_run
    late &= incident.c.stream != INTERNAL_STREAM
    rows = scene.conn.execute(select(incident).where(late).order_by(incident.c.onset_at)).all()
    if not rows:
        return
    first = rows[0].incident_id
    for row in rows:
        group_id = None if row.incident_id == first else first
        incidents.mark_late(scene.conn, row.incident_id, group_id, scene.now_ms)
        incidents.note(scene.conn, row.incident_id, "digest", f"found late: told in the digest of {first}")
    digest = {"n": len(rows), "from": rfc3339(rows[0].onset_at), "until": rfc3339(rows[-1].onset_at)}
    extra = {**listed(rows[1:]), "digest": digest}
    announce(scene.conn, first, "opened", _digested(scene, rows), delivery_key="digest", extra=extra)


def _digested(scene: Scene, rows: Sequence[Row[Any]]) -> list[Addressee]:
    default = addressees(scene.config, scene.config.default_notify)
    named = [receiver for row in rows for receiver in audience(scene, row)]
    return [each for each in dict.fromkeys([*default, *named]) if each.kind not in NO_DIGEST]
