"""Records of one partition on their way into a ledger, for tests from a record's bytes to the views."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql import insert

from monitor import config
from monitor.ingest.measuring import Measuring
from monitor.judge.session import Session
from monitor.ledger import tables
from monitor.ledger.counted import checkpoint, topic_partition
from monitor.ledger.engine import connect
from monitor.ledger.signal_rows import register_all
from monitor.records.codec import encode
from monitor.records.decode import RawBatch

BASE = """
name: test
source: {bootstrap_servers: "k:9092", topic: predictions}
store: {url: "postgresql://u:p@h/d"}
receivers: {default: {slack: {url: "http://127.0.0.1:9/"}}}
"""
AT = {"topic_id": "00000000-0000-0000-0000-000000000001", "partition": 0}


class Log:
    """A ledger, and what measures and judges records for it; `alerts` goes on from `base`."""

    def __init__(self, url: str, folder: Path, alerts: str, base: str = BASE) -> None:
        path = folder / "alerts.yaml"
        path.write_text(base + alerts)
        self.settings = config.load(path, environ={})
        self.engine: Engine = connect(url)
        self.clock_ms = time.time_ns() // 1_000_000
        self.start_ms = (self.clock_ms - 600_000) // 10_000 * 10_000
        tables.ensure_partitions(self.engine)
        register_all(self.engine, self.settings.signals)
        self.judges = Session(self.settings, self.engine, uuid4())
        self.seq = 0
        self.restart()

    def restart(self) -> None:
        """Forget what only a process knows."""
        self.measuring = Measuring(self.settings, self.engine)
        self.aggregator = self.measuring.aggregator("predictions", 0, 0, None)

    def judge(self, *records: dict[str, Any]) -> None:
        """Store one checkpoint of the records, of model `chat` and in the first pane unless told, and judge it."""
        self.store(json.dumps({"model": "chat", "ts": self.start_ms} | fields).encode() for fields in records)
        while self.judges.tick()[1]:
            pass

    def store(self, records: Iterable[bytes]) -> None:
        """Store one checkpoint of the records."""
        values = list(records)
        with self.engine.begin() as connection:
            known = connection.execute(
                text("SELECT coalesce(max(next_offset), 0) FROM tocsin_ledger.topic_partition")
            )
            first = int(known.scalar_one())
        batch = RawBatch(range(first, first + len(values)), [self.clock_ms] * len(values), values)
        self.aggregator.add(batch, self.clock_ms)
        intake = self.measuring.translate(self.aggregator.take())
        self.seq += 1
        moved = {"next_offset": intake.next_offset, "seq": self.seq, "counted": intake.counted}
        times = {"max_event_ms": intake.max_event_ms, "max_kafka_ms": intake.max_kafka_ms}
        seen = {"last_record_ms": self.clock_ms, "clock_ms": self.clock_ms, "caught_up": True}
        with self.engine.begin() as connection:
            row = insert(topic_partition).values(topic="predictions", **AT, **moved)
            added = moved | {"counted": topic_partition.c.counted + intake.counted}
            here = row.on_conflict_do_update(index_elements=["topic_id", "partition"], set_=added)
            connection.execute(here)
            rest = {"from_offset": first, "skipped": 0, "deltas": encode(intake.delta)}
            connection.execute(insert(checkpoint).values(**AT, **moved, **times, **seen, **rest))

    def read(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def rates(self, *names: str) -> dict[str, tuple[int, int]]:
        rows = self.read("SELECT signal, k, n FROM tocsin.rates WHERE stream = 'chat'")
        return {name: (k, n) for name, k, n in rows if name in names}
