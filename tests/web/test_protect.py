"""What stands before every page: token, limits, and clients that are slow on purpose."""

import socket
import time

import httpx
import pytest
from web_token import TOKEN

from monitor.web import impatient, protect
from monitor.web.protect import Limiter, Rate

FLAG = "/ofrep/v1/evaluate/flags/chat.enabled"


@pytest.mark.parametrize(
    "headers",
    [{"authorization": f"Bearer {TOKEN}"}, {"authorization": f"bearer {TOKEN}"}, {"x-api-key": TOKEN}],
)
def test_a_token_is_taken_as_bearer_or_api_key(serving, headers):
    with serving() as client:
        assert httpx.post(f"{client.base_url}{FLAG}", headers=headers).status_code == 200


@pytest.mark.parametrize("path", [FLAG, "/metrics", "/api/kill/chat/trip", "/nothing"])
@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"authorization": f"Basic {TOKEN}"}])
def test_without_it_every_page_is_401(serving, path, headers):
    with serving() as client:
        answer = httpx.post(f"{client.base_url}{path}", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert TOKEN not in answer.text


@pytest.mark.parametrize("path", ["/incidents/%00", "/review?stream=a%00b", "/incidents?rule=%00"])
def test_an_address_with_a_zero_byte_is_refused_before_postgres_does(serving, path):
    with serving() as client:
        answer = client.get(path)
    assert (answer.status_code, answer.json()["errorDetails"]) == (400, "no address has a byte of zero")


def test_too_many_requests_are_429_with_the_seconds_to_wait(serving):
    with serving(rate=Rate(per_s=0.5, burst=3)) as client:
        answers = [client.post(FLAG) for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert answers[-1].headers["retry-after"] == "2"
        assert client.get("/healthz").status_code == 200


def test_a_limit_is_of_one_client_and_passes():
    now = [0.0]
    limiter = Limiter(Rate(per_s=2, burst=2), lambda: now[0])
    assert [limiter.wait_s("a") for _ in range(3)] == [0, 0, 0.5]
    assert limiter.wait_s("b") == 0
    now[0] = 0.5
    assert limiter.wait_s("a") == 0


def test_the_limiter_forgets_who_was_quiet_longest(monkeypatch):
    monkeypatch.setattr(protect, "MOST_CLIENTS", 2)
    limiter = Limiter(Rate(per_s=1, burst=1), lambda: 0.0)
    for client in ("a", "b", "c"):
        limiter.wait_s(client)
    assert [limiter.wait_s("c"), limiter.wait_s("a")] == [1, 0]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_too_large_is_413(serving, chunked):
    body = b"x" * (protect.MOST_BYTES + 1)
    with serving() as client:
        answer = client.post(FLAG, content=iter([body[:100], body[100:]]) if chunked else body)
    assert answer.status_code == 413


def test_a_body_that_never_ends_is_408(serving, monkeypatch):
    monkeypatch.setattr(protect, "BODY_S", 0.3)
    with serving() as client, socket.create_connection(("127.0.0.1", client.base_url.port)) as slow:
        head = f"POST {FLAG} HTTP/1.1\r\nHost: x\r\nX-API-Key: {TOKEN}\r\nContent-Length: 10\r\n\r\nab"
        slow.sendall(head.encode())
        slow.settimeout(5)
        assert b" 408 " in slow.recv(200)


def test_headers_that_never_end_are_cut_off(serving, monkeypatch):
    monkeypatch.setattr(impatient, "HEADERS_S", 0.5)
    with serving() as client, socket.create_connection(("127.0.0.1", client.base_url.port)) as slow:
        slow.settimeout(5)
        began = time.monotonic()
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ")
        assert slow.recv(10) == b""
        assert 0.3 < time.monotonic() - began < 3


def test_a_connection_that_is_used_again_is_not_cut_off(serving, monkeypatch):
    monkeypatch.setattr(impatient, "HEADERS_S", 0.5)
    with serving() as client:
        for _ in range(4):
            assert client.get("/healthz").status_code == 200
            time.sleep(0.2)
