"""A real `tocsin run` with every kind of secret, whose receivers repeat what they got: none is said anywhere."""

import subprocess
import sys

import httpx
from notify_flow import rows, until
from notify_parties import Answer
from sqlalchemy import text

from monitor.config.loading import load
from monitor.killswitch.switches import trip
from monitor.ledger.announcements import open_internal
from monitor.ledger.engine import connect
from monitor.local.ports import free_ports

SECRETS = {
    "slack_path": "T0/B0/slackhunter2slackhunter2",
    "slack_token": "xoxb-slack-hunter2",
    "routing_key": "5ec2e7" + "0123456789" * 2 + "abcdef",
    "signing": "whsec_" + "SGVsbG8gdGhlcmUgaHVudGVyMiBodW50ZXIy",
    "signing_previous": "whsec_" + "b2xkIGh1bnRlcjIgb2xkIGh1bnRlcjIgb2xk",
    "am_token": "am-hunter2-0123456789",
    "smtp_password": "smtp-hunter2",
    "kafka_password": "kafka-hunter2",
    "switch_password": "switch-hunter2",
    "kill_path": "killhunter2killhunter2",
    "kill_signing": "whsec_" + "a2lsbCBodW50ZXIyIGtpbGwgaHVudGVyMiBr",
    "beat_path": "beathunter2beathunter2",
    "http_token": "http-hunter2-0123456789abcdef",
}
SASL = "security_protocol: SASL_PLAINTEXT, sasl_mechanism: PLAIN, sasl_plain_username: tocsin"
RECEIVERS = ("hook", "bot", "room", "pager", "am", "mail", "events")
ALERTS = """
name: prod
source: {{bootstrap_servers: "{kafka}", topic: {topic}, start: earliest}}
store: {{url: "{store}"}}
http: {{port: {port}, token: {http_token}}}
heartbeat: {{url: "{party}/beat/{beat_path}", every: 10s}}
defaults: {{notify: [room]}}
rules: [{{name: errors, signal: error, above: 10%}}]
receivers:
  room: {{slack: {{url: "{party}/services/{slack_path}"}}}}
  bot: {{slack: {{token: {slack_token}, channel: C024BE91L, api_url: "{party}/api"}}}}
  pager: {{pagerduty: {{routing_key: "{routing_key}", url: "{party}/enqueue"}}}}
  hook: {{webhook: {{url: "{party}/hook", secret: {signing}, secret_previous: {signing_previous}}}}}
  am: {{alertmanager: {{url: "{party}/am", token: {am_token}}}}}
  mail: {{email: {{host: 127.0.0.1, port: 9, from: a@example.com, to: b@example.com, tls: none, username: t,
         password: {smtp_password}}}}}
  events: {{kafka: {{topic: events, bootstrap_servers: "127.0.0.1:9", {sasl}, sasl_plain_password: {kafka_password}}}}}
kill_switches:
  chat:
    webhook: {{url: "{party}/kill/{kill_path}", secret: {kill_signing}}}
    topic: {{name: switches, bootstrap_servers: "127.0.0.1:9", {sasl}, sasl_plain_password: {switch_password}}}
"""


KNOWN = {
    "services": ("slack_path",),
    "api": ("slack_token",),
    "enqueue": ("routing_key",),
    "hook": ("signing", "signing_previous"),
    "am": ("am_token",),
    "kill": ("kill_path", "kill_signing"),
    "beat": ("beat_path",),
}
"""What each receiver knows of the secrets."""


def parrot(request):
    """Refuse, and say what came and every secret that this receiver knows."""
    known = [SECRETS[name] for name in KNOWN[request.path.split("/")[1]]]
    return Answer(400, " ".join(["wrong", *known, request.headers.get("authorization", "")]).encode())


def everything_in(ledger):
    """All that a role which may only read the views sees, as text."""
    with ledger.begin() as conn:
        views = (
            conn.execute(text("SELECT viewname FROM pg_views WHERE schemaname = 'tocsin'")).scalars().all()
        )
        assert {"deliveries", "timeline", "incidents", "kill_events", "configs"} <= set(views)
        return "\n".join(
            str(row) for view in views for row in conn.execute(text(f"SELECT * FROM tocsin.{view}"))
        )


def test_no_secret_is_in_the_metrics_the_log_or_sql_of_a_daemon(kafka, topic, ledger_url, tmp_path, party):
    party.answer = parrot
    port, path, log = free_ports(1)[0], tmp_path / "alerts.yaml", tmp_path / "log"
    servers = {"kafka": kafka.bootstrap_servers, "topic": topic(), "store": ledger_url, "party": party.url}
    path.write_text(ALERTS.format(port=port, sasl=SASL, **servers, **SECRETS))
    config, ledger = load(path, environ={}), connect(ledger_url)
    with ledger.begin() as conn:
        about = {"rule": "tocsin.test", "key": "k", "summary": "s", "detail": "", "at_ms": 0}
        open_internal(conn, config, **about, receivers=RECEIVERS)
        trip(conn, config.kill_switches["chat"], stream="", reason="it lies", actor="ann")
    tried = {*RECEIVERS, "chat", "chat (topic)"}
    known = {"authorization": f"Bearer {SECRETS['http_token']}"}
    with log.open("wb") as output:
        command = [sys.executable, "-m", "monitor.cli", "run", "-c", str(path)]
        running = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            until(lambda: tried <= {row.receiver for row in rows(ledger) if row.last_error}, 60)
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=known)
        finally:
            running.terminate()
            running.wait(20)
    stored = everything_in(ledger)
    ledger.dispose()
    assert metrics.status_code == 200
    assert 'tocsin_deliveries_total{receiver="pager"' in metrics.text
    assert "***" in stored
    bare = {name: secret.removeprefix("whsec_") for name, secret in SECRETS.items()}
    places = {"metrics": metrics.text, "log": log.read_text(), "sql": stored}
    assert [(n, place) for n, s in bare.items() for place, said in places.items() if s in said] == []
