"""A decision that is missing, doubled or told otherwise than it was made does not stay unseen."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from fault_decisions import HOOK_PATH, Ledger, lost_decisions
from fault_story import KILL_PATH, Outage

from monitor.local.receiver import Received

T0 = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
T0_MS = round(T0.timestamp() * 1000)
OUTAGE = Outage("m-1", T0_MS, T0_MS + 15_000, 500)
FAILED = Outage("m-0", T0_MS, T0_MS + 20_000, 500)


def incident(**fields: Any) -> Any:
    row = {"incident_id": "i1", "rule": "outage", "stream": "m-1", "state": "resolved", "onset_at": T0}
    return SimpleNamespace(**{"held_back": None} | row | fields)


def delivery(
    identity: str, event: str, state: str = "delivered", incident_id: str | None = "i1", also: Any = None
) -> Any:
    return SimpleNamespace(delivery_id=identity, event=event, state=state, incident_id=incident_id, also=also)


def trip(action: str, sequence: int, at: datetime = T0) -> Any:
    return SimpleNamespace(action=action, sequence=sequence, at=at, reason="errors")


def came(identity: str, path: str, body: dict[str, Any]) -> Received:
    return Received(T0_MS, path, {"webhook-id": identity}, json.dumps(body).encode(), signed=True)


def told(identity: str, event: str, *also: str) -> Received:
    data = {"incident_id": "i1", "also": [{"incident_id": each} for each in also]}
    return came(identity, HOOK_PATH, {"type": f"incident.{event}", "data": data})


def pulled(identity: str, state: str, sequence: int) -> Received:
    return came(identity, KILL_PATH, {"data": {"state": state, "sequence": sequence}})


def ledger(**parts: Any) -> Ledger:
    whole = {"incidents": [incident()], "opened": {"i1": 1}, "events": [], "switches": []}
    whole["deliveries"] = [delivery("d1", "opened"), delivery("d2", "resolved")]
    return Ledger(**whole | parts)


TOLD = [told("d1", "opened"), told("d2", "resolved")]


def switched(state: str, sequence: int, *events: Any) -> Ledger:
    now = SimpleNamespace(state=state, sequence=sequence, confirmed_at=T0)
    sent = [delivery(f"k{e.sequence}", e.action, incident_id=None) for e in events]
    return ledger(incidents=[], opened={}, deliveries=sent, events=events, switches=[now])


def test_what_was_found_told_and_kept_is_no_loss() -> None:
    assert lost_decisions(ledger(), TOLD, [OUTAGE], []) == []


def test_a_message_that_comes_twice_is_no_loss_for_who_drops_known_ids() -> None:
    assert lost_decisions(ledger(), [*TOLD, told("d1", "opened")], [OUTAGE], []) == []


def test_incidents_that_began_together_are_told_in_one_message() -> None:
    rows = [incident(), incident(incident_id="i2", stream="m-2")]
    also = [{"incident_id": "i2"}]
    sent = [delivery("d1", "opened", also=also), delivery("d2", "resolved", also=also)]
    found = ledger(incidents=rows, opened={"i1": 1, "i2": 1}, deliveries=sent)
    assert lost_decisions(found, [told("d1", "opened", "i2"), told("d2", "resolved", "i2")], [], []) == []
    assert lost_decisions(found, [told("d1", "opened", "i2"), told("d2", "resolved")], [], []) == [
        "incident i2 is resolved, its receiver heard opened last"
    ]


def test_an_outage_without_its_incident_is_lost() -> None:
    (lost,) = lost_decisions(ledger(incidents=[], opened={}, deliveries=[]), [], [OUTAGE], [])
    assert lost.startswith("no incident about")


def test_an_incident_opened_twice_is_told() -> None:
    (lost,) = lost_decisions(ledger(opened={"i1": 2}), TOLD, [], [])
    assert lost == "incident i1 opened 2 times"


def test_a_delivery_recorded_but_never_received_is_lost() -> None:
    lost = lost_decisions(ledger(), TOLD[:1], [], [])
    assert "delivery d2 (resolved) is recorded, but never came" in lost
    assert "incident i1 is resolved, its receiver heard opened last" in lost


def test_a_delivery_that_waits_for_ever_or_was_given_up_is_lost() -> None:
    deliveries = [delivery("d1", "opened", "pending"), delivery("d2", "resolved", "failed")]
    lost = lost_decisions(ledger(deliveries=deliveries), TOLD, [], [])
    assert lost == ["delivery d1 (opened) is pending", "delivery d2 (resolved) is failed"]


def test_a_message_the_ledger_does_not_know_is_told() -> None:
    lost = lost_decisions(ledger(), [*TOLD, told("d3", "resolved")], [], [])
    assert lost == ["message d3 came, but the ledger does not know it"]


def test_a_switch_whose_service_believes_the_older_state_is_told() -> None:
    events = [trip("tripped", 1), trip("released", 2)]
    received = [pulled("k2", "released", 2), pulled("k1", "tripped", 1)]
    (lost,) = lost_decisions(switched("released", 2, *events), received, [], [FAILED])
    assert lost.startswith("switch chat is released (2), its service has by arrival")


def test_a_switch_that_trips_while_its_model_is_well_is_told() -> None:
    late = trip("tripped", 1, T0 + timedelta(minutes=5))
    (lost,) = lost_decisions(switched("tripped", 1, late), [pulled("k1", "tripped", 1)], [], [FAILED])
    assert "while m-0 was well" in lost


def test_a_switch_that_trips_twice_without_a_release_is_told() -> None:
    events = [trip("tripped", 1), trip("tripped", 2)]
    received = [pulled("k1", "tripped", 1), pulled("k2", "tripped", 2)]
    (lost,) = lost_decisions(switched("tripped", 2, *events), received, [], [FAILED])
    assert lost.startswith("switch chat changed twice to the same state")
