"""A ledger with checkpoints written as ingest writes them, and sessions that judge it."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from judging import HEAD
from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql import insert

from monitor import config
from monitor.config.model import Config
from monitor.judge.session import Session
from monitor.ledger import tables
from monitor.ledger.counted import checkpoint, stream, topic_partition
from monitor.records.codec import encode
from monitor.records.delta import KAFKA_CLOCK, Cells, Delta, Slots
from monitor.records.signals import BY_NAME

TOPIC = "00000000-0000-0000-0000-000000000001"
REQUESTS, ERROR = BY_NAME["requests"].code, BY_NAME["error"].code
RULES = """
reference: {learn: 1000, at_least: 0s}
rules:
  - {name: errors, signal: error, match: {model: chat-eu}, above: {warning: 2x, critical: 10%}, kill: chat}
"""


def errors(start_ms: int, panes: Iterable[tuple[int, int]], slots: bool = False) -> Delta:
    """(n, k) for each following pane from `start_ms` on, of stream 1; with `slots`, spread over its seconds too."""
    rows, seconds = [], []
    for i, (n, k) in enumerate(panes):
        p = start_ms // 10_000 + i
        rows += [(1, 0, REQUESTS, p, p, 0, n), (1, 0, ERROR, p, p, 0, n - k), (1, 0, ERROR, p, p, 1, k)]
        for s in range(10 if slots else 0):
            each = [(0, (n - k) // 10), (1, k // 10)]
            seconds += [(KAFKA_CLOCK, 1, ERROR, p * 10 + s, bucket, count) for bucket, count in each if count]
    cells = np.array([r for r in rows if r[6]], np.int64).reshape(-1, 7).T
    return Delta(cells=Cells(*cells), slots=Slots(*np.array(seconds, np.int64).reshape(-1, 6).T))


@dataclass
class Ledger:
    """One topic's partitions in a migrated ledger; event time starts `age_s` ago."""

    engine: Engine
    settings: Config
    start_ms: int
    seq: dict[int, int] = field(default_factory=dict)
    offset: dict[int, int] = field(default_factory=dict)

    def store(
        self,
        delta: Delta,
        until_ms: int,
        n: int,
        *,
        partition: int = 0,
        caught_up: bool = True,
        clock_ms: int = 0,
    ) -> None:
        """Commit one checkpoint of `n` records that reach until `until_ms`."""
        seq = self.seq[partition] = self.seq.get(partition, 0) + 1
        first = self.offset.get(partition, 0)
        self.offset[partition] = first + n
        now_ms = clock_ms or time.time_ns() // 1_000_000
        at = {"topic_id": TOPIC, "partition": partition}
        counted = {"next_offset": first + n, "seq": seq, "counted": first + n}
        with self.engine.begin() as conn:
            row = insert(topic_partition).values(topic="predictions", **at, **counted)
            conn.execute(row.on_conflict_do_update(index_elements=["topic_id", "partition"], set_=counted))
            conn.execute(
                insert(checkpoint).values(
                    **at,
                    seq=seq,
                    from_offset=first,
                    next_offset=first + n,
                    max_event_ms=until_ms,
                    max_kafka_ms=until_ms,
                    last_record_ms=now_ms,
                    clock_ms=now_ms,
                    caught_up=caught_up,
                    counted=n,
                    skipped=0,
                    deltas=encode(delta),
                )
            )

    def store_errors(self, first: int, panes: list[tuple[int, int]], **more: Any) -> None:
        """One checkpoint with panes from number `first` on, seen until the last one's end."""
        begin = self.start_ms + first * 10_000
        delta = errors(begin, panes, slots=more.pop("slots", False))
        self.store(delta, begin + len(panes) * 10_000 - 1, sum(n for n, _ in panes), **more)

    def session(self) -> Session:
        return Session(self.settings, self.engine, uuid4())

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.engine.begin() as conn:
            return [tuple(r) for r in conn.execute(text(query))]

    def expire_lease(self) -> None:
        with self.engine.begin() as conn:
            conn.execute(text("UPDATE tocsin_ledger.judge_lease SET expires_at = now() - interval '1 s'"))


def settings_of(folder: Path, rules: str = RULES, head: str = HEAD) -> Config:
    path = folder / "alerts.yaml"
    path.write_text(head + rules)
    return config.load(path, environ={})


def prepared(engine: Engine, settings: Config, age_s: int) -> Ledger:
    """A ledger with stream 1 admitted, its event time `age_s` seconds back, at the start of a pane."""
    tables.ensure_partitions(engine)
    with engine.begin() as conn:
        conn.execute(insert(stream).values(key="chat-eu", labels={"model": "chat-eu"}))
    start_ms = (time.time_ns() // 1_000_000 - age_s * 1000) // 10_000 * 10_000
    return Ledger(engine, settings, start_ms)


def drained(judge: Session) -> Session:
    """Tick until nothing is left over."""
    while judge.tick()[1]:
        pass
    return judge
