"""One round of bare poll, one round of the daemon, over the same records."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, text

from benchmarks.bench_config import BenchConfig
from benchmarks.cores import Cores
from benchmarks.figures import DaemonRound, Reading
from benchmarks.process_cost import cpu_s, peak_mib
from monitor.errors import ServerStartFailed, TocsinError
from monitor.ledger.engine import connect
from monitor.local.daemon import Daemon
from monitor.local.server import telling_line

ROOT: Final = Path(__file__).resolve().parent.parent
LOOK_EVERY_S: Final = 0.25
STANDS_STILL_S: Final = 60.0

_PROGRESS: Final = text(
    "SELECT coalesce(sum(next_offset), 0)::bigint, coalesce(sum(judged_offset), 0)::bigint, "
    "coalesce(sum(counted), 0)::bigint, coalesce(sum(skipped), 0)::bigint FROM tocsin.progress"
)
_INCIDENTS: Final = text("SELECT count(*) FROM tocsin.incidents WHERE stream <> '(tocsin)'")
_WATCHED: Final = text("SELECT count(*) FROM tocsin.streams WHERE state = 'watched'")


@dataclass(frozen=True, slots=True)
class Progress:
    """Sums over all partitions, as SQL tells them."""

    ingested: int
    judged: int
    counted: int
    skipped: int


def progress(engine: Engine) -> Progress:
    """How far the daemon has come."""
    with engine.connect() as connection:
        return Progress(*connection.execute(_PROGRESS).one())


def bare_round(cores: Cores, servers: str, topic: str, records: int) -> Reading:
    """Read the topic by bare poll in a process of its own. Raises TocsinError when it fails."""
    command = [sys.executable, "-m", "benchmarks.bare_poll", servers, topic, str(records)]
    with cores.measuring():
        outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise TocsinError(f"bare poll failed: {telling_line(outcome.stderr)}")
    return Reading(**json.loads(outcome.stdout))


@contextmanager
def running(cores: Cores, config: BenchConfig) -> Iterator[tuple[Daemon, float]]:
    """The daemon on the measured core, ready; with the seconds that took."""
    daemon = Daemon(config.alerts_yaml)
    try:
        began = time.monotonic()
        with cores.measuring():
            daemon.start()
        yield daemon, time.monotonic() - began
    finally:
        daemon.close()


def daemon_round(
    cores: Cores, config: BenchConfig, records: int, streams: int, seen: Callable[[int], None]
) -> DaemonRound:
    """Run the daemon on an empty ledger until it has judged the topic; `seen` is told how far it is.

    Raises TocsinError when it ends, stands still, miscounts or has learned no reference.
    """
    engine = connect(config.store_url, name="tocsin bench")
    try:
        with running(cores, config) as (daemon, start_s):
            began, cpu_began = time.monotonic(), cpu_s(daemon.pid)
            ingested: Reading | None = None
            for now in followed(daemon, engine, lambda p: p.judged >= records):
                seen(now.judged)
                if ingested is None and now.ingested >= records:
                    ingested = Reading(records, time.monotonic() - began, cpu_s(daemon.pid) - cpu_began)
            judged = Reading(records, time.monotonic() - began, cpu_s(daemon.pid) - cpu_began)
            _require_all(engine, records, streams)
            return DaemonRound(ingested or judged, judged, start_s, peak_mib(daemon.pid), _alarms(engine))
    finally:
        engine.dispose()


def followed(daemon: Daemon, engine: Engine, done: Callable[[Progress], bool]) -> Iterator[Progress]:
    """Progress every now and then until it is `done`; raises TocsinError when the daemon ends or stands still."""
    before, moved_at = None, time.monotonic()
    while True:
        if not daemon.pid:
            raise ServerStartFailed(
                f"the daemon ended: {telling_line(daemon.log.read_text(errors='replace'))}"
            )
        now = progress(engine)
        moved_at = time.monotonic() if now != before else moved_at
        if time.monotonic() - moved_at > STANDS_STILL_S:
            last = telling_line(daemon.log.read_text(errors="replace"))
            raise TocsinError(f"the daemon stands still at {now}; the last it said: {last}")
        yield now
        if done(now):
            return
        before = now
        time.sleep(LOOK_EVERY_S)


def _require_all(engine: Engine, records: int, streams: int) -> None:
    """Speed counts only where every record was counted and the detectors had something to compare with."""
    now = progress(engine)
    if (now.counted, now.skipped) != (records, 0):
        raise TocsinError(
            f"{records} records were written, but {now.counted} counted and {now.skipped} skipped"
        )
    with engine.connect() as connection:
        watched = connection.execute(_WATCHED).scalar_one()
    if watched != streams:
        raise TocsinError(
            f"{watched} of {streams} streams have learned their reference: the others had no detector on"
        )


def _alarms(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(_INCIDENTS).scalar_one())
