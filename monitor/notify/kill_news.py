"""Telling people what became of a kill switch's change: killed, not confirmed, given up, released."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from monitor.config.model import Config
from monitor.config.receiver_kinds import KINDS
from monitor.ledger.announcements import announce
from monitor.ledger.facts import KillFacts, KillState, stored_facts
from monitor.ledger.incidents import fires, note
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
    now_ms = millis(conn.execute(select(func.clock_timestamp())).scalar_one())
    kill = kill_facts(sent.payload, value, state, response, now_ms)
    kill = replace(kill, attempts=sent.attempts, by_topic=sent.kind in OF_TOPIC)
    extra = {"kill": stored_facts(kill), "switch": dict(sent.payload)}
    event, key = sent.event, f"{state}/{sent.kill_id}"
    to = _audience(conn, config, sent)
    if sent.incident_id is not None:
        note(conn, sent.incident_id, f"kill_{state}", response)
    if fires(conn, sent.incident_id) and event == "tripped":
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
    return audience(config, str(sent.payload["switch"]), known)


def audience(config: Config, switch: str, known: Sequence[Addressee]) -> list[Addressee]:
    """Those who know of the incident, and whom the switch names; if that is nobody, `defaults.notify`."""
    now = config.kill_switches.get(switch)
    named = addressees(config, now.notify) if now is not None else []
    return list(dict.fromkeys([*known, *named])) or addressees(config, config.default_notify)


def kill_facts(
    body: Mapping[str, Any], value: str, state: KillState, response: str, now_ms: int
) -> KillFacts:
    """What is told of a change of which a webhook gets `body`, when that has come to `state`."""
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
        reason=body["reason"],
        share=body.get("share"),
        value=value,
    )
