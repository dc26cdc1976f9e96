"""A Kafka that others reach through a wire, and a Postgres on a disk so small that it can be full."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from monitor.local.cache import cache_dir
from monitor.local.jars import KAFKA_VERSION, kafka_jars
from monitor.local.kafka import KafkaServer
from monitor.local.ports import HOST, accepts, free_ports
from monitor.local.postgres import PostgresServer

DISK_BYTES: Final = 1 << 30
# Processes are killed, the machine is not: what the system holds in memory survives.
SETTINGS: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "128MB",
}


class WiredKafka(KafkaServer):
    """Clients that come by `wired_port` are told to stay on `wire_port`; `bootstrap_servers` leads past the wire."""

    def __init__(self, wire_port: int) -> None:
        super().__init__(
            kafka_jars(cache_dir() / f"kafka-{KAFKA_VERSION}"), {}, heap="384m", home=None, port=None
        )
        self.wired_port = free_ports(1)[0]
        self._wire_port = wire_port

    def _prepare(self) -> None:
        broker, controller = self._ports
        plain, wired = f"PLAINTEXT://{HOST}", f"WIRED://{HOST}"
        self._properties |= {
            "listeners": f"{plain}:{broker},{wired}:{self.wired_port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"{plain}:{broker},{wired}:{self._wire_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,WIRED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
        }
        super()._prepare()

    def _is_ready(self) -> bool:
        return accepts(self.port) and self._serves_metadata()


@contextmanager
def wired_kafka(wire_port: int) -> Iterator[WiredKafka]:
    """A broker for the length of the block."""
    server = WiredKafka(wire_port)
    try:
        server.start()
        yield server
    finally:
        server.close()


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system of its own."""

    place: Path

    @property
    def _filler(self) -> Path:
        return self.place / "filler"

    def fill(self) -> None:
        """Leave no room for a page more."""
        with self._filler.open("wb") as file:
            while free := shutil.disk_usage(self.place).free:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free)
                except OSError:
                    # Somebody has taken of it meanwhile.
                    continue

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk() -> Iterator[Disk | None]:
    """A disk for the length of the block; None where mounting is not allowed."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        options = f"size={DISK_BYTES},mode=755"
        mount = ["mount", "-t", "tmpfs", "-o", options, "faults", str(place)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            yield None
            return
        try:
            yield Disk(place)
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def postgres_on(disk: Disk | None, settings: Mapping[str, str] = SETTINGS) -> Iterator[PostgresServer]:
    """A Postgres whose data are on the disk, for the length of the block."""
    server = PostgresServer(settings, home=disk.place / "postgres" if disk else None, port=None)
    try:
        server.start()
        yield server
    finally:
        server.close()
