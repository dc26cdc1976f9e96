"""A log judged by `run`'s own parts on a ledger: partitions that are read and stored, and judges that come and go."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from random import Random
from typing import Any, Final
from uuid import uuid4

import numpy as np
from kafka.structs import TopicPartition
from sqlalchemy import Engine, text
from verdicts import QUIET_MS, Verdicts, ledger_names, random_cuts, verdicts

from monitor.cli.lines import Lines
from monitor.config.model import Config
from monitor.errors import LeaseLost
from monitor.ingest.checkpoint import store
from monitor.ingest.measuring import Measuring
from monitor.ingest.partition import OwnedPartition
from monitor.ingest.progress import acquire, enlist
from monitor.judge.compiling import compile_plan
from monitor.judge.session import Session
from monitor.judge.verdicts import Decision
from monitor.judge.watermark import MAX_HOLD_MS
from monitor.ledger.tables import DAY_MS, ensure_partitions
from monitor.records.delta import SLOT_MS

TOPIC_ID: Final = "00000000-0000-0000-0000-000000000001"
LAGS, CATCHES_UP, JUDGES, TROUBLES_ONE_IN = 0.2, 0.3, 0.4, 3


@dataclass(frozen=True, slots=True)
class Spread:
    """How lines become checkpoints: over how many partitions, about how many at once.

    With `lags` a partition may fall behind for a while; with `rebalances` a process goes on that has seen nothing.
    """

    partitions: int
    lines: int
    lags: bool
    rebalances: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A line as Kafka has it: stamped by the clock when it came, the largest time so far."""

    offset: int
    partition: int
    clock_ms: int
    value: bytes


def by_session(
    engine: Engine, config: Config, lines: Lines, homes: Sequence[int], spread: Spread, rng: Random
) -> Verdicts:
    """Read, stored and judged at random moments; `homes` are the partitions of the lines."""
    clocks = np.maximum.accumulate(lines.ts_ms).tolist()
    for day in range(clocks[0] // DAY_MS, clocks[-1] // DAY_MS + 1):
        ensure_partitions(engine, day * DAY_MS)
    ingest, judge = Ingest(engine, config, spread, rng), Judges(engine, config, rng)
    columns = zip(lines.numbers.tolist(), homes, clocks, lines.values, strict=True)
    arrivals = [Arrival(*column) for column in columns]
    for first, end in pairwise([0, *random_cuts(rng, len(arrivals), spread.lines), len(arrivals)]):
        ingest.step(arrivals[first:end])
        if rng.random() < JUDGES:
            judge.drain()
            judge.trouble()
    ingest.settle(clocks[-1] + QUIET_MS)
    judge.drain()
    judge.close()
    with engine.connect() as conn:
        return verdicts(judge.decisions, ledger_names(conn))


class Ingest:
    """The partitions of a topic, all read by one process at a time."""

    def __init__(self, engine: Engine, config: Config, spread: Spread, rng: Random) -> None:
        self._engine, self._config, self._spread, self._rng = engine, config, spread, rng
        self._by_second = bool(compile_plan(config).kills)
        self._waiting: dict[int, list[Arrival]] = defaultdict(list)
        self._behind_since: dict[int, int] = {}
        enlist(engine, config.source.topics[0], TOPIC_ID, dict.fromkeys(range(spread.partitions), 0))
        self._assign()

    def step(self, arrivals: Sequence[Arrival]) -> None:
        """Take up what came; each partition that is not behind has a checkpoint of the same clock."""
        clock_ms = arrivals[-1].clock_ms
        for arrival in arrivals:
            self._waiting[arrival.partition].append(arrival)
        for partition in self._owned:
            if not self._stays_behind(partition, clock_ms):
                falls = self._spread.lags and partition in self._waiting and self._rng.random() < LAGS
                self._store(partition, clock_ms, caught_up=not falls)
                self._behind_since |= {partition: clock_ms} if falls else {}
        if self._spread.rebalances and self._rng.random() < LAGS:
            self._assign()

    def settle(self, clock_ms: int) -> None:
        """Read the rest, and become quiet."""
        for partition in self._owned:
            self._store(partition, clock_ms - QUIET_MS)
        for partition in self._owned:
            self._store(partition, clock_ms)

    def _stays_behind(self, partition: int, clock_ms: int) -> bool:
        """One that stands still for longer is left out by the judge, so that its records would come late."""
        since_ms = self._behind_since.get(partition)
        if since_ms is None:
            return False
        if clock_ms - since_ms < MAX_HOLD_MS and self._rng.random() >= CATCHES_UP:
            return True
        del self._behind_since[partition]
        return False

    def _assign(self) -> None:
        """Give all partitions to a process that has just begun."""
        measuring, topic = Measuring(self._config, self._engine), self._config.source.topics[0]
        self._translate, self._owned = measuring.translate, dict[int, OwnedPartition]()
        for number in range(self._spread.partitions):
            owner, now = uuid4(), time.monotonic()
            row = acquire(self._engine, (TOPIC_ID, number), owner, now)
            assert row is not None
            assert row.next_offset is not None
            self._owned[number] = OwnedPartition.begin(
                TopicPartition(topic, number), owner, row, row.next_offset, measuring.aggregator, now
            )

    def _store(self, partition: int, clock_ms: int, *, caught_up: bool = True) -> None:
        owned, now = self._owned[partition], time.monotonic()
        arrivals = self._waiting.pop(partition, [])
        for batch in self._batches(arrivals):
            owned.add([(a.offset, a.clock_ms, a.value) for a in batch], batch[-1].clock_ms)
        position = arrivals[-1].offset + 1 if arrivals else owned.expected
        owned.end, owned.end_at = position if caught_up else position + 1, now
        checkpoint = owned.take(position, clock_ms, now)
        store(self._engine, checkpoint, self._translate)
        owned.landed(checkpoint)

    def _batches(self, arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
        """Second by second where a kill asks how fresh a record is, as a live reader takes them up."""
        if not self._by_second:
            return iter([list(arrivals)] if arrivals else [])
        return (list(batch) for _, batch in groupby(arrivals, lambda a: a.clock_ms // SLOT_MS))


class _Interrupted(Exception):
    """A commit that failed."""


class _Heard(Session):
    """A judge that keeps what it committed."""

    decisions: list[Decision]
    interrupted = False

    def _commit(self, held: Any, fresh: Any, moved: Any, given: Any) -> Any:
        happened = super()._commit(held, fresh, moved, given)
        self.decisions += moved.decisions
        return happened

    def _health(self, *args: Any) -> Any:
        if self.interrupted:
            raise _Interrupted
        return super()._health(*args)


class Judges:
    """One session after the other; what they decided is kept in the order of their commits."""

    def __init__(self, engine: Engine, config: Config, rng: Random) -> None:
        self._engine, self._config, self._rng = engine, config, rng
        self.decisions: list[Decision] = []
        self._session = self._new()

    def drain(self) -> None:
        """Judge all that was stored."""
        while self._session.tick()[1]:
            pass

    def trouble(self) -> None:
        """Now and then the judge does not stay as it is."""
        if self._rng.randrange(TROUBLES_ONE_IN) == 0:
            self._rng.choice(TROUBLES)(self)

    def close(self) -> None:
        self._session.resign()

    def resigns(self) -> None:
        self._session.resign()
        self._session = self._new()

    def dies(self) -> None:
        self._expire()
        self._session = self._new()

    def is_overtaken(self) -> None:
        self._expire()
        before, self._session = self._session, self._new()
        self.drain()
        try:
            before.tick()
        except LeaseLost:
            return
        raise AssertionError("two judges at once")

    def fails_to_commit(self) -> None:
        self._session.interrupted = True
        try:
            self._session.tick()
        except _Interrupted:
            self._session.drop()
            self._expire()
        self._session.interrupted = False

    def reloads(self) -> None:
        self._session.reconfigure(self._config)

    def _new(self) -> _Heard:
        made = _Heard(self._config, self._engine, uuid4())
        made.decisions = self.decisions
        return made

    def _expire(self) -> None:
        with self._engine.begin() as conn:
            conn.execute(text("UPDATE tocsin_ledger.judge_lease SET expires_at = now() - interval '1 s'"))


TROUBLES: Final[Sequence[Callable[[Judges], None]]] = (
    Judges.resigns,
    Judges.dies,
    Judges.is_overtaken,
    Judges.fails_to_commit,
    Judges.reloads,
)
