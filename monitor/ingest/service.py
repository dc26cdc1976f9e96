"""Ingest as `run` sees it: started, stopped, asked how it is."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from monitor.config.model import Config
from monitor.errors import TocsinError
from monitor.ingest.client import check_libraries, check_source
from monitor.ingest.loop import IngestLoop
from monitor.ingest.measuring import Measuring
from monitor.ingest.status import IngestStatus, StatusBoard
from monitor.ledger.engine import explained

log = structlog.get_logger(__name__)

MEMORY_BYTES: Final = 256 * 1024 * 1024
ABANDON_S: Final = 1.0


class Ingest:
    """Consumes `config.source` into the ledger behind `engine`, on threads of its own.

    `clock` gives ms since the epoch. `instance` is TOCSIN_INSTANCE (rule 12), `accept_new_topic` allows a
    topic made anew (rule 11). `on_checkpoint` is called after each stored checkpoint and must return at once.
    Raises UsageError for credentials, files or libraries that are missing.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        *,
        clock: Callable[[], int],
        instance: str | None,
        accept_new_topic: bool,
        on_checkpoint: Callable[[], None],
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        check_libraries()
        check_source(config.source)
        self._engine = engine
        self._board = StatusBoard()
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._failure: TocsinError | None = None
        self._measuring = Measuring(config, engine)
        self._make_loop: Callable[[], IngestLoop] = lambda: IngestLoop(
            config,
            engine,
            self._measuring,
            clock=clock,
            instance=instance,
            accept_new_topic=accept_new_topic,
            memory_bytes=memory_bytes,
            on_checkpoint=on_checkpoint,
            board=self._board,
            stopping=self._stopping,
        )
        self._thread = threading.Thread(target=self._run, name="tocsin-ingest", daemon=True)

    def start(self) -> None:
        """Begin; returns at once, also while Kafka or Postgres cannot be reached."""
        self._thread.start()

    def reload(self, config: Config) -> None:
        """Measure by the rules of `config` soon; its source, streams and labels are to be as before."""
        self._measuring.reload(config)

    def stop(self, deadline: float) -> bool:
        """Store what is in memory and leave the group by `deadline` (monotonic s); False if it still runs."""
        self._deadline = deadline
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def status(self) -> IngestStatus:
        """How it is now; any thread may ask."""
        return self._board.read()

    def failure(self) -> TocsinError | None:
        """Why it has ended by itself, None if it has not."""
        return self._failure

    def _run(self) -> None:
        loop = self._make_loop()
        try:
            loop.run()
        except Exception as error:
            self._fail(error)
            loop.abandon(time.monotonic() + ABANDON_S)
        else:
            loop.finish(self._deadline)

    def _fail(self, error: Exception) -> None:
        match error:
            case TocsinError():
                self._failure = error
            case SQLAlchemyError():
                self._failure = explained(self._engine.url, error)
            case _:
                log.exception("ingest failed")
                self._failure = TocsinError(
                    f"Ingest stopped on an error of its own ({error!r}): see the log."
                )
        log.error("ingest ends", why=str(self._failure))
