"""A small real HTTP server that stands in for Slack, PagerDuty and the service behind a kill switch."""

import base64
import binascii
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

SLACK: Final = "/slack"
PAGERDUTY: Final = "/v2/enqueue"
CHANGES: Final = "/v2/change/enqueue"
KILL: Final = "/kill"
TOLERANCE_S: Final = 300
MAX_BODY_BYTES: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in. `at_ms` is this machine's clock, header names are in lower case.

    `signed` says whether its Standard-Webhooks signature holds; None where no secret is known.
    """

    at_ms: int
    path: str
    headers: Mapping[str, str]
    body: bytes
    signed: bool | None

    def json(self) -> Any:
        """The body parsed; not JSON: ValueError."""
        return json.loads(self.body)


class Receiver:
    """What a running receiver has received; safe to use from any thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._received: list[Received] = []
        self._news = threading.Condition()

    @property
    def received(self) -> tuple[Received, ...]:
        """All requests so far, in the order they came."""
        with self._news:
            return tuple(self._received)

    def url(self, path: str) -> str:
        return self._url + path

    def add(self, request: Received) -> None:
        with self._news:
            self._received.append(request)
            self._news.notify_all()

    def wait_for(self, wanted: Callable[[Received], bool], timeout_s: float) -> Received | None:
        """The first request that is `wanted`, past ones included; None when `timeout_s` is over."""

        def first() -> Received | None:
            return next((r for r in self._received if wanted(r)), None)

        with self._news:
            return self._news.wait_for(first, timeout_s)


@contextmanager
def local_receiver(secret: str | None = None, port: int = 0) -> Iterator[Receiver]:
    """Serve on loopback for the length of a `with` block, on a free port unless `port` is given.

    `/slack` answers as an incoming webhook, `/v2/enqueue` and `/v2/change/enqueue` as PagerDuty's Events API, every
    other path with 200, or with 401 where `secret` is given and the request is not signed with it.
    """
    server = _Server(("127.0.0.1", port), secret)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def signature_holds(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Whether a request is signed as Standard Webhooks 1.0.0 asks, within five minutes of `now_s`.

    `headers` by lower-case names; `secret` is `whsec_` and base64.
    """
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(int(stamp) - now_s) > TOLERANCE_S:
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("the webhook secret is not base64 behind `whsec_`") from error
    digest = hmac.new(key, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(expected, signature) for signature in given)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], secret: str | None) -> None:
        super().__init__(address, _Handler)
        self.secret = secret
        self.receiver = Receiver(f"http://127.0.0.1:{self.server_port}")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True
            self._answer(413, "text/plain", b"too long")
            return
        body = self.rfile.read(length)
        if len(body) < length:
            # Whoever sent it was gone before its end: nothing was received.
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(round(time.time() * 1000), self.path, headers, body, self._signed(headers, body))
        self.server.receiver.add(request)
        self._answer(*_reply(request))

    def _signed(self, headers: Mapping[str, str], body: bytes) -> bool | None:
        if self.server.secret is None:
            return None
        return signature_holds(self.server.secret, headers, body, time.time())

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: who asks reads `received`."""


def _reply(request: Received) -> tuple[int, str, bytes]:
    if request.path == SLACK:
        return 200, "text/html", b"ok"
    if request.path == PAGERDUTY:
        return _enqueued(request)
    if request.path == CHANGES:
        return 202, "application/json", b'{"status": "success", "message": "Change event processed"}'
    if request.signed is False:
        return 401, "text/plain", b"signature does not hold"
    return 200, "text/plain", b"ok"


def _enqueued(request: Received) -> tuple[int, str, bytes]:
    try:
        event = request.json()
        answer = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
    except (ValueError, KeyError, TypeError):
        answer = {"status": "invalid event", "message": "Event object is invalid", "errors": ["no dedup_key"]}
        return 400, "application/json", json.dumps(answer).encode()
    return 202, "application/json", json.dumps(answer).encode()
