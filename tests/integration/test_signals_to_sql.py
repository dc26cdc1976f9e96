"""From a record's bytes to the views: signals that rules ask for, the user's own, and labels that come later."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql import insert

from monitor import config
from monitor.ingest.measuring import Measuring
from monitor.judge.session import Session
from monitor.ledger import tables
from monitor.ledger.engine import connect
from monitor.ledger.models import checkpoint, topic_partition
from monitor.ledger.signal_rows import register_all
from monitor.records.codec import encode
from monitor.records.decode import RawBatch

ALERTS = """
name: test
source: {bootstrap_servers: "k:9092", topic: predictions}
store: {url: "postgresql://u:p@h/d"}
receivers: {default: {slack: {url: "http://127.0.0.1:9/"}}}
signals:
  income: {kind: distribution, field: /features/income_eur}
  declined: {kind: rate, field: prediction, when: [DECLINE]}
  job: {kind: category, field: /features/job}
rules:
  - {name: caches, signal: stale_cache, above: 2x}
  - {name: flips, signal: inconsistent, above: 2x}
  - {name: nulls, signal: [missing.output, missing.user], above: +1pp}
  - {name: accuracy, signal: incorrect, above: 2x}
  - {name: own, signal: [declined, missing.income], above: 2x}
  - {name: inputs, signal: [income, job], drift: both}
"""
AT = {"topic_id": "00000000-0000-0000-0000-000000000001", "partition": 0}


class Log:
    """Records of one partition on their way into a ledger."""

    def __init__(self, url: str, folder: Path) -> None:
        path = folder / "alerts.yaml"
        path.write_text(ALERTS)
        self.settings = config.load(path, environ={})
        self.engine: Engine = connect(url)
        self.clock_ms = time.time_ns() // 1_000_000
        self.start_ms = (self.clock_ms - 600_000) // 10_000 * 10_000
        tables.ensure_partitions(self.engine)
        register_all(self.engine, self.settings.signals)

    def judge(self, *records: dict[str, Any]) -> None:
        """Store one checkpoint of the records, all of model `chat` and in the first pane, and judge it."""
        values = [json.dumps({"model": "chat", "ts": self.start_ms} | fields).encode() for fields in records]
        measuring = Measuring(self.settings, self.engine)
        aggregator = measuring.aggregator("predictions", 0, 0, None)
        aggregator.add(RawBatch(range(len(values)), [self.start_ms] * len(values), values), self.clock_ms)
        intake = measuring.translate(aggregator.take())
        moved = {"next_offset": intake.next_offset, "seq": 1, "counted": intake.counted}
        times = {"max_event_ms": intake.max_event_ms, "max_kafka_ms": intake.max_kafka_ms}
        seen = {"last_record_ms": self.clock_ms, "clock_ms": self.clock_ms, "caught_up": True}
        with self.engine.begin() as connection:
            connection.execute(insert(topic_partition).values(topic="predictions", **AT, **moved))
            row = {"from_offset": 0, "skipped": 0, "deltas": encode(intake.delta)}
            connection.execute(insert(checkpoint).values(**AT, **moved, **times, **seen, **row))
        judge = Session(self.settings, self.engine, uuid4())
        while judge.tick()[1]:
            pass

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]

    def rates(self, *names: str) -> dict[str, tuple[int, int]]:
        rows = self.read("SELECT signal, k, n FROM tocsin.rates WHERE stream = 'chat'")
        return {name: (k, n) for name, k, n in rows if name in names}


@pytest.fixture
def log(ledger_url: str, tmp_path: Path):
    made = Log(ledger_url, tmp_path)
    yield made
    made.engine.dispose()


def test_signals_that_rules_ask_for(log: Log) -> None:
    hit = {"version": "v2", "cache_hit": True, "input": "a", "output": "b"}
    log.judge(
        hit | {"cached_version": "v1", "user": "ada"},
        hit | {"cached_version": "v2", "output": "c"},
        {"version": "v2", "input": "a"},
    )
    assert log.rates("stale_cache", "inconsistent", "missing.output", "missing.user", "missing.input") == {
        "stale_cache": (1, 2),
        "inconsistent": (1, 1),
        "missing.output": (1, 3),
        "missing.user": (2, 3),
    }
    assert "ada" not in str(log.read("SELECT record FROM tocsin.samples"))


def test_signals_of_the_user(log: Log) -> None:
    log.judge(
        {"prediction": "DECLINE", "features": {"income_eur": 30_000, "job": "nurse"}},
        {"prediction": "APPROVE", "features": {"income_eur": 50_000, "job": "nurse"}},
        {"prediction": "APPROVE", "features": {"job": "cook"}},
        {"status": "error", "prediction": "DECLINE"},
    )
    assert log.rates("declined", "missing.income") == {"declined": (1, 3), "missing.income": (1, 3)}
    [(n, median)] = log.read("SELECT n, p50 FROM tocsin.quantiles WHERE signal = 'income'")
    assert (n, median) == (2, pytest.approx(30_000, rel=0.01))
    jobs = log.read("SELECT category, n FROM tocsin.categories WHERE signal = 'job' ORDER BY n DESC")
    assert jobs == [("nurse", 2), ("cook", 1)]
    assert log.read("SELECT name FROM tocsin_ledger.category WHERE signal > 1000 ORDER BY 1") == [
        ("cook",),
        ("nurse",),
    ]


def test_a_label_that_comes_later_beside_the_share_that_has_none(log: Log) -> None:
    log.judge(
        {"prediction": "a", "label": "a"},
        {"prediction": "a"},
        {"prediction": "b"},
        {"type": "label", "id": "1", "prediction": "a", "label": "b"},
    )
    assert log.rates("incorrect", "missing.label") == {"incorrect": (1, 2), "missing.label": (2, 3)}
    assert log.read("SELECT sum(n) FROM tocsin.panes") == [(3,)]
    assert log.read("SELECT counted FROM tocsin.progress") == [(4,)]
