"""The two services of docs/how-to/kill-switch-service.md obey real trips, and nobody else."""

import os
import shutil
import socket
import subprocess
import sys
import time

import httpx
import pytest
from doc_pages import ROOT, blocks
from sqlalchemy import select

from monitor import config
from monitor.killswitch import switches
from monitor.ledger.decided import kill_switch
from monitor.ledger.engine import connect
from monitor.notify.worker import Notifier

PAGE = ROOT / "docs" / "how-to" / "kill-switch-service.md"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WITHIN_S = 30.0


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def until(true):
    end = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def answers(url):
    try:
        return httpx.get(f"{url}/answer", timeout=5).text
    except httpx.TransportError:
        return None


@pytest.fixture(params=["python", "js"])
def service(request, tmp_path):
    """The address of the service as the page has it, running."""
    (code,) = blocks(PAGE, request.param)
    file = tmp_path / {"python": "service.py", "js": "service.mjs"}[request.param]
    file.write_text(code)
    program = {"python": sys.executable, "js": shutil.which("node")}[request.param]
    if program is None:
        pytest.skip("Node is not installed")
    port = free_port()
    running = subprocess.Popen([program, file], env={**os.environ, "KILL_SECRET": SECRET, "PORT": str(port)})
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(url) == "the model")
        yield url
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture
def ledger(ledger_url):
    engine = connect(ledger_url)
    yield engine
    engine.dispose()


def test_it_serves_what_a_trip_and_a_release_say_and_confirms_them(service, ledger, tmp_path):
    (settings,) = blocks(PAGE, "yaml")
    path = tmp_path / "alerts.yaml"
    path.write_text(settings)
    environ = {"KILL_URL": f"{service}/kill", "KILL_SECRET": SECRET, "SLACK_URL": f"{service}/slack"}
    loaded = config.load(path, environ={**environ, "DATABASE_URL": "postgresql://u:p@h/d"})
    switch = loaded.kill_switches["chat"]
    notifier = Notifier(ledger, loaded)
    notifier.start()
    try:
        with ledger.begin() as conn:
            switches.trip(conn, switch, stream="", reason="it fails", actor="ann")
        notifier.wake()
        until(lambda: answers(service) == "rules-v3")
        until(lambda: confirmed(ledger))
        with ledger.begin() as conn:
            switches.release(conn, switch, stream=None, reason="it works", actor="ann")
        notifier.wake()
        until(lambda: answers(service) == "the model")
    finally:
        notifier.stop()


def confirmed(engine):
    with engine.connect() as conn:
        return conn.execute(select(kill_switch.c.confirmed_at)).scalar_one() is not None


def test_it_does_not_obey_what_is_not_signed(service):
    body = '{"data": {"state": "tripped", "sequence": 9, "target": "rules-v3", "not_after": null}}'
    now = str(int(time.time()))
    headers = {"webhook-id": "m1", "webhook-timestamp": now, "webhook-signature": "v1,bm90IHNpZ25lZA=="}
    assert httpx.post(f"{service}/kill", content=body, headers=headers).status_code == 401
    assert httpx.post(f"{service}/kill", content=body).status_code == 401
    assert answers(service) == "the model"
