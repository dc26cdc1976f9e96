"""A cache of the test's own, and programs that own servers and are then ended in every way."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from monitor.local.cache import OVERRIDE, cache_dir
from monitor.local.jars import KAFKA_VERSION
from monitor.local.registry import stop_orphans

PROGRAM = """
import json, sys, time
from contextlib import ExitStack
from monitor.local.kafka import local_kafka
from monitor.local.postgres import local_postgres
starters = {"postgres": local_postgres, "kafka": local_kafka}
with ExitStack() as stack:
    servers = [stack.enter_context(starters[name]()) for name in sys.argv[2:]]
    print(json.dumps([[server.pid, str(server.home)] for server in servers]), flush=True)
    exec(sys.argv[1])
"""


@dataclass
class Owner:
    """A program that runs servers; each is known by its pid and its directory."""

    process: subprocess.Popen[str]
    pids: list[int]
    homes: list[Path]

    def survivors(self) -> list[int]:
        return [pid for pid in self.pids if _is_running(pid)]


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def is_running() -> Callable[[int], bool]:
    """Say whether a process exists and is more than a zombie."""
    return _is_running


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of the test's own, which shares nothing but the jars."""
    jars = cache_dir() / f"kafka-{KAFKA_VERSION}"
    own = tmp_path / "cache"
    own.mkdir()
    jars.mkdir(exist_ok=True)
    (own / jars.name).symlink_to(jars)
    monkeypatch.setenv(OVERRIDE, str(own))
    return own


@pytest.fixture
def owner(own_cache: Path) -> Iterator[Callable[..., Owner]]:
    """Start a program that starts `servers` and then executes `then`."""
    started: list[Owner] = []

    def start(*servers: str, then: str = "time.sleep(120)") -> Owner:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, then, *servers],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        line = process.stdout.readline()
        rows = json.loads(line)
        started.append(Owner(process, [pid for pid, _ in rows], [Path(home) for _, home in rows]))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()
    stop_orphans(own_cache / "running")
