"""Who is told of an incident, and when: one page for what began together, mutes and silences, ends.

What happens by the clock afterwards is in `reminding`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, func, select

from monitor.config.rule import Severity
from monitor.config.templates import receivers
from monitor.judge.quiet import Quiet, words
from monitor.judge.scene import Scene
from monitor.ledger import incidents, silences
from monitor.ledger.announcements import announce, groups_itself
from monitor.ledger.decided import incident
from monitor.ledger.facts import INTERNAL_STREAM
from monitor.ledger.moments import millis, moment
from monitor.ledger.outbox import Addressee, addressees, told

TOGETHER_MS: Final = 120_000
MOST_LISTED: Final = 50
FLAPPING: Final = "flapping"

Extra = Mapping[str, Any]


def quiet_of(scene: Scene) -> Quiet:
    """The mutes and silences that are in force."""
    return Quiet(scene.config.mutes, silences.in_force(scene.conn, scene.now_ms), scene.now_ms)


def rows_of(scene: Scene, ids: Iterable[str]) -> list[Row[Any]]:
    """The rows of some incidents, the severest first."""
    found = scene.conn.execute(select(incident).where(incident.c.incident_id.in_(list(ids)))).all()
    return sorted(found, key=lambda row: (-Severity(row.severity).rank, row.onset_at, row.incident_id))


def audience(scene: Scene, row: Row[Any]) -> list[Addressee]:
    """Whom the incident's rule names at its severity."""
    known, default = scene.config.receivers, scene.config.default_notify
    rule = next(
        (r for r in scene.plan.rules.values() if r.name == row.rule and r.match.accepts(row.labels)), None
    )
    names = rule.notify.at(Severity(row.severity)) if rule is not None else ()
    return addressees(scene.config, receivers(names, row.labels, known, default))


def tell_opened(scene: Scene, ids: Iterable[str], key: str = "", extra: Extra | None = None) -> None:
    """Page for what opened: what began together with an open page joins it, what is muted is held back."""
    quiet, pages = quiet_of(scene), dict[str, list[Row[Any]]]()
    rows = rows_of(scene, ids)
    leaders = _leaders(scene, rows)
    for row in rows:
        why = quiet.reason(words(row))
        if why is not None:
            hold_back(scene, row, why, "opened", key)
            continue
        leader = next((each for each in leaders if _together(each, row)), None)
        if leader is None:
            leaders.append(row)
        else:
            incidents.note(scene.conn, row.incident_id, "grouped", f"in the page of {leader.incident_id}")
        group_id = None if leader is None else leader.incident_id
        incidents.mark(
            scene.conn,
            row.incident_id,
            {"group_id": group_id, "held_back": None, "notified_at": scene.now_ms},
        )
        pages.setdefault(group_id or row.incident_id, []).append(row)
    for leader_id, members in pages.items():
        _page(scene, leader_id, members, key, extra or {})


def _leaders(scene: Scene, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The open pages that `rows` may join."""
    if not rows:
        return []
    first = moment(min(millis(row.onset_at) for row in rows) - TOGETHER_MS)
    open_page = (incident.c.state == "firing") & incident.c.group_id.is_(None)
    open_page &= incident.c.notified_at.is_not(None) & incident.c.held_back.is_(None)
    open_page &= ~incident.c.historical & (incident.c.stream != INTERNAL_STREAM)
    open_page &= incident.c.onset_at >= first
    mine = {row.incident_id for row in rows}
    found = scene.conn.execute(select(incident).where(open_page).order_by(incident.c.opened_at)).all()
    return [row for row in found if row.incident_id not in mine]


def _together(leader: Row[Any], row: Row[Any]) -> bool:
    """Whether they began together; what is severer than the page has one of its own, or nobody would look."""
    near = abs(millis(leader.onset_at) - millis(row.onset_at)) <= TOGETHER_MS
    alike = leader.rule == row.rule or leader.stream == row.stream
    return near and alike and Severity(leader.severity).rank >= Severity(row.severity).rank


def _page(scene: Scene, leader_id: str, members: Sequence[Row[Any]], key: str, extra: Extra) -> None:
    """One message to each receiver for all of `members` that it is to hear of."""
    knows = {receiver.name for receiver in told(scene.conn, leader_id)}
    heard: dict[Addressee, list[Row[Any]]] = {}
    for row in members:
        for receiver in audience(scene, row):
            heard.setdefault(receiver, []).append(row)
    for receiver, rows in heard.items():
        if groups_itself(receiver):
            for row in rows:
                announce(scene.conn, row.incident_id, "opened", [receiver], delivery_key=key, extra=extra)
            continue
        joined = {"joined": True} if receiver.name in knows else {}
        also = {**listed(rows[1:]), **joined, **extra}
        announce(scene.conn, rows[0].incident_id, "opened", [receiver], delivery_key=key, extra=also)


def listed(rows: Sequence[Row[Any]]) -> dict[str, Any]:
    """What a message says of further incidents."""
    if not rows:
        return {}
    names = ("incident_id", "rule", "stream", "severity", "summary")
    also = [{name: row._mapping[name] for name in names} for row in rows[:MOST_LISTED]]
    return {"also": also, "also_n": len(rows)}


def hold_back(scene: Scene, row: Row[Any], why: str, event: str, key: str = "") -> None:
    """Keep a message and send it to nobody; the incident is told of when `why` is over."""
    incidents.mark(scene.conn, row.incident_id, {"held_back": why})
    incidents.note(scene.conn, row.incident_id, "suppressed", f"{event}: {why}")
    announce(scene.conn, row.incident_id, event, audience(scene, row), delivery_key=key, suppressed=True)


def tell_escalated(scene: Scene, incident_id: str) -> None:
    """Tell those who were told before, and whom the new severity names; what was historical is news to them."""
    [row] = rows_of(scene, [incident_id])
    why = quiet_of(scene).reason(words(row))
    if why is not None:
        hold_back(scene, row, why, "escalated", row.severity)
        return
    to = dict.fromkeys([*told(scene.conn, incident_id), *audience(scene, row)])
    incidents.mark(scene.conn, incident_id, {"held_back": None, "notified_at": scene.now_ms})
    announce(scene.conn, incident_id, "escalated", to, delivery_key=row.severity)


def tell_ended(scene: Scene, ids: Iterable[str]) -> None:
    """Say that incidents have ended to all who know of their page, one message a page; silences do not matter."""
    pages: dict[str, list[Row[Any]]] = {}
    for row in rows_of(scene, ids):
        if row.held_back != FLAPPING:
            pages.setdefault(row.group_id or row.incident_id, []).append(row)
    for leader_id, rows in pages.items():
        left = _left(scene, leader_id)
        extra = {**listed(rows[1:]), **({"left": left} if left else {})}
        to = told(scene.conn, rows[0].incident_id)
        for row in rows:
            _announce_end(scene, row, [each for each in to if groups_itself(each)], {})
        _announce_end(scene, rows[0], [each for each in to if not groups_itself(each)], extra)


def _announce_end(scene: Scene, row: Row[Any], to: Sequence[Addressee], extra: Extra) -> None:
    key = f"reopened/{row.reopened}" if row.reopened else ""
    announce(scene.conn, row.incident_id, "resolved", to, delivery_key=key, extra=extra)


def _left(scene: Scene, leader_id: str) -> int:
    """How many incidents of a page still fire."""
    page = (incident.c.incident_id == leader_id) | (incident.c.group_id == leader_id)
    firing = select(func.count()).select_from(incident).where(page & (incident.c.state == "firing"))
    return int(scene.conn.execute(firing).scalar_one())
