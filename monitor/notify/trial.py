"""A message that is marked as a test, as an incident would have made it."""

from typing import Final
from uuid import uuid4

from monitor.config.model import Receiver
from monitor.ledger.facts import Facts, KillFacts, Slice, storable, stored_facts
from monitor.ledger.incidents import incident_row
from monitor.ledger.moments import moment, rfc3339
from monitor.notify.delivery import Delivery

INCIDENT: Final = "sendtest22"
"""The same for every test, so that a resolve ends what a test before it opened."""
EVENTS: Final = {"opened": "opened", "resolved": "resolved", "killed": "tripped"}


def trial(env: str, receiver: Receiver, event: str, now_ms: int) -> Delivery:
    """The delivery of `opened`, `resolved` or `killed` to `receiver`, as if decided at `now_ms`."""
    facts = _facts(env, now_ms)
    row = incident_row(facts, incident_id=INCIDENT, config_hash="test")
    row |= {"state": "resolved", "resolved_at": now_ms} if event == "resolved" else {"resolved_at": None}
    payload = {
        **{key: rfc3339(moment(v)) if key.endswith("_at") and v is not None else v for key, v in row.items()},
        "test": True,
    }
    if event == "killed":
        payload |= _kill(now_ms)
    return Delivery(
        delivery_id=f"test{uuid4().hex[:16]}",
        lane=f"test/{receiver.name}",
        position=1,
        incident_id=INCIDENT,
        kill_id=None,
        receiver=receiver.name,
        kind=receiver.kind,
        event=EVENTS[event],
        attempts=1,
        created_ms=now_ms,
        claimed_ms=now_ms,
        not_after_ms=None,
        payload=storable(payload),
        claim=None,
    )


def _facts(env: str, now_ms: int) -> Facts:
    return Facts(
        env=env,
        rule="send-test",
        severity="info",
        stream="test-model",
        kind="category",
        onset_ms=now_ms - 120_000,
        detected_ms=now_ms,
        labels={"model": "test-model"},
        signal="output_language",
        quantity="share:de",
        observed=0.31,
        reference=0.02,
        at_least=0.26,
        affected=4_310,
        total=13_900,
        version="v42",
        version_seen_ms=now_ms - 160_000,
        slices=(
            Slice(field="version", value="v42", observed=0.58),
            Slice(field="version", value="v41", observed=0.02),
        ),
        traces=("4bf92f3577b34da6a3ce929d0e0e4736",),
    )


def _kill(now_ms: int) -> dict[str, object]:
    kill = KillFacts(
        switch="test-switch",
        state="confirmed",
        mode="degrade",
        sequence=now_ms,
        actor="send-test",
        at_ms=now_ms,
        target="rules",
        confirmed_ms=now_ms,
        response="HTTP 200",
        attempts=1,
        reason="this is a test",
    )
    switch = {
        "switch": kill.switch,
        "stream": "test-model",
        "state": "tripped",
        "mode": kill.mode,
        "target": kill.target,
        "sequence": kill.sequence,
        "reason": kill.reason,
        "incident_id": INCIDENT,
        "actor": kill.actor,
        "at": rfc3339(moment(now_ms)),
        "evidence_until": None,
        "not_after": None,
        "test": True,
    }
    return {"kill": stored_facts(kill), "switch": switch}
