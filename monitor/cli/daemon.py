"""The rooms wired together: one process that ingests, judges where it leads, notifies and serves HTTP."""

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from monitor.cli.chores import end_events, keep_lag, note_config, tell_of_config
from monitor.cli.heartbeat import Beating
from monitor.cli.housekeeping import tidy
from monitor.cli.log import Conditions
from monitor.cli.reloading import taken
from monitor.cli.snapshot import Snapshot
from monitor.config import load
from monitor.config.model import Config
from monitor.errors import ConfigError, LedgerUnavailable, TocsinError
from monitor.ingest.service import Ingest
from monitor.judge.loop import Judge
from monitor.ledger import tables
from monitor.ledger.attaching import look_after
from monitor.ledger.engine import connect, explained, reach
from monitor.ledger.migrate import check_schema
from monitor.ledger.signal_rows import register_all
from monitor.notify.worker import Notifier
from monitor.web.board import Switchboard
from monitor.web.server import WebServer

WAIT_S: Final = 0.5
RETRY_S: Final = 2.0
SAMPLES_S: Final = 5
HEARTBEAT: Final = "heartbeat"

log = structlog.get_logger("tocsin")
conditions = Conditions(log)


class Daemon:
    """All threads of `tocsin run`. Raises UsageError where the configuration cannot be served."""

    def __init__(self, config: Config, *, instance: str | None, accept_new_topic: bool) -> None:
        self._config = config
        self._engine = connect(config.store_url, name="tocsin run", pool_size=8)
        self._ingest = Ingest(
            config,
            self._engine,
            clock=clock_ms,
            instance=instance,
            accept_new_topic=accept_new_topic,
            on_checkpoint=lambda: None,
        )
        self._snapshot = Snapshot(config, self._engine, self._ingest)
        self._notifier = Notifier(self._engine, config, observe=self._snapshot.delivered)
        self._judge = Judge(config, self._engine, self._notifier.wake)
        self._snapshot.judge = self._judge
        self._board = Switchboard(config, self._engine, self._notifier.wake)
        self._web = WebServer(
            self._snapshot.status,
            host=config.http_host,
            port=config.http_port,
            token=config.http_token,
            board=self._board,
        )
        self._chores = BackgroundScheduler(timezone="UTC")
        self._started: list[str] = []

    def run(self, stopping: threading.Event, reloading: threading.Event) -> None:
        """Work until `stopping`, reading alerts.yaml again when `reloading`; raises the error that ended a part."""
        self._web.start()
        self._started.append("web")
        log.info(
            "serving", url=self._web.url, config=self._config.path, config_hash=self._config.config_hash[:10]
        )
        if not self._await_ledger(stopping):
            return
        self._begin()
        while not stopping.wait(WAIT_S):
            failure = self._ingest.failure() or self._judge.failure()
            if failure is not None:
                raise failure
            if reloading.is_set():
                reloading.clear()
                self._reload()

    def _reload(self) -> None:
        """Go on by alerts.yaml as it is now; one that is wrong is told, and the old one holds."""
        try:
            fresh, waiting = taken(self._config, load(self._config.path))
            register_all(self._engine, fresh.signals)
            self._notifier.reload(fresh)
        except ConfigError as wrong:
            self._refuse(wrong.problems)
        except (TocsinError, SQLAlchemyError) as error:
            self._refuse([str(error).splitlines()[0]])
        else:
            self._take(fresh)
            log.info("alerts.yaml read again", config_hash=fresh.config_hash[:10], at_the_next_start=waiting)

    def _refuse(self, problems: list[str]) -> None:
        for problem in problems:
            log.error("alerts.yaml is wrong", problem=problem)
        log.error("the old alerts.yaml holds", config_hash=self._config.config_hash[:10])
        self._snapshot.config_good = False
        _quietly(tell_of_config, self._engine, self._config, problems, clock_ms())
        self._notifier.wake()

    def _take(self, fresh: Config) -> None:
        """Every room goes on by `fresh`."""
        self._config = fresh
        _quietly(note_config, self._engine, fresh, socket.gethostname())
        self._ingest.reload(fresh)
        self._judge.reload(fresh)
        self._snapshot.reload(fresh)
        self._board.reload(fresh)
        self._beat()
        _quietly(tell_of_config, self._engine, fresh, (), clock_ms())

    def _await_ledger(self, stopping: threading.Event) -> bool:
        """Wait for Postgres, saying so once; raises what waiting does not mend: SchemaMismatch, LedgerDenied."""
        while not stopping.is_set():
            try:
                reach(self._engine)
                with self._engine.begin() as conn:
                    check_schema(conn)
                register_all(self._engine, self._config.signals)
                tables.ensure_partitions(self._engine, clock_ms())
                note_config(self._engine, self._config, socket.gethostname())
                tell_of_config(self._engine, self._config, (), clock_ms())
                self._snapshot.ledger_ready()
                conditions.end("ledger_unreachable")
            except (LedgerUnavailable, SQLAlchemyError) as error:
                missing = (
                    error if isinstance(error, LedgerUnavailable) else explained(self._engine.url, error)
                )
                if not missing.retry:
                    raise missing from error
                self._snapshot.ledger_missing(str(missing))
                conditions.begin("ledger_unreachable", why=str(missing))
                stopping.wait(RETRY_S)
            else:
                return True
        return False

    def _begin(self) -> None:
        self._ingest.start()
        self._judge.start()
        self._notifier.start()
        self._schedule(self._engine)
        self._started += ["ingest", "judge", "notifier", "chores"]

    def _schedule(self, engine: Engine) -> None:
        """What recurs by the clock."""
        every = {"trigger": "interval", "coalesce": True, "max_instances": 1}
        self._chores.add_job(
            lambda: _quietly(tables.ensure_partitions, engine, clock_ms()), minutes=10, **every
        )
        self._chores.add_job(lambda: _quietly(tidy, engine, self._config, clock_ms()), minutes=10, **every)
        self._chores.add_job(lambda: _quietly(keep_lag, engine), minutes=1, **every)
        self._chores.add_job(lambda: _quietly(self._look_after_samples), seconds=SAMPLES_S, **every)
        self._chores.add_job(lambda: _quietly(end_events, engine), minutes=5, **every)
        self._beat()
        self._chores.start()

    def _look_after_samples(self) -> None:
        """Attach samples to incidents, and look for more while these fire."""
        self._ingest.seek(look_after(self._engine))

    def _beat(self) -> None:
        """Send signs of life as alerts.yaml says, where it says so."""
        if self._chores.get_job(HEARTBEAT) is not None:
            self._chores.remove_job(HEARTBEAT)
        heartbeat = self._config.heartbeat
        if heartbeat is not None:
            beating = Beating(heartbeat, self._snapshot.status, Conditions(log))
            every = {"seconds": heartbeat.every_ms / 1000, "coalesce": True, "max_instances": 1}
            self._chores.add_job(beating.beat, "interval", id=HEARTBEAT, **every)

    def stop(self, within_s: float) -> None:
        """Store what is in memory, leave the group, give up the lease; what hangs is left behind."""
        until = time.monotonic() + within_s
        if "chores" in self._started:
            self._chores.shutdown(wait=False)
            self._ingest.stop(until)
            self._judge.stop(max(0.1, until - time.monotonic()))
            self._notifier.stop(max(0.1, until - time.monotonic()))
        if "web" in self._started:
            self._web.stop(1.0)
        self._engine.dispose()
        log.info("stopped", pid=os.getpid())


def clock_ms() -> int:
    """The ingest clock."""
    return time.time_ns() // 1_000_000


def _quietly(chore: Callable[..., object], *args: object) -> None:
    """A chore that fails is told once, and tried again at each of its times."""
    name = getattr(chore, "__name__", "")
    try:
        chore(*args)
    except (SQLAlchemyError, TocsinError) as error:
        conditions.begin("chore_failed", name, why=str(error).splitlines()[0])
    else:
        conditions.end("chore_failed", name)
