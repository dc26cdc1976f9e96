"""The demo's receiver answers as the real services do and knows a signed request from any other."""

import datetime
import socket
import time

import httpx
import pytest
from standardwebhooks import Webhook

from monitor.local.receiver import CHANGES, KILL, PAGERDUTY, SLACK, Receiver, local_receiver, signature_holds

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver():
    with local_receiver(SECRET) as running:
        yield running


def signed(body: str, at_s: int | None = None) -> dict[str, str]:
    stamp = at_s or int(time.time())
    signature = Webhook(SECRET).sign("msg_1", _moment(stamp), body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(stamp), "webhook-signature": signature}


def _moment(stamp: int):
    return datetime.datetime.fromtimestamp(stamp, datetime.UTC)


def test_it_answers_as_slack_does(receiver: Receiver):
    answer = httpx.post(receiver.url(SLACK), json={"text": "hello"})
    assert (answer.status_code, answer.text) == (200, "ok")


def test_it_answers_as_pagerduty_does(receiver: Receiver):
    answer = httpx.post(receiver.url(PAGERDUTY), json={"dedup_key": "k", "event_action": "trigger"})
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "k"}


def test_an_event_without_a_dedup_key_is_refused_as_pagerduty_does(receiver: Receiver):
    assert httpx.post(receiver.url(PAGERDUTY), content=b"[]").status_code == 400


def test_a_change_event_is_taken_without_a_signature_as_pagerduty_does(receiver: Receiver):
    assert httpx.post(receiver.url(CHANGES), content=b"{}").status_code == 202


def test_a_signed_kill_is_taken_and_recorded_as_it_came(receiver: Receiver):
    body = '{"type":"kill_switch.tripped"}'
    before = time.time() * 1000
    answer = httpx.post(receiver.url(KILL), content=body, headers=signed(body))
    (request,) = receiver.received
    assert answer.status_code == 200
    assert (request.path, request.signed, request.json()) == (KILL, True, {"type": "kill_switch.tripped"})
    assert before - 1 <= request.at_ms <= time.time() * 1000 + 1


@pytest.mark.parametrize("spoil", ["body", "signature", "old", "missing"])
def test_a_kill_whose_signature_does_not_hold_is_refused_and_recorded(receiver: Receiver, spoil: str):
    body = '{"a":1}'
    headers = signed(body, int(time.time()) - 301 if spoil == "old" else None)
    if spoil == "signature":
        headers["webhook-signature"] = headers["webhook-signature"][:-4] + "AAA="
    if spoil == "missing":
        headers = {}
    answer = httpx.post(receiver.url(KILL), content='{"a":2}' if spoil == "body" else body, headers=headers)
    assert answer.status_code == 401
    assert [request.signed for request in receiver.received] == [False]


def test_the_vector_of_the_standard_holds_and_survives_a_second_signature():
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert signature_holds(SECRET, headers, b'{"test": 2432232314}', now_s=1614265331)


def test_waiting_finds_what_has_already_come_and_gives_up_in_time(receiver: Receiver):
    httpx.post(receiver.url("/one"), content=b"1")
    found = receiver.wait_for(lambda request: request.path == "/one", timeout_s=0)
    assert found is not None
    assert found.body == b"1"
    assert receiver.wait_for(lambda request: request.path == "/two", timeout_s=0.05) is None


def test_a_request_whose_sender_dies_before_its_end_was_never_received(receiver: Receiver):
    with socket.create_connection(
        (httpx.URL(receiver.url("/")).host, httpx.URL(receiver.url("/")).port)
    ) as cut:
        cut.sendall(b"POST /kill HTTP/1.1\r\nhost: x\r\nwebhook-id: m1\r\ncontent-length: 9\r\n\r\n{")
        cut.shutdown(socket.SHUT_WR)
        assert cut.recv(100) == b""
    httpx.post(receiver.url(SLACK), json={})
    assert [request.path for request in receiver.received][-1:] == [SLACK]
    assert "m1" not in [request.headers.get("webhook-id") for request in receiver.received]


def test_nothing_listens_once_the_block_has_ended():
    with local_receiver() as running:
        url = running.url("/slack")
    with pytest.raises(httpx.ConnectError):
        httpx.post(url, content=b"")
