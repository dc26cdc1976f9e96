"""Kill switches as OpenFeature flags: what OFREP 0.3.0 asks for, over a real connection and a real ledger."""

import time

import pytest
from sqlalchemy import update

from monitor.killswitch.deciding import State
from monitor.killswitch.switches import release, trip
from monitor.ledger.decided import kill_switch
from monitor.ledger.engine import connect

FLAGS = "/ofrep/v1/evaluate/flags"
STALE_S = 1.1


@pytest.fixture
def client(serving):
    with serving() as known:
        yield known


def evaluated(client, key, **context):
    answer = client.post(f"{FLAGS}/{key}", json={"context": context})
    return answer.status_code, answer.json()


def tripped(ledger, settings, switch="chat", stream=""):
    with ledger.begin() as conn:
        return trip(conn, settings.kill_switches[switch], stream=stream, reason="r", actor="ann")


def test_a_switch_that_was_never_tripped_serves(client):
    assert evaluated(client, "chat.enabled") == (
        200,
        {
            "key": "chat.enabled",
            "value": True,
            "reason": "STATIC",
            "variant": "on",
            "metadata": {
                "switch": "chat",
                "stream": "",
                "state": "released",
                "mode": "degrade",
                "sequence": 0,
            },
        },
    )
    assert evaluated(client, "chat.serve")[1]["value"] == "normal"


def test_a_tripped_switch_says_so_within_a_second_and_what_to_serve(client, ledger, settings):
    evaluated(client, "chat.enabled")
    sequence = tripped(ledger, settings).sequence
    time.sleep(STALE_S)
    found = evaluated(client, "chat.enabled")[1]
    assert (found["value"], found["variant"], found["metadata"]["state"]) == (False, "off", "tripped")
    assert found["metadata"]["sequence"] == sequence
    serve = evaluated(client, "chat.serve")[1]
    assert (serve["value"], serve["variant"]) == ("rules-v3", "rules-v3")
    with ledger.begin() as conn:
        release(conn, settings.kill_switches["chat"], reason="r", actor="ann")
    time.sleep(STALE_S)
    assert evaluated(client, "chat.enabled")[1]["value"] is True


def test_a_switch_with_per_is_asked_by_label_or_by_value(client, ledger, settings):
    tripped(ledger, settings, "all/models", "meta%2Fllama")
    by_label = evaluated(client, "all_models.enabled", model="meta/llama")
    assert (by_label[1]["value"], by_label[1]["reason"]) == (False, "TARGETING_MATCH")
    assert evaluated(client, "all_models.enabled", model="chat-eu")[1]["value"] is True
    assert evaluated(client, "all_models_meta_2Fllama.serve")[1]["value"] == "off"
    assert evaluated(client, "all_models_chat-eu.enabled")[1]["value"] is True


def test_without_its_label_a_switch_with_per_is_an_error_that_names_it(client):
    status, body = evaluated(client, "all_models.enabled")
    assert (status, body["errorCode"], body["key"]) == (400, "INVALID_CONTEXT", "all_models.enabled")
    assert body["errorDetails"] == "all/models has a state for each model: add it to the context"


@pytest.mark.parametrize("key", ["chat", "chta.enabled", "chat.enable", "all_models_unseen.enabled", "x"])
def test_a_flag_that_is_not_there_is_404(client, key):
    status, body = evaluated(client, key)
    assert (status, body["errorCode"], body["key"]) == (404, "FLAG_NOT_FOUND", key)
    assert body["errorDetails"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "PARSE_ERROR"),
        (b"\xff", "PARSE_ERROR"),
        (b"[]", "INVALID_CONTEXT"),
        (b'{"context": 3}', "INVALID_CONTEXT"),
    ],
)
def test_a_body_that_is_none_is_400_with_details(client, body, code):
    answer = client.post(f"{FLAGS}/chat.enabled", content=body)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, code)
    assert answer.json()["errorDetails"]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"context": null}', b'{"context": {}}'])
def test_clients_send_no_targeting_key(client, body):
    assert client.post(f"{FLAGS}/chat.enabled", content=body).status_code == 200


def probing(ledger, settings):
    tripped(ledger, settings)
    with ledger.begin() as conn:
        conn.execute(update(kill_switch).values(state=State.PROBING.value, share=0.25))


def test_a_probe_lets_its_share_of_targeting_keys_through_and_always_the_same(client, ledger, settings):
    probing(ledger, settings)
    found = {f"user-{i}": evaluated(client, "chat.enabled", targetingKey=f"user-{i}")[1] for i in range(200)}
    again = {key: evaluated(client, "chat.enabled", targetingKey=key)[1] for key in found}
    through = sum(body["value"] for body in found.values())
    assert found == again
    assert 25 <= through <= 75
    assert {body["reason"] for body in found.values()} == {"SPLIT"}
    assert {(b["metadata"]["state"], b["metadata"]["share"]) for b in found.values()} == {("probing", 0.25)}


def test_a_probe_lets_its_share_of_requests_without_a_key_through(client, ledger, settings):
    probing(ledger, settings)
    through = sum(evaluated(client, "chat.enabled")[1]["value"] for _ in range(200))
    assert 25 <= through <= 75


def test_all_flags_at_once_with_an_etag(client, ledger, settings):
    first = client.post(FLAGS, json={"context": {"model": "chat-eu"}})
    assert first.status_code == 200
    assert {f["key"]: f.get("value") for f in first.json()["flags"]} == {
        "chat.enabled": True,
        "chat.serve": "normal",
        "all_models.enabled": True,
        "all_models.serve": "normal",
        "all_models_chat-eu.enabled": True,
        "all_models_chat-eu.serve": "normal",
        "all_models_meta_2Fllama.enabled": True,
        "all_models_meta_2Fllama.serve": "normal",
    }
    known = {"if-none-match": first.headers["etag"]}
    same = client.post(FLAGS, json={"context": {"model": "chat-eu"}}, headers=known)
    assert (same.status_code, same.content) == (304, b"")
    tripped(ledger, settings)
    time.sleep(STALE_S)
    assert client.post(FLAGS, json={"context": {"model": "chat-eu"}}, headers=known).status_code == 200


def test_a_ledger_that_cannot_be_read_is_an_error_and_never_an_old_normal(serving):
    nowhere = connect("postgresql://nobody:hunter2@127.0.0.1:9/none")
    with serving(engine=nowhere) as client:
        status, body = evaluated(client, "chat.enabled")
        bulk = client.post(FLAGS, json={})
    assert status == bulk.status_code == 500
    assert "value" not in body
    assert "ledger cannot be read" in body["errorDetails"]
    assert "hunter2" not in body["errorDetails"] + bulk.text


def test_a_ledger_that_hangs_is_an_error_after_a_second(serving, ledger, settings):
    evaluations = []
    with serving() as client:
        evaluated(client, "chat.enabled")
        with ledger.begin() as conn:
            conn.exec_driver_sql("LOCK TABLE tocsin_ledger.kill_switch IN ACCESS EXCLUSIVE MODE")
            time.sleep(0.6)
            began = time.monotonic()
            evaluations.append(evaluated(client, "chat.enabled"))
            took = time.monotonic() - began
    assert evaluations[0][0] == 500
    assert took < 1.5
