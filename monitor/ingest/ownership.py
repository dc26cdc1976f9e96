"""How partitions become ours: assigned, confirmed by a heartbeat, taken in the ledger, placed (rule 9)."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID, uuid4

import structlog
from kafka.structs import TopicPartition
from sqlalchemy import Engine

from monitor.errors import TopicChanged
from monitor.ingest import progress
from monitor.ingest.catalog import Catalog
from monitor.ingest.membership import Generation
from monitor.ingest.placement import Placement, place
from monitor.ingest.progress import Progress
from monitor.ingest.reader import Bounds, Reader
from monitor.ingest.writer import Ticket, Writer

log = structlog.get_logger(__name__)

PAUSE_S: Final = 0.2
BACK_OFF_S: Final = 1.0
AHEAD_S: Final = 5.0


@dataclass(slots=True)
class _Wanted:
    """An assigned partition that is not ours yet; `ahead_since` is when it was first ahead of Kafka."""

    not_before: float
    ticket: Ticket | None = None
    owner: UUID | None = None
    row: Progress | None = None
    ahead_since: float | None = None


Placed = Callable[[TopicPartition, UUID, Progress, Placement, Bounds], None]


class Ownership:
    """Turns assigned partitions into owned ones, on the reader's thread; `placed` is called for each."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        catalog: Catalog,
        engine: Engine,
        clock: Callable[[], int],
        placed: Placed,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._catalog = catalog
        self._engine = engine
        self._clock = clock
        self._placed = placed
        self._wanted: dict[TopicPartition, _Wanted] = {}
        self._committed: dict[progress.Key, int] = {}
        self._generation: Generation | None = None

    @property
    def waiting(self) -> frozenset[TopicPartition]:
        """Assigned partitions that may not be read yet."""
        return frozenset(self._wanted)

    def committed(self, key: progress.Key, offset: int) -> None:
        """Remember what this process stored of a partition last (rule 7)."""
        self._committed[key] = offset

    def new_generation(self) -> bool:
        """Whether the group has a new generation: then all partitions have to be taken again (hazard 3)."""
        generation = self._reader.membership.generation()
        if generation is None or generation == self._generation:
            return False
        self._generation = generation
        return True

    def want_all(self, now: float) -> None:
        """Start over with all partitions that are assigned now."""
        for wanted in self._wanted.values():
            if wanted.ticket is not None:
                wanted.ticket.cancel()
        self._wanted = {tp: _Wanted(now) for tp in self._reader.assigned()}

    def want_again(self, tp: TopicPartition, now: float) -> None:
        """Another process took the partition: come back after a random pause, if it is still assigned."""
        self._wanted[tp] = _Wanted(now + random.uniform(PAUSE_S, BACK_OFF_S))

    def forget_consumer(self) -> None:
        """The consumer was made anew: nothing is assigned."""
        for wanted in self._wanted.values():
            if wanted.ticket is not None:
                wanted.ticket.cancel()
        self._wanted = {}
        self._generation = None

    def step(self, now: float) -> None:
        """Go on with every wanted partition, as far as it can go without waiting."""
        assigned = self._reader.assigned()
        for tp in [tp for tp in self._wanted if tp not in assigned]:
            del self._wanted[tp]
        self._acquire(now)
        self._place(now)

    def _acquire(self, now: float) -> None:
        due = {
            tp: topic_id
            for tp, wanted in self._wanted.items()
            if wanted.ticket is None and wanted.row is None and wanted.not_before <= now
            if (topic_id := self._catalog.topic_id(tp.topic)) is not None
        }
        if not due:
            return
        if not self._reader.membership.confirm():
            for tp in due:
                self._wanted[tp].not_before = now + PAUSE_S
            return
        confirmed_at = time.monotonic()
        for tp, topic_id in due.items():
            self._bump(tp, (topic_id, tp.partition), confirmed_at)

    def _bump(self, tp: TopicPartition, key: progress.Key, confirmed_at: float) -> None:
        wanted = self._wanted[tp]
        owner = uuid4()

        def bumped(row: Progress | None, error: Exception | None) -> None:
            if self._wanted.get(tp) is not wanted:
                return
            wanted.ticket = None
            if error is not None:
                raise error
            wanted.not_before = time.monotonic() + PAUSE_S
            wanted.owner, wanted.row = owner, row

        work = partial(progress.acquire, self._engine, key, owner, confirmed_at)
        wanted.ticket = self._writer.submit(work, bumped)

    def _place(self, now: float) -> None:
        ready = [tp for tp, w in self._wanted.items() if w.row is not None and w.ahead_since is None]
        ready += [tp for tp, w in self._wanted.items() if w.ahead_since is not None and w.not_before <= now]
        if not ready:
            return
        bounds = self._reader.bounds(ready)
        if bounds is None:
            return
        for tp in ready:
            self._place_one(tp, bounds[tp], now)

    def _place_one(self, tp: TopicPartition, bounds: Bounds, now: float) -> None:
        wanted = self._wanted[tp]
        row, owner = wanted.row, wanted.owner
        if row is None or owner is None or row.next_offset is None:
            return
        name = f"{tp.topic}[{tp.partition}]"
        committed = self._committed.get((row.topic_id, tp.partition))
        try:
            placement = place(name, row.next_offset, bounds.begin, bounds.end, committed, self._clock())
        except TopicChanged:
            # A new leader may not know for a moment how far its partition has come.
            wanted.ahead_since = now if wanted.ahead_since is None else wanted.ahead_since
            if now - wanted.ahead_since >= AHEAD_S:
                raise
            wanted.not_before = now + PAUSE_S
            return
        del self._wanted[tp]
        self._placed(tp, owner, row, placement, bounds)
