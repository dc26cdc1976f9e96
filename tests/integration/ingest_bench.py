"""What the tests of ingest have in common: records in a topic, an Ingest on it, and SQL to count by."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from sqlalchemy import Engine, text

from monitor.config.loading import load
from monitor.ingest import Ingest
from monitor.ledger.engine import connect

ALERTS = """
name: test
source: {source}
store: {{url: "{url}"}}
receivers: {{default: {{slack: {{url: "http://127.0.0.1:9/"}}}}}}
rules:
  - {{name: errors, signal: error, above: 10%}}
"""


def clock_ms() -> int:
    return time.time_ns() // 1_000_000


def record(n: int, **fields: Any) -> bytes:
    """A good prediction record."""
    return json.dumps({"model": "chat", "id": str(n), "latency_ms": n % 100 + 1} | fields).encode()


def records(n: int) -> list[bytes]:
    return [record(i) for i in range(n)]


def until(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
    """The first true value of `condition`; fails when there is none in time."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so within {within_s} s"
        time.sleep(0.05)
    return found


@dataclass(slots=True)
class Bench:
    """Real servers for one test: where records are produced to, and the ledger to ask."""

    servers: str
    url: str
    folder: Path
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = connect(self.url)

    def alerts(self, topic: str, **source: str) -> Path:
        """An alerts.yaml for `topic`; `source` is further keys of its source."""
        keys = {"bootstrap_servers": self.servers, "topic": topic, "group": topic, "start": "earliest"}
        path = self.folder / f"{topic}.yaml"
        path.write_text(ALERTS.format(source=json.dumps(keys | source), url=self.url))
        return path

    def produce(self, topic: str, values: Iterable[bytes | None], partition: int = 0, **options: Any) -> None:
        settings = {"bootstrap_servers": self.servers, "linger_ms": 5} | options
        with closing(KafkaProducer(**settings)) as producer:
            for value in values:
                producer.send(topic, value, key=b"key" if value is None else None, partition=partition)
            producer.flush()

    @contextmanager
    def ingesting(
        self, topic: str, *, source: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[Ingest]:
        """An Ingest that runs for the length of the block and then stops in order."""
        engine = connect(self.url)
        settings = {
            "clock": clock_ms,
            "instance": None,
            "accept_new_topic": False,
            "on_checkpoint": lambda: None,
        }
        config = load(self.alerts(topic, **(source or {})), environ={})
        ingest = Ingest(config, engine, **(settings | options))
        ingest.start()
        try:
            yield ingest
        finally:
            ingest.stop(time.monotonic() + 5.0)
            engine.dispose()

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def one(self, query: str, **values: Any) -> Any:
        return self.rows(query, **values)[0][0]

    def run(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def totals(self) -> tuple[int, int]:
        """Records counted and records skipped, by the ledger."""
        query = (
            "SELECT coalesce(sum(counted), 0)::int, coalesce(sum(skipped), 0)::int"
            " FROM tocsin_ledger.topic_partition"
        )
        counted, skipped = self.rows(query)[0]
        return counted, skipped

    def accounted(self) -> int:
        return sum(self.totals())

    def skipped(self) -> list[tuple[Any, ...]]:
        """Skipped ranges: partition, first, last, reason."""
        return self.rows(
            "SELECT partition, first_offset, last_offset, reason"
            " FROM tocsin_ledger.skipped_range ORDER BY 1, 2"
        )

    def check_chain(self) -> None:
        """Every partition's checkpoints follow one another without a gap or an overlap."""
        chains: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
        query = (
            "SELECT topic_id, partition, seq, from_offset, next_offset"
            " FROM tocsin_ledger.checkpoint ORDER BY 1, 2, 3"
        )
        for topic_id, partition, *link in self.rows(query):
            chains.setdefault((topic_id, partition), []).append(tuple(link))
        for chain in chains.values():
            assert [seq for seq, _, _ in chain] == list(range(1, len(chain) + 1))
            assert all(before[2] == after[1] for before, after in pairwise(chain))


@contextmanager
def process(alerts: Path, *instance: str) -> "Iterator[subprocess.Popen[bytes]]":
    script = Path(__file__).with_name("ingest_process.py")
    running = subprocess.Popen(
        [sys.executable, str(script), str(alerts), *instance], stderr=subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@contextmanager
def bench_of(servers: str, url: str, folder: Path) -> Iterator[Bench]:
    bench = Bench(servers, url, folder)
    yield bench
    bench.engine.dispose()
