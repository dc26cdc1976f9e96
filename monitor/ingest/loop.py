"""The thread that polls Kafka: it decodes and adds up, and never waits for Postgres."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event
from typing import Final
from uuid import UUID

import structlog
from kafka.structs import TopicPartition
from sqlalchemy import Engine

from monitor.config.model import Config, Source
from monitor.errors import TocsinError
from monitor.ingest.batches import BadBatchError
from monitor.ingest.catalog import Catalog
from monitor.ingest.holdings import Callbacks, Holdings
from monitor.ingest.internal import Internal
from monitor.ingest.measuring import Measuring
from monitor.ingest.ownership import Ownership
from monitor.ingest.placement import Placement
from monitor.ingest.pressure import Pressure
from monitor.ingest.progress import Progress
from monitor.ingest.reader import Bounds, ConsumerBrokenError, PositionLostError, Reader, Records
from monitor.ingest.registry import registries_of
from monitor.ingest.status import StatusBoard
from monitor.ingest.watchdog import Watchdog
from monitor.ingest.writer import Writer
from monitor.ledger.engine import reach

log = structlog.get_logger(__name__)

POLL_MS: Final = 100
SAMPLE_S: Final = 0.5
KAFKA_SILENT_S: Final = 10.0
REOPEN_S: Final = 1.0


class IngestLoop:
    """Reads `sources` of one connection, one turn after another until `stopping`.

    All in here belongs to the thread that calls `run`.
    """

    def __init__(
        self,
        config: Config,
        sources: Sequence[Source],
        engine: Engine,
        measuring: Measuring,
        *,
        clock: Callable[[], int],
        instance: str | None,
        accept_new_topic: bool,
        memory_bytes: int,
        on_checkpoint: Callable[[], None],
        board: StatusBoard,
        stopping: Event,
    ) -> None:
        self._servers = sources[0].bootstrap_servers
        self._engine = engine
        self._clock = clock
        self._measuring = measuring
        self._board = board
        self._stopping = stopping
        self._reader = Reader(sources, instance, stopping, self._unreachable)
        self._writer = Writer(engine, board.postgres)
        self._catalog = Catalog(self._reader, self._writer, engine, sources, clock, accept_new_topic)
        self._ownership = Ownership(self._reader, self._writer, self._catalog, engine, clock, self._placed)
        callbacks = Callbacks(self._ownership.committed, self._lost, on_checkpoint)
        self._registries = registries_of(sources, board.registry)
        self._holdings = Holdings(
            self._reader,
            self._writer,
            engine,
            measuring,
            clock,
            board,
            callbacks,
            self._registries,
        )
        self._labels_wait = True
        self._internal = Internal(config, clock)
        self._pressure = Pressure(memory_bytes)
        self._watchdog = Watchdog()
        self._sought = measuring.sought
        self._sampled_at = float("-inf")
        self._answered_at = time.monotonic()
        self._announced_unreachable = False

    def run(self) -> None:
        """Read until `stopping`; raises TocsinError when it cannot go on."""
        # Whether Postgres answers is worth knowing also while Kafka does not.
        self._writer.submit(partial(reach, self._engine), lambda *_: None)
        if not self._reader.open(patient=False):
            return
        self._reached()
        self._board.write(running=True)
        while not self._stopping.is_set():
            self._turn()

    def finish(self, deadline: float) -> None:
        """Store what is in memory, until `deadline` (monotonic s), and leave the group."""
        try:
            while self._holdings.submit_rest(time.monotonic()) and time.monotonic() < deadline:
                self._writer.deliver(max(0.0, min(0.05, deadline - time.monotonic())))
        except TocsinError as error:
            log.warning("last checkpoint not stored", why=str(error))
        finally:
            self.abandon(deadline)

    def abandon(self, deadline: float) -> None:
        """Leave the group without storing anything."""
        left_s = max(0.2, deadline - time.monotonic())
        self._reader.close(int(left_s * 1000))
        for registry in set(self._registries.values()):
            registry.stop()
        self._writer.stop(left_s)
        self._board.write(running=False, partitions=())

    def _turn(self) -> None:
        now = time.monotonic()
        self._writer.deliver()
        self._renew()
        try:
            self._sync(now)
            self._holdings.add(self._poll(now))
            self._sample(now)
        except ConsumerBrokenError as broken:
            self._reopen(str(broken))
            return
        self._holdings.submit_due(time.monotonic())

    def _renew(self) -> None:
        """Go on by alerts.yaml as it was read last, and look for what fires now."""
        if self._measuring.sought != self._sought:
            self._sought = self._measuring.sought
            self._holdings.seek(self._sought)
        settings = self._measuring.renewed()
        if settings is not None:
            self._internal = Internal(self._measuring.config, self._clock)
            self._holdings.measure_by(settings)

    def _sync(self, now: float) -> None:
        """Follow the group: what is not assigned is dropped, what is newly assigned is taken."""
        self._reader.membership.check_fenced()
        self._catalog.step(now)
        if self._ownership.new_generation():
            self._start_over(now)
        self._holdings.keep_only(self._reader.assigned())
        self._ownership.step(now)
        held = self._holdings.weight
        full = self._pressure.update(held)
        self._board.write(paused=full, held_bytes=held)
        if not full:
            self._let_labels_in(now)
        self._reader.read_only(self._readable(full))

    def _let_labels_in(self, now: float) -> None:
        """Labels wait for the predictions that they are about: one that comes first finds nothing, for good."""
        if not self._reader.labels:
            return
        leading = [tp for tp in self._reader.assigned() if tp.topic not in self._reader.labels]
        waited, self._labels_wait = self._labels_wait, not self._holdings.caught_up(leading, now)
        if waited and not self._labels_wait:
            self._holdings.look()

    def _readable(self, full: bool) -> frozenset[TopicPartition]:
        """What may be read: nothing while memory is `full`, and no labels while these wait."""
        if full:
            return frozenset()
        waiting = self._reader.labels if self._labels_wait else frozenset()
        return frozenset(tp for tp in self._holdings.readable() if tp.topic not in waiting)

    def _start_over(self, now: float) -> None:
        """After an assignment all partitions go to the ledger's offsets, retained ones too (hazard 3)."""
        self._holdings.drop_all()
        self._ownership.want_all(now)

    def _poll(self, now: float) -> Records:
        try:
            return self._reader.poll(POLL_MS)
        except BadBatchError as bad:
            self._holdings.skip(bad)
        except PositionLostError as lost:
            log.warning("positions are looked up again", why=str(lost))
            self._start_over(now)
        return {}

    def _sample(self, now: float) -> None:
        """How far Kafka has come, for "caught up" (rule 3) and for the watchdog (hazard 10)."""
        if now - self._sampled_at < SAMPLE_S:
            return
        self._sampled_at = now
        owned = {p.tp: p for p in self._holdings.partitions}
        ends = self._reader.ends(owned) if owned else {}
        for tp, end in (ends or {}).items():
            owned[tp].end, owned[tp].end_at = end, now
        self._board.write(
            partitions=tuple(self._holdings.statuses(now)), dropped_fields=dict(self._measuring.dropped)
        )
        self._note_kafka(now, answered=bool(ends) or self._reader.metadata_age_s() < KAFKA_SILENT_S)
        self._watch(now)

    def _watch(self, now: float) -> None:
        readable = self._readable(self._pressure.full)
        self._watchdog.keep_only(readable)
        for owned in self._holdings.partitions:
            position = self._reader.position(owned.tp)
            if owned.tp not in readable or position is None:
                continue
            if self._watchdog.stuck(owned.tp, position, owned.end, now):
                raise ConsumerBrokenError(f"{owned.tp} stands still at offset {position} of {owned.end}")

    def _note_kafka(self, now: float, *, answered: bool) -> None:
        if answered:
            self._answered_at = now
            self._reached()
        elif now - self._answered_at > KAFKA_SILENT_S:
            self._unreachable(f"Kafka at {self._servers} does not answer")

    def _unreachable(self, why: str) -> None:
        self._board.kafka(why)
        if not self._announced_unreachable:
            log.warning("kafka unreachable, trying on quietly", why=why)
        self._announced_unreachable = True

    def _reached(self) -> None:
        self._board.kafka(None)
        if self._announced_unreachable:
            log.info("kafka is back")
        self._announced_unreachable = False

    def _reopen(self, why: str) -> None:
        log.warning("consumer made anew", why=why)
        self._board.kafka(why)
        self._holdings.drop_all()
        self._ownership.forget_consumer()
        self._watchdog.keep_only(())
        self._reader.close()
        self._stopping.wait(REOPEN_S)
        self._reader.open(patient=True)
        self._answered_at = time.monotonic()

    def _lost(self, tp: TopicPartition) -> None:
        self._ownership.want_again(tp, time.monotonic())

    def _placed(
        self, tp: TopicPartition, owner: UUID, row: Progress, placement: Placement, bounds: Bounds
    ) -> None:
        announcements = self._internal.announcements(f"{tp.topic}[{tp.partition}]", placement)
        self._holdings.begin(tp, owner, row, placement, bounds, time.monotonic(), announcements)
