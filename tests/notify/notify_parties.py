"""The parties of a delivery: receivers that misbehave on demand, and a configuration that names them."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from monitor.config.loading import load
from monitor.notify.backoff import Backoff

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
OK = {
    "slack": (200, b"ok"),
    "webhook": (204, b""),
    "kill": (200, b""),
    "pagerduty": (202, b'{"status":"success"}'),
    "slackapi": (200, b'{"ok":true,"channel":"C024BE91L","ts":"1763780000.000100"}'),
    "alertmanager": (200, b""),
}
TOKEN = "xoxb-0123456789-abcdefghijklmnop"
AM_TOKEN = "am-token-0123456789"

QUICK = Backoff(first_s=0.05, most_s=0.2, longest_wish_s=5, give_up_s=86_400, warn_after=3, warn_after_s=60)


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def id(self):
        return self.headers["webhook-id"]


@dataclass
class Answer:
    """What to answer: `hold` is waited for before it, `cut` closes the connection without a word."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    cut: bool = False


def fine(request: Request) -> Answer:
    return Answer(*OK[request.path.split("/")[1]])


class Party:
    """A running HTTP receiver; `answer` decides what each request gets."""

    def __init__(self):
        self.answer: Callable[[Request], Answer] = fine
        self.requests: list[Request] = []
        self.news = threading.Condition()
        self.url = ""

    def first(self, *answers: Answer) -> None:
        """Give these answers in turn, then be fine."""
        left = list(answers)
        lock = threading.Lock()

        def answer(request: Request) -> Answer:
            with lock:
                return left.pop(0) if left else fine(request)

        self.answer = answer

    def to(self, path: str) -> list[Request]:
        with self.news:
            return [request for request in self.requests if request.path == path]

    def wait_for(self, count: int, path: str | None = None, within_s: float = 20) -> list[Request]:
        """The requests (to `path`), once there are `count`; fails where there are not in time."""

        def here():
            return [r for r in self.requests if path in (None, r.path)]

        with self.news:
            assert self.news.wait_for(lambda: len(here()) >= count, within_s), [r.body for r in here()]
            return here()


@contextmanager
def running_party(tls=None):
    party = Party()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            request = Request(
                self.path, {k.lower(): v for k, v in self.headers.items()}, body, time.monotonic()
            )
            answer = party.answer(request)
            with party.news:
                party.requests.append(request)
                party.news.notify_all()
            if answer.hold is not None:
                answer.hold.wait(60)
            if answer.cut:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in {"content-length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda request, address: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    party.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield party
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def alerts_yaml(url: str, *, receivers: str = "", notify: str = "[slack]", guard: str = "") -> str:
    return f"""
name: prod-eu
source: {{bootstrap_servers: "localhost:9092", topic: predictions}}
store: {{url: "postgresql://u@localhost/d"}}
defaults: {{notify: {notify}}}
rules:
  - name: errors
    signal: error
    match: {{model: chat-eu}}
    above: {{critical: 10%}}
    kill: chat
    notify: [slack, hook, pager]
receivers:
  slack: {{slack: {{url: "{url}/slack"}}}}
  hook: {{webhook: {{url: "{url}/webhook", secret: "{SECRET}"}}}}
  pager: {{pagerduty: {{routing_key: "{ROUTING_KEY}", url: "{url}/pagerduty"}}}}
  bot: {{slack: {{token: "{TOKEN}", channel: C024BE91L, api_url: "{url}/slackapi"}}}}
  am: {{alertmanager: {{url: "{url}/alertmanager", token: "{AM_TOKEN}", resend: 1s}}}}
{receivers}
kill_switches:
  chat: {{webhook: {{url: "{url}/kill", secret: "{SECRET}"}}, mode: degrade, to: rules-v3{guard}}}
  other: {{webhook: {{url: "{url}/kill/other", secret: "{SECRET}"}}{guard}}}
"""


def config_for(folder, url, **changes):
    path = folder / "alerts.yaml"
    path.write_text(alerts_yaml(url, **changes))
    return load(path, environ={})
