"""`tocsin run` on real servers: every record exactly once by SQL, whatever is killed, and the kill webhook."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from kafka import KafkaProducer
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.exception import ErrorCode
from sqlalchemy import Engine, text

from monitor import cli
from monitor.ledger.engine import connect
from monitor.local.kafka import KafkaServer
from monitor.local.ports import free_ports
from monitor.local.receiver import Receiver, local_receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALERTS = """
name: test
source: {{bootstrap_servers: "{servers}", topic: {topic}, start: earliest, lateness: 1s}}
store: {{url: "{url}"}}
reference: {{learn: 2000, at_least: 0s}}
http: {{port: {port}}}
defaults: {{notify: [default], min_n: 20}}
rules:
  - {{name: errors, signal: error, match: {{model: chat-eu}}, above: {{warning: 2x, critical: 10%}}, kill: chat}}
  - {{name: outage, signal: error, window: 5s, above: 50%, min_n: 20}}
receivers: {{default: {{slack: {{url: "{slack}"}}}}}}
kill_switches:
  chat:
    webhook: {{url: "{kill}", secret: {secret}}}
    mode: disable
    release: manual
    guard: {{at_most: 1, within: 1h, min_n: 20, fresh: 60s}}
"""


@dataclass
class Stage:
    """A topic, a ledger and a receiver, with daemons on them."""

    servers: str
    topic: str
    engine: Engine
    url: str
    folder: Path
    receiver: Receiver

    def alerts(self, port: int) -> Path:
        path = self.folder / f"alerts-{port}.yaml"
        path.write_text(
            ALERTS.format(
                servers=self.servers,
                topic=self.topic,
                url=self.url,
                port=port,
                slack=self.receiver.url("/slack"),
                kill=self.receiver.url("/kill"),
                secret=SECRET,
            )
        )
        return path

    @contextmanager
    def daemon(self) -> "Iterator[tuple[subprocess.Popen[bytes], str]]":
        port = free_ports(1)[0]
        command = [sys.executable, "-m", "monitor.cli", "run", "-c", str(self.alerts(port))]
        with (self.folder / f"{port}.log").open("ab") as log:
            running = subprocess.Popen(command, stderr=log)
        try:
            yield running, f"http://127.0.0.1:{port}"
        finally:
            running.kill()
            running.wait()

    def one(self, query: str) -> object:
        with self.engine.begin() as conn:
            return conn.execute(text(query)).scalar()

    def counted(self) -> object:
        return self.one("SELECT coalesce(sum(n), 0)::bigint FROM tocsin.panes")

    def judged(self) -> bool:
        return bool(self.one("SELECT bool_and(judged_offset = next_offset) FROM tocsin.progress"))


@pytest.fixture
def stage(kafka: KafkaServer, topic: Callable[..., str], ledger_url: str, tmp_path: Path) -> Iterator[Stage]:
    engine = connect(ledger_url)
    with local_receiver(SECRET) as receiver:
        yield Stage(kafka.bootstrap_servers, topic(partitions=4), engine, ledger_url, tmp_path, receiver)
    engine.dispose()


def record(i: int, **fields: object) -> bytes:
    return msgspec.json.encode(
        {"model": "chat-eu", "version": "v1", "id": f"r{i}", "latency_ms": 300 + i % 50, **fields}
    )


@contextmanager
def traffic(stage: Stage, n: int, per_s: float) -> Iterator[None]:
    """`n` records, a hundredth of them failures, while the block runs."""

    def send() -> None:
        with closing(KafkaProducer(bootstrap_servers=stage.servers, linger_ms=5)) as producer:
            for i in range(n):
                status = "error" if i % 100 == 7 else "ok"
                producer.send(stage.topic, record(i, status=status), partition=i % 4)
                if i % 50 == 49:
                    time.sleep(50 / per_s)
            producer.flush()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        sender.join()


def until(condition: Callable[[], object], within_s: float = 40.0) -> object:
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s")
        time.sleep(0.1)
    return found


def test_a_daemon_killed_in_mid_stream_and_restarted_counts_every_record_exactly_once(stage: Stage) -> None:
    with traffic(stage, 8_000, per_s=400):
        for _ in range(2):
            with stage.daemon() as (running, _):
                seen = stage.counted()
                until(lambda seen=seen: stage.counted() > seen + 200)
                running.send_signal(signal.SIGKILL)
                running.wait()
        with stage.daemon():
            until(lambda: stage.one("SELECT sum(counted) FROM tocsin.progress") == 8_000)
            until(stage.judged)
            assert stage.counted() == 8_000
            assert stage.one("SELECT sum(skipped) FROM tocsin.progress") == 0
            assert stage.one("SELECT sum(n) FROM tocsin.rates WHERE signal = 'error'") == 8_000
            assert stage.one("SELECT sum(k) FROM tocsin.rates WHERE signal = 'error'") == 80


def test_of_two_replicas_one_is_killed_and_the_other_counts_and_judges_everything(stage: Stage) -> None:
    with ExitStack() as stack, traffic(stage, 12_000, per_s=500):
        (first, first_url), (second, second_url) = (stack.enter_context(stage.daemon()) for _ in range(2))
        until(lambda: stage.counted() > 1_000)
        leader = first if leads(first_url) else second
        leader.send_signal(signal.SIGKILL)
        other = second_url if leader is first else first_url
        until(lambda: leads(other), within_s=15)
        until(lambda: stage.one("SELECT sum(counted) FROM tocsin.progress") == 12_000, within_s=60)
        until(stage.judged)
        assert stage.counted() == 12_000
        assert stage.one("SELECT sum(k) FROM tocsin.rates WHERE signal = 'error'") == 120


NEW_RULES = """
  - {name: downtime, signal: error, window: 5s, above: 50%, min_n: 20}
  - {name: slow, signal: latency_ms, quantile: p50, window: 5s, above: 200ms, min_n: 20}
"""


@contextmanager
def outage(stage: Stage) -> Iterator[None]:
    """Fifty slow failures a second, of a model that no kill rule matches, while the block runs."""
    stop = threading.Event()

    def send() -> None:
        with closing(KafkaProducer(bootstrap_servers=stage.servers, linger_ms=5)) as producer:
            i = 0
            while not stop.wait(0.02):
                fields = {"model": "chat-us", "status": "timeout"}
                producer.send(stage.topic, record(i, **fields), partition=i % 4)
                i += 1

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()


def test_sighup_ends_what_a_removed_rule_said_and_judges_by_new_ones_at_once(stage: Stage) -> None:
    """A renamed rule is a removed and a new one; `slow` needs what ingest did not count before."""
    firing = "SELECT array_agg(rule ORDER BY rule) FROM tocsin.incidents WHERE state = 'firing' AND rule !~ 'tocsin'"
    with stage.daemon() as (running, url), outage(stage):
        until(lambda: stage.one(firing) == ["outage"])
        assert stage.receiver.wait_for(lambda r: r.path == "/slack", 20)
        [path] = stage.folder.glob("alerts-*.yaml")
        kept, _, rest = path.read_text().partition("  - {name: outage")
        path.write_text(kept.rstrip() + NEW_RULES + rest.partition("\n")[2])
        running.send_signal(signal.SIGHUP)
        until(lambda: stage.one(firing) == ["downtime", "slow"])
        assert stage.one("SELECT state FROM tocsin.incidents WHERE rule = 'outage'") == "expired"
        resolves = (
            "SELECT d.state FROM tocsin.deliveries d JOIN tocsin.incidents USING (incident_id) "
            "WHERE rule = 'outage' AND event = 'resolved'"
        )
        until(lambda: stage.one(resolves) == "delivered")
        assert leads(url)


def test_sighup_says_what_needs_a_restart(stage: Stage) -> None:
    with stage.daemon() as (running, url):
        until(lambda: leads(url))
        [path] = stage.folder.glob("alerts-*.yaml")
        path.write_text(
            path.read_text().replace("lateness: 1s", "lateness: 2s").replace("name: test", "name: other")
        )
        running.send_signal(signal.SIGHUP)
        told = until(lambda: [line for line in logged(stage) if "alerts.yaml read again" in line])
        assert isinstance(told, list)
        assert "['name', 'source']" in told[0]


def logged(stage: Stage) -> list[str]:
    return next(stage.folder.glob("*.log")).read_text().splitlines()


def test_sighup_reads_alerts_yaml_again_and_a_wrong_one_changes_nothing(stage: Stage) -> None:
    loads = "SELECT count(*) FROM tocsin.configs"
    refused = "SELECT state FROM tocsin.incidents WHERE rule = 'tocsin.config_refused'"
    with stage.daemon() as (running, url):
        until(lambda: leads(url))
        [path] = stage.folder.glob("alerts-*.yaml")
        good = path.read_text()
        path.write_text(good.replace("rules:", "rulez:"))
        running.send_signal(signal.SIGHUP)
        until(lambda: "the old alerts.yaml holds" in next(stage.folder.glob("*.log")).read_text())
        assert stage.one(loads) == 1
        until(lambda: stage.one(refused) == "firing")
        until(lambda: "tocsin_config_good 0.0" in httpx.get(f"{url}/metrics").text)
        path.write_text(good + "\n# another\n")
        running.send_signal(signal.SIGHUP)
        until(lambda: stage.one(loads) == 2)
        until(lambda: stage.one(refused) == "resolved")
        until(lambda: "tocsin_config_good 1.0" in httpx.get(f"{url}/metrics").text)
        until(lambda: leads(url))
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0


def leads(url: str) -> bool:
    try:
        metrics = httpx.get(f"{url}/metrics", timeout=2).text
    except httpx.HTTPError:
        return False
    return "tocsin_judge_leader 1.0" in metrics


def test_a_total_failure_opens_an_incident_kills_by_signed_webhook_and_flags_say_so(stage: Stage) -> None:
    with stage.daemon() as (running, url):
        until(lambda: ready(url))
        with closing(KafkaProducer(bootstrap_servers=stage.servers)) as producer:
            for i in range(400):
                producer.send(stage.topic, record(i), partition=i % 4)
                time.sleep(0.01)
            stop = threading.Event()
            fail = threading.Thread(target=failing, args=(stage, producer, stop))
            fail.start()
            kill = stage.receiver.wait_for(lambda r: r.path == "/kill", 90)
            kept = "SELECT count(*) FROM tocsin.samples WHERE {}"
            until(lambda: stage.one(kept.format("why = 'incident' AND signal = 'error'")))
            stop.set()
            fail.join()
        assert kill is not None
        assert kill.signed
        assert stage.one(kept.format("incident_id IS NOT NULL"))
        body = kill.json()
        assert body["type"] == "kill_switch.tripped"
        data = body["data"]
        assert (data["switch"], data["stream"], data["state"], data["mode"]) == (
            "chat",
            "chat-eu",
            "tripped",
            "disable",
        )
        assert data["incident_id"] == stage.one(
            "SELECT incident_id FROM tocsin.incidents WHERE rule = 'errors'"
        )
        assert (data["actor"], data["target"]) == ("rule errors", None)
        assert data["not_after"] > data["at"] >= data["evidence_until"]
        assert data["sequence"] == stage.one("SELECT sequence FROM tocsin.kill_switches")
        until(lambda: stage.one("SELECT confirmed_at FROM tocsin.kill_switches"))
        assert stage.receiver.wait_for(lambda r: r.path == "/slack" and b"requests fail" in r.body, 10)
        rules = stage.one(
            "SELECT array_agg(DISTINCT rule ORDER BY rule) FROM tocsin.incidents WHERE rule !~ 'tocsin'"
        )
        assert rules == ["errors", "outage"]
        flags_tell_of_the_release_and_fail_open(stage, running, url)


def flags_tell_of_the_release_and_fail_open(
    stage: Stage, running: "subprocess.Popen[bytes]", url: str
) -> None:
    """As a service reads them, by the OpenFeature SDK: tripped by the rule, released by hand, and Tocsin gone."""
    api.set_provider(OFREPProvider(url))
    flags = api.get_client()
    assert flags.get_string_value("chat.serve", "normal") == "off"
    assert flags.get_boolean_value("chat.enabled", True) is False
    [path] = stage.folder.glob("alerts-*.yaml")
    command = ["kill", "release", "chat", "--reason", "mended", "-c", str(path)]
    assert CliRunner().invoke(cli.cli, command).exit_code == 0
    until(lambda: flags.get_boolean_value("chat.enabled", False), within_s=3)
    assert flags.get_string_value("chat.serve", "off") == "normal"
    running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 0
    gone = flags.get_boolean_details("chat.enabled", True)
    assert (gone.value, gone.error_code) == (True, ErrorCode.GENERAL)
    api.clear_providers()


def failing(stage: Stage, producer: KafkaProducer, stop: threading.Event) -> None:
    i = 0
    while not stop.wait(0.02):
        producer.send(stage.topic, record(i, status="timeout"), partition=i % 4)
        i += 1


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_without_kafka_the_daemon_waits_and_readyz_names_it(stage: Stage) -> None:
    stage.servers = f"127.0.0.1:{free_ports(1)[0]}"
    with stage.daemon() as (running, url):
        answer = until(lambda: unready(url))
        assert isinstance(answer, httpx.Response)
        assert "kafka" in answer.text
        assert running.poll() is None


def unready(url: str) -> httpx.Response | None:
    try:
        answer = httpx.get(f"{url}/readyz", timeout=2)
    except httpx.HTTPError:
        return None
    return answer if answer.status_code == 503 else None


def test_a_database_without_the_schema_ends_the_process_with_one_sentence(
    stage: Stage, database_url: str
) -> None:
    stage.url = database_url
    with stage.daemon() as (running, _):
        assert running.wait(30) == 3
    last = sorted(stage.folder.glob("*.log"))[0].read_text().splitlines()[-1]
    assert "run `tocsin db upgrade`" in last
    assert last.startswith("tocsin: ")
