"""Trip and release over HTTP: who may, what is audited, and what is refused in one sentence."""

import pytest
from sqlalchemy import select

from monitor.killswitch.states import state
from monitor.ledger.decided import kill_event


@pytest.fixture
def client(serving):
    with serving() as known:
        yield known


def test_a_trip_is_audited_with_who_asked_and_why(client, ledger):
    answer = client.post("/api/kill/chat/trip", json={"reason": "it lies", "by": "ann"})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["action"], body["changed"]) == ("tripped", True)
    with ledger.begin() as conn:
        event = conn.execute(select(kill_event)).one()
        assert state(conn)["chat", ""].tripped
    assert (event.actor, event.reason, event.kill_id) == ("http: ann", "it lies", body["kill_id"])
    again = client.post("/api/kill/chat/trip", json={"reason": "again"}).json()
    assert (again["changed"], again["sequence"]) == (False, body["sequence"])


def test_a_release_of_one_model(client, ledger):
    for action in ("trip", "release"):
        path = f"/api/kill/all%2Fmodels/{action}"
        assert client.post(path, json={"reason": "r", "stream": "chat-eu"}).json()["changed"] is True
    with ledger.begin() as conn:
        assert state(conn)["all/models", "chat-eu"].serves


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("chta/trip", b'{"reason": "r"}', 404, "no kill switch of that name"),
        ("chat/trip", b"", 400, "not as it must be"),
        ("chat/trip", b'{"reason": ""}', 400, "reason must be"),
        ("chat/trip", b'{"reason": "a\\u0000b"}', 400, "unprintable"),
        ("chat/trip", b'{"reason": "r", "by": "a\\nb"}', 400, "unprintable"),
        ("chat/trip", b'{"reason": "r", "resaon": "r"}', 400, "not as it must be"),
        ("chat/trip", b'{"reason": "r", "stream": "x"}', 400, "leave out stream"),
        ("all/models/release", b'{"reason": "r"}', 400, "a state for each model"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_happens(client, ledger, path, body, status, words):
    answer = client.post(f"/api/kill/{path}", content=body)
    assert answer.status_code == status
    assert words in answer.json()["errorDetails"]
    with ledger.begin() as conn:
        assert conn.execute(select(kill_event)).all() == []


def test_without_a_token_nobody_changes_a_switch(serving):
    with serving(token=None) as client:
        answer = client.post("/api/kill/chat/trip", json={"reason": "r"})
    assert answer.status_code == 403
    assert "http.token" in answer.json()["errorDetails"]
