"""Telling people what became of a kill switch's change: killed, not confirmed, given up, released."""

from typing import Any

from sqlalchemy import Connection, func, select

from monitor.config.model import Config
from monitor.config.receiver_kinds import KINDS
from monitor.ledger.announcements import announce
from monitor.ledger.decided import incident
from monitor.ledger.facts import KillFacts, KillState, stored_facts
from monitor.ledger.incidents import note
from monitor.ledger.moments import instant_ms, millis
from monitor.ledger.outbox import OF_TOPIC, Addressee, addressees, enqueue, told
from monitor.notify.delivery import Delivery


def tell(conn: Connection, config: Config, sent: Delivery, state: KillState, response: str) -> None:
    """Tell whoever was told of the incident, and whom the switch names, once for each state of the kill.

    While the incident fires it is news of the incident, in its lane. Without one, or after its end, it stands
    for itself, and receivers that would open something that nothing resolves are left out.
    """
    switch = config.kill_switches.get(str(sent.payload["switch"]))
    value = str(sent.payload["stream"]) if switch is not None and switch.per else ""
    kill = _facts(
        sent, value, state, response, millis(conn.execute(select(func.clock_timestamp())).scalar_one())
    )
    extra = {"kill": stored_facts(kill), "switch": dict(sent.payload)}
    event, key = sent.event, f"{state}/{sent.kill_id}"
    to = _audience(conn, config, sent)
    if sent.incident_id is not None:
        note(conn, sent.incident_id, f"kill_{state}", response)
    if _fires(conn, sent.incident_id) and event == "tripped":
        announce(conn, str(sent.incident_id), event, to, delivery_key=key, extra=extra)
        return
    for receiver in (each for each in to if not KINDS[each.kind].until_resolved):
        enqueue(
            conn,
            incident_id=None,
            kill_id=sent.kill_id,
            receiver=receiver.name,
            kind=receiver.kind,
            event=event,
            payload=extra,
            delivery_key=key,
        )


def _audience(conn: Connection, config: Config, sent: Delivery) -> list[Addressee]:
    known = told(conn, sent.incident_id) if sent.incident_id is not None else []
    switch = config.kill_switches.get(str(sent.payload["switch"]))
    named = addressees(config, switch.notify) if switch is not None else []
    return list(dict.fromkeys([*known, *named])) or addressees(config, config.default_notify)


def _fires(conn: Connection, incident_id: str | None) -> bool:
    firing = (incident.c.incident_id == incident_id) & (incident.c.state == "firing")
    return (
        incident_id is not None
        and conn.execute(select(incident.c.incident_id).where(firing)).first() is not None
    )


def _facts(sent: Delivery, value: str, state: KillState, response: str, now_ms: int) -> KillFacts:
    body: dict[str, Any] = dict(sent.payload)
    return KillFacts(
        switch=body["switch"],
        state=state,
        mode=body["mode"],
        sequence=body["sequence"],
        actor=body["actor"],
        at_ms=instant_ms(body["at"]),
        target=body["target"],
        confirmed_ms=now_ms if state in ("confirmed", "published", "released", "probing") else None,
        response=response,
        attempts=sent.attempts,
        reason=body["reason"],
        share=body.get("share"),
        value=value,
        by_topic=sent.kind in OF_TOPIC,
    )
