"""Ingest as `run` sees it: started, stopped, asked how it is. One consumer for each connection of the sources."""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from monitor.config.model import Config, Source
from monitor.errors import TocsinError
from monitor.ingest.client import check_libraries, check_source
from monitor.ingest.loop import IngestLoop
from monitor.ingest.measuring import Measuring
from monitor.ingest.registry import check_registry
from monitor.ingest.settings import measure_settings
from monitor.ingest.status import IngestStatus, StatusBoard, merged
from monitor.ledger.engine import explained
from monitor.records.predictions import predictions_for
from monitor.records.shown import Sought

log = structlog.get_logger(__name__)

MEMORY_BYTES: Final = 64 << 20
ABANDON_S: Final = 1.0


class Ingest:
    """Consumes `config.sources` into the ledger behind `engine`, on threads of its own.

    `clock` gives ms since the epoch. `instance` is TOCSIN_INSTANCE (rule 12), `accept_new_topic` allows a
    topic made anew (rule 11). `on_checkpoint` is called after each stored checkpoint and must return at once.
    `memory_bytes` are shared by the consumers. Raises UsageError for credentials, files or libraries that are missing.
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
        for source in config.sources:
            check_source(source)
            check_registry(source)
        connections = by_connection(config.sources)
        predictions = predictions_for(measure_settings(config))
        self._stopping = threading.Event()
        self._consumers: list[_Consumer] = []
        for number, sources in enumerate(connections):
            loop = partial(
                IngestLoop,
                config,
                sources,
                engine,
                clock=clock,
                # Two members of one group cannot be the same instance of it.
                instance=f"{instance}-{number}" if instance and number else instance,
                accept_new_topic=accept_new_topic,
                memory_bytes=memory_bytes // len(connections),
                on_checkpoint=on_checkpoint,
                stopping=self._stopping,
            )
            self._consumers.append(_Consumer(loop, Measuring(config, engine, predictions), engine))

    def start(self) -> None:
        """Begin; returns at once, also while Kafka or Postgres cannot be reached."""
        for consumer in self._consumers:
            consumer.thread.start()

    def reload(self, config: Config) -> None:
        """Measure by the rules of `config` soon; its sources, streams and labels are to be as before."""
        for consumer in self._consumers:
            consumer.measuring.reload(config)

    def seek(self, sought: tuple[Sought, ...]) -> None:
        """Keep records that show this soon, within what may be kept."""
        for consumer in self._consumers:
            consumer.measuring.seek(sought)

    def stop(self, deadline: float) -> bool:
        """Store what is in memory and leave the groups by `deadline` (monotonic s); False if it still runs."""
        for consumer in self._consumers:
            consumer.deadline = deadline
        self._stopping.set()
        for consumer in self._consumers:
            if consumer.thread.ident is not None:
                consumer.thread.join(max(0.0, deadline - time.monotonic()))
        return not any(consumer.thread.is_alive() for consumer in self._consumers)

    def status(self) -> IngestStatus:
        """How it is now; any thread may ask."""
        return merged([consumer.board.read() for consumer in self._consumers])

    def failure(self) -> TocsinError | None:
        """Why a consumer has ended by itself, None if none has."""
        return next((c.failure for c in self._consumers if c.failure is not None), None)


def by_connection(sources: Iterable[Source]) -> list[tuple[Source, ...]]:
    """Sources in the order of the file, those together that one consumer can read."""
    found: dict[object, list[Source]] = {}
    for source in sources:
        found.setdefault(source.connection, []).append(source)
    return [tuple(together) for together in found.values()]


class _Consumer:
    """One loop on a thread of its own, and what is known of it from outside."""

    def __init__(self, loop: Callable[..., IngestLoop], measuring: Measuring, engine: Engine) -> None:
        self.measuring = measuring
        self.board = StatusBoard()
        self.deadline = 0.0
        self.failure: TocsinError | None = None
        self._engine = engine
        self._make_loop = partial(loop, measuring, board=self.board)
        self.thread = threading.Thread(target=self._run, name="tocsin-ingest", daemon=True)

    def _run(self) -> None:
        loop = self._make_loop()
        try:
            loop.run()
        except Exception as error:
            self._fail(error)
            loop.abandon(time.monotonic() + ABANDON_S)
        else:
            loop.finish(self.deadline)

    def _fail(self, error: Exception) -> None:
        match error:
            case TocsinError():
                self.failure = error
            case SQLAlchemyError():
                self.failure = explained(self._engine.url, error)
            case _:
                log.exception("ingest failed")
                self.failure = TocsinError(f"Ingest stopped on an error of its own ({error!r}): see the log.")
        log.error("ingest ends", why=str(self.failure))
