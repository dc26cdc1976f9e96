"""A real Kafka and Postgres, a receiver, and as many `tocsin run` as are wanted now."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

import psutil
from fault_decisions import HOOK_PATH
from fault_servers import Disk, WiredKafka, postgres_on, small_disk, wired_kafka
from fault_story import KILL_PATH, KILLED, SWITCH
from fault_wire import Wire, wires
from kafka import KafkaAdminClient
from sqlalchemy import Engine, make_url

from monitor.crash_points import VARIABLE
from monitor.ledger.engine import connect
from monitor.ledger.migrate import upgrade
from monitor.local.daemon import Daemon
from monitor.local.ports import HOST
from monitor.local.postgres import PostgresServer
from monitor.local.receiver import Receiver, local_receiver

TOPIC: Final = "predictions"
PARTITIONS: Final = 4
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KAFKA, POSTGRES, RECEIVER = "Kafka", "Postgres", "receiver"
ALERTS: Final = """
name: faults
source: {{bootstrap_servers: "{servers}", topic: {topic}, group: {topic}, start: earliest, lateness: 1s}}
store: {{url: "{url}"}}
reference: {{learn: 20000, at_least: 1h}}
http: {{port: {port}}}
defaults: {{notify: [hook], min_n: 20, clear_for: 5s}}
rules:
  - {{name: outage, signal: error, window: 5s, above: 50%, min_n: 20, match: {{model: "m-*"}}}}
  - {{name: errors, signal: error, match: {{model: {killed}}}, above: {{critical: 20%}}, kill: {switch}}}
receivers: {{hook: {{webhook: {{url: "{hook}", secret: {secret}}}}}}}
kill_switches:
  {switch}:
    webhook: {{url: "{kill}", secret: {secret}}}
    mode: disable
    release: manual
    guard: {{at_most: 1, within: 1h, min_n: 20, fresh: 60s}}
"""


class Replica(Daemon):
    """A `tocsin run` that may break at once; static replicas keep their partitions over a quick restart."""

    def __init__(self, site: "Site", number: int, home: Path | None) -> None:
        super().__init__(site.alerts, home=home)
        self.number = number
        self.frozen = False
        self.crash_at = ""

    def _command(self) -> list[str]:
        environ = {VARIABLE: self.crash_at} if self.crash_at else {}
        if self.number % 2 == 0:
            environ["TOCSIN_INSTANCE"] = f"replica-{self.number}"
        pairs = [f"{name}={value}" for name, value in environ.items()]
        return [shutil.which("env") or "env", *pairs, *super()._command()]

    def _is_ready(self) -> bool:
        # The harness wants to break it while it starts, too.
        return True

    def exit_code(self) -> int | None:
        """What it exited with; None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    @property
    def stopped_itself(self) -> bool:
        """Whether it has come to the step at which it was told to stop."""
        told = self.crash_at.endswith(":stop") and self.pid and not self.frozen
        return bool(told) and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def freeze(self) -> None:
        self.frozen = True
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        if self.pid:
            os.kill(self.pid, signal.SIGCONT)


@dataclass
class Site:
    """Where it all happens; replicas reach it through wires, all else directly. `logs` keeps what the replicas say."""

    kafka: WiredKafka
    postgres: PostgresServer
    disk: Disk | None
    receiver: Receiver
    wires: dict[str, Wire]
    url: str
    engine: Engine
    folder: Path
    logs: Path | None

    def alerts(self, port: int) -> str:
        kafka, postgres, receiver = (self.wires[name].port for name in (KAFKA, POSTGRES, RECEIVER))
        url = make_url(self.url).set(port=postgres)
        return ALERTS.format(
            servers=f"{HOST}:{kafka}",
            topic=TOPIC,
            url=url.render_as_string(hide_password=False),
            port=port,
            killed=KILLED,
            switch=SWITCH,
            hook=f"http://{HOST}:{receiver}{HOOK_PATH}",
            kill=f"http://{HOST}:{receiver}{KILL_PATH}",
            secret=SECRET,
        )

    def replica(self, number: int) -> Replica:
        return Replica(self, number, self.logs / f"replica-{number}" if self.logs else None)

    def config(self) -> Path:
        """An alerts.yaml for commands."""
        path = self.folder / "alerts.yaml"
        path.touch(mode=0o600)
        path.write_text(self.alerts(9844))
        return path

    def add_partition(self, most: int) -> int:
        """One partition more; how many there are now, 0 where there are `most` already."""
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        try:
            count = len(admin.describe_topics([TOPIC])[0]["partitions"]) + 1
            if count > most:
                return 0
            admin.create_partitions({TOPIC: count})
        finally:
            admin.close()
        return count


@contextmanager
def site(logs: Path | None) -> Iterator[Site]:
    """Servers with an empty ledger and an empty topic, for the length of the block."""
    with (
        wires(KAFKA, POSTGRES, RECEIVER) as between,
        wired_kafka(between[KAFKA].port) as kafka,
        small_disk() as disk,
        postgres_on(disk) as postgres,
        local_receiver(SECRET) as receiver,
        TemporaryDirectory() as folder,
    ):
        between[KAFKA].to_port = kafka.wired_port
        between[POSTGRES].to_port = postgres.port
        between[RECEIVER].to_port = urlsplit(receiver.url("/")).port or 0
        url = postgres.create_database("faults")
        upgrade(url)
        _make_topic(kafka)
        engine = connect(url, name="faults", statement_ms=60_000)
        try:
            yield Site(kafka, postgres, disk, receiver, between, url, engine, Path(folder), logs)
        finally:
            engine.dispose()


def _make_topic(kafka: WiredKafka) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    admin.create_topics(
        {TOPIC: {"num_partitions": PARTITIONS, "replication_factor": 1}}, wait_for_metadata=True
    )
    admin.close()
