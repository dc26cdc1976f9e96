"""Debian's Alertmanager takes what is sent, routes it, and resolves it."""

import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from incident_facts import FAILING, payload_of
from notify_parties import Answer, running_party
from test_formats import LONG, delivery_of

from monitor.errors import DeliveryError
from monitor.ledger.facts import Facts
from monitor.ledger.moments import moment, rfc3339
from monitor.local.ports import free_ports
from monitor.notify.alertmanager import Alertmanager

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="there is no Alertmanager on this machine: `make test-parties` installs Debian's"
)
CONFIG = """
route: {{receiver: here, group_by: [alertname], group_wait: 100ms, group_interval: 1s}}
receivers: [{{name: here, webhook_configs: [{{url: "{url}/webhook", send_resolved: true}}]}}]
"""


@contextmanager
def running_alertmanager(folder, url):
    (folder / "am.yml").write_text(CONFIG.format(url=url))
    (port,) = free_ports(1)
    options = {
        "config.file": folder / "am.yml",
        "storage.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "cluster.listen-address": "",
    }
    command = [PROGRAM, *(f"--{name}={value}" for name, value in options.items())]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_until_ready(url):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if httpx.get(f"{url}/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("Alertmanager did not come up")


@pytest.fixture(scope="module")
def routed():
    with running_party() as party:
        party.answer = lambda request: Answer(200)
        yield party


@pytest.fixture(scope="module")
def address(routed, tmp_path_factory):
    with running_alertmanager(tmp_path_factory.mktemp("alertmanager"), routed.url) as url:
        yield url


def facts_of(stream, **changes):
    now_ms = round(time.time() * 1000)
    known = {field: getattr(FAILING, field) for field in FAILING.__struct_fields__}
    since = {"stream": stream, "onset_ms": now_ms - 60_000, "detected_ms": now_ms - 30_000}
    return Facts(**known | since | changes)


def send(address, event, facts, first=None, **more):
    sender = Alertmanager({"url": address}, "prod")
    try:
        return sender.send(
            replace(delivery_of(event, payload_of(facts, **more), "alertmanager"), first=first or {})
        )
    finally:
        sender.close()


def active(address, stream):
    found = httpx.get(f"{address}/api/v2/alerts", params={"filter": f'stream="{stream}"'}).json()
    return [alert["labels"]["severity"] for alert in found if alert["status"]["state"] == "active"]


def notified(party, stream):
    bodies = [request.json for request in party.to("/webhook")]
    return [a["status"] for body in bodies for a in body["alerts"] if a["labels"]["stream"] == stream]


def test_it_takes_an_incident_routes_it_and_resolves_it(address, routed):
    facts = facts_of("chat-eu")
    assert send(address, "opened", facts).response == "HTTP 200"
    assert active(address, "chat-eu") == ["critical"]
    routed.wait_for(1, "/webhook")
    ended = rfc3339(moment(round(time.time() * 1000)))
    send(address, "resolved", facts, state="resolved", resolved_at=ended)
    assert active(address, "chat-eu") == []
    end = time.monotonic() + 20
    while time.monotonic() < end and "resolved" not in notified(routed, "chat-eu"):
        time.sleep(0.1)
    assert notified(routed, "chat-eu") == ["firing", "resolved"]


def test_an_escalation_leaves_one_alert_at_the_higher_severity(address):
    first = send(address, "opened", facts_of("chat-us", severity="warning")).receipt
    send(address, "escalated", facts_of("chat-us", severity="critical"), first)
    assert active(address, "chat-us") == ["critical"]


def test_being_told_again_does_not_make_another(address):
    facts = facts_of("chat-uk")
    for _ in range(3):
        send(address, "opened", facts)
    assert active(address, "chat-uk") == ["critical"]


def test_it_takes_the_longest_incident(address):
    assert send(address, "opened", LONG).response == "HTTP 200"


def test_what_it_refuses_is_final_and_in_its_own_words(address):
    sender = Alertmanager({"url": f"{address}/nowhere"}, "prod")
    with pytest.raises(DeliveryError) as refused:
        sender.send(delivery_of("opened", payload_of(FAILING), "alertmanager"))
    sender.close()
    assert refused.value.permanent
    assert refused.value.response.startswith("HTTP 404")
