"""A web server over a ledger of its own, with kill switches of one state and of one for each model."""

import json
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import delete, text
from web_token import TOKEN

from monitor.config.loading import load
from monitor.ledger.decided import delivery, kill_event, kill_switch
from monitor.ledger.engine import connect
from monitor.web.board import Switchboard
from monitor.web.server import WebServer
from monitor.web.status import Status

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
YAML = f"""
name: test
source: {{bootstrap_servers: "localhost:9092", topic: predictions}}
store: {{url: "postgresql://u@localhost/d"}}
rules: [{{name: errors, signal: error, above: 10%}}]
receivers: {{default: {{slack: {{url: "https://s.example"}}}}}}
kill_switches:
  chat: {{webhook: {{url: "https://k.example/kill", secret: {SECRET}}}, mode: degrade, to: rules-v3,
          release: auto after 10m, probe: 25%}}
  all/models: {{webhook: {{url: "https://k.example/kill", secret: {SECRET}}}, per: [model]}}
"""


@pytest.fixture(scope="module")
def ledger_of_the_module(ledger_url_of_the_module):
    engine = connect(ledger_url_of_the_module)
    with engine.begin() as conn:
        for model in ("chat-eu", "meta/llama"):
            row = {"key": model, "labels": json.dumps({"model": model})}
            conn.execute(text("INSERT INTO tocsin_ledger.stream (key, labels) VALUES (:key, :labels)"), row)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(ledger_of_the_module):
    yield ledger_of_the_module
    with ledger_of_the_module.begin() as conn:
        for table in (delivery, kill_event, kill_switch):
            conn.execute(delete(table))


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("web") / "alerts.yaml"
    path.write_text(YAML)
    return load(path, environ={})


@pytest.fixture
def serving(ledger, settings):
    """A server with a token, and a client that knows it; `engine` and `rate` may be others."""

    @contextmanager
    def serve(engine=ledger, token=TOKEN, **more):
        board = Switchboard(settings, engine)
        server = WebServer(Status, host="127.0.0.1", port=0, token=token, board=board, **more)
        server.start()
        known = {"authorization": f"Bearer {token}"} if token else {}
        try:
            with httpx.Client(base_url=server.url, headers=known, timeout=10) as client:
                yield client
        finally:
            assert server.stop(within_s=4)

    return serve
