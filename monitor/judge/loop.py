"""The judge's thread: tick while leading, campaign while not, and start afresh after any error."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from detectors import learning_watch
from monitor.config.model import Config
from monitor.errors import LeaseLost, SchemaMismatch, TocsinError
from monitor.judge.session import Session
from monitor.ledger.engine import retryable

TICK_S: Final = 0.3
CAMPAIGN_S: Final = 1.0

log = structlog.get_logger("judge")


class Judge:
    """Runs a `Session` in a thread. `on_decision` is called after a tick that decided something."""

    def __init__(self, config: Config, engine: Engine, on_decision: Callable[[], None]) -> None:
        self._session = Session(config, engine, uuid4())
        self._on_decision = on_decision
        self._stop = Event()
        self._thread = Thread(target=self._run, name="judge", daemon=True)
        self._failure: TocsinError | None = None
        self._trouble: str | None = None
        self._fresh: Config | None = None

    @property
    def leads(self) -> bool:
        return self._session.leads

    @property
    def event_ms(self) -> int | None:
        return self._session.event_ms

    @property
    def trouble(self) -> str | None:
        """Why it cannot judge now, in words; None while it can."""
        return self._trouble

    def failure(self) -> TocsinError | None:
        """The error that ended the thread for good."""
        return self._failure

    def start(self) -> None:
        """Begin to judge."""
        self._thread.start()

    def reload(self, config: Config) -> None:
        """Judge by another configuration from the next tick on."""
        self._fresh = config

    def stop(self, deadline_s: float) -> None:
        """Finish the tick, give up the lease."""
        self._stop.set()
        self._thread.join(deadline_s)

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            log.exception("judge failed")
            self._failure = TocsinError(f"the judge stopped on an error of its own ({error!r}): see the log")

    def _work(self) -> None:
        # No tick that holds the lease is to wait for an import.
        learning_watch.load()
        while not self._stop.is_set():
            more = self._tick()
            if not more:
                self._stop.wait(TICK_S if self._session.leads else CAMPAIGN_S)
        try:
            self._session.resign()
        except SQLAlchemyError:
            log.info("the lease was not given back, it runs out by itself")

    def _tick(self) -> bool:
        try:
            if self._fresh is not None:
                fresh, self._fresh = self._fresh, None
                self._session.reconfigure(fresh)
            happened, more = self._session.tick()
        except SchemaMismatch as error:
            self._failure = error
            self._stop.set()
            return False
        except LeaseLost as error:
            log.warning("lease lost", why=str(error))
            self._session.drop()
            return False
        except (SQLAlchemyError, TocsinError, OSError) as error:
            self._failed(error)
            return False
        self._recovered()
        for line in happened:
            log.info(
                line.event, rule=line.rule, stream=line.stream, incident=line.incident_id, what=line.summary
            )
        if happened:
            self._on_decision()
        return more

    def _failed(self, error: Exception) -> None:
        self._session.drop()
        if self._trouble is None:
            log.warning("cannot judge", why=str(error).splitlines()[0], retries=retryable(error))
        self._trouble = str(error).splitlines()[0]

    def _recovered(self) -> None:
        if self._trouble is not None:
            log.info("judging again")
        self._trouble = None
