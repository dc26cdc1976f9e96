"""Messages about incidents into the outbox, and the incidents that Tocsin opens about itself."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from monitor.config.model import Config
from monitor.config.receiver_kinds import KINDS, hears
from monitor.ledger import incidents
from monitor.ledger.decided import incident, kill_event, kill_switch
from monitor.ledger.facts import INTERNAL_STREAM, Facts
from monitor.ledger.moments import millis, rfc3339
from monitor.ledger.outbox import Addressee, addressees, enqueue, told


def payload(conn: Connection, incident_id: str) -> dict[str, Any] | None:
    """The incident's row as JSON values with its `facts` and its switch's state; None where it is unknown."""
    row = conn.execute(select(incident).where(incident.c.incident_id == incident_id)).first()
    if row is None:
        return None
    values = {name: rfc3339(v) if isinstance(v, datetime) else v for name, v in row._mapping.items()}
    if row.kill_switch is not None:
        values |= _switch_now(conn, incident_id, row.kill_switch)
    return values


def _switch_now(conn: Connection, incident_id: str, switch: str) -> dict[str, Any]:
    """The state of the incident's switch, and which of its states that is."""
    mine = (kill_event.c.incident_id == incident_id) & (kill_event.c.switch == switch)
    value = conn.execute(select(kill_event.c.value).where(mine).limit(1)).scalar() or ""
    now = (kill_switch.c.switch == switch) & (kill_switch.c.value == value)
    found = {"switch_state": conn.execute(select(kill_switch.c.state).where(now)).scalar()}
    return found | ({"switch_value": value} if value else {})


def announce(
    conn: Connection,
    incident_id: str,
    event: str,
    to: Iterable[Addressee] | None = None,
    *,
    delivery_key: str = "",
    extra: Mapping[str, Any] | None = None,
    suppressed: bool = False,
) -> int:
    """Enqueue `event` as the incident is now, to `to` or else to all who were told of it; returns how many.

    An event that can come twice in one incident needs a `delivery_key` of its own each time. `extra` joins
    the payload. What is `suppressed` is kept in the outbox and never sent.
    """
    values = payload(conn, incident_id)
    if values is None:
        return 0
    receivers = [each for each in (told(conn, incident_id) if to is None else to) if hears(each.kind, event)]
    for receiver in receivers:
        enqueue(
            conn,
            incident_id=incident_id,
            kill_id=None,
            receiver=receiver.name,
            kind=receiver.kind,
            event=event,
            payload={**values, **(extra or {})},
            delivery_key=f"{delivery_key}/suppressed" if suppressed else delivery_key,
            group_id=None if groups_itself(receiver) else values["group_id"],
            state="suppressed" if suppressed else "pending",
        )
    return len(receivers)


def acknowledge(
    conn: Connection, incident_id: str, by: str, outcome: str | None = None
) -> incidents.Acknowledgement:
    """Record who has taken the incident, and tell the others of it while it fires."""
    done = incidents.acknowledge(conn, incident_id, by, outcome)
    if done is incidents.Acknowledgement.DONE and incidents.fires(conn, incident_id):
        announce(conn, incident_id, "acknowledged")
    return done


def groups_itself(receiver: Addressee) -> bool:
    """Whether a receiver keeps every alert by itself, and puts together what belongs together: Alertmanager does."""
    return receiver.kind in KINDS and KINDS[receiver.kind].repeats


def open_internal(
    conn: Connection,
    config: Config,
    *,
    rule: str,
    key: str,
    summary: str,
    detail: str,
    at_ms: int,
    severity: str = "critical",
    receivers: tuple[str, ...] | None = None,
) -> str:
    """Open Tocsin's own incident `rule` about `key` and announce it, unless one is open; returns its id.

    `receivers` are names, else those of `defaults.notify`.
    """
    _one_at_a_time(conn, rule, key)
    found = _open_about(conn, rule, key)
    if found is not None:
        return found
    onset_ms = _onset_ms(conn, rule, key, at_ms)
    facts = Facts(
        env=config.name,
        rule=rule,
        severity=severity,
        stream=INTERNAL_STREAM,
        kind="internal",
        onset_ms=onset_ms,
        detected_ms=max(at_ms, onset_ms),
        labels={"key": key},
        guaranteed=False,
        title=summary,
        detail=detail,
    )
    pane_ms = onset_ms // incidents.PANE_MS * incidents.PANE_MS
    opened = incidents.incident_id(config.name, rule, INTERNAL_STREAM, key, pane_ms)
    row = incidents.incident_row(facts, incident_id=opened, config_hash=config.config_hash)
    incidents.open_incident(conn, row)
    names = config.default_notify if receivers is None else receivers
    announce(conn, opened, "opened", addressees(config, names))
    return opened


def resolve_internal(conn: Connection, *, rule: str, key: str, detail: str) -> str | None:
    """End Tocsin's own incident about `key` and say so to whom it was announced; None where none is open."""
    found = _open_about(conn, rule, key)
    if found is None or not incidents.resolve(conn, found, detail):
        return None
    announce(conn, found, "resolved")
    return found


def end_events(conn: Connection, rules: Iterable[str], after: timedelta) -> list[str]:
    """End Tocsin's own incidents of `rules` that tell what happened once, when nothing was added for `after`."""
    about = (
        incident.c.rule.in_(rules) & (incident.c.stream == INTERNAL_STREAM) & (incident.c.state == "firing")
    )
    over = select(incident.c.incident_id).where(about & (incident.c.opened_at < func.now() - after))
    ended = [i for i in conn.execute(over).scalars() if incidents.resolve(conn, i, "it happened once")]
    for incident_id in ended:
        announce(conn, incident_id, "resolved")
    return ended


def _one_at_a_time(conn: Connection, rule: str, key: str) -> None:
    """Until the transaction ends, nobody else opens an incident of `rule` about `key`."""
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"tocsin:{rule}:{key}", 0))))


def _open_about(conn: Connection, rule: str, key: str) -> str | None:
    about = (incident.c.rule == rule) & (incident.c.stream == INTERNAL_STREAM)
    about &= (incident.c.state == "firing") & (incident.c.labels["key"].astext == key)
    found: str | None = conn.execute(select(incident.c.incident_id).where(about)).scalar()
    return found


def _onset_ms(conn: Connection, rule: str, key: str, at_ms: int) -> int:
    """`at_ms`, but in a later pane than earlier incidents about the same, whose id it would get otherwise."""
    about = (incident.c.rule == rule) & (incident.c.stream == INTERNAL_STREAM)
    about &= incident.c.labels["key"].astext == key
    latest = conn.execute(select(func.max(incident.c.onset_at)).where(about)).scalar()
    if latest is None:
        return at_ms
    return max(at_ms, (millis(latest) // incidents.PANE_MS + 1) * incidents.PANE_MS)
