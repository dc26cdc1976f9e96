"""A producer whose transactions stay open for a while, and end with all of their records or with none."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import msgspec
import structlog
from fault_load import ABORTED, Load, Record
from kafka import KafkaProducer
from kafka.errors import KafkaError

from monitor.local.feed import now_ms

RECORDS: Final = 60
ROUNDS: Final = 6
# The broker ends what a producer left open.
OPEN_MS: Final = 15_000
# Where Kafka is away for too long, kafka-python says so in each of these ways.
FAILURES: Final = (KafkaError, RuntimeError, AssertionError)

log = structlog.get_logger("faults")


class Transactions:
    """One transaction at a time, in a thread; `over(commits)` is called when it has ended as it was to end."""

    def __init__(self, servers: str, topic: str, load: Load, over: Callable[[bool], None]) -> None:
        self._servers, self._topic, self._load, self._over = servers, topic, load, over
        self._thread: threading.Thread | None = None

    def begin(self, lasts_s: float, *, commits: bool) -> None:
        """Write in a transaction for so long; nothing happens while one is open."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._run, args=(lasts_s, commits), daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Wait until the last one has ended, if need be by the broker."""
        if self._thread is not None:
            self._thread.join(4 * OPEN_MS / 1000)

    def _run(self, lasts_s: float, commits: bool) -> None:
        try:
            with self._producer() as producer:
                self._transact(producer, lasts_s, commits)
        except FAILURES as error:
            log.info("transaction given up", why=str(error))
            self._end()
            return
        self._over(commits)

    @contextmanager
    def _producer(self) -> Iterator[KafkaProducer]:
        """What another producer of this id has left open is ended."""
        settings = {"transactional_id": "faults", "transaction_timeout_ms": OPEN_MS}
        with closing(KafkaProducer(bootstrap_servers=self._servers, **settings)) as producer:
            producer.init_transactions()
            yield producer

    def _end(self) -> None:
        until = time.monotonic() + OPEN_MS / 1000
        while time.monotonic() < until:
            try:
                with self._producer():
                    return
            except FAILURES:
                time.sleep(1.0)

    def _transact(self, producer: KafkaProducer, lasts_s: float, commits: bool) -> None:
        producer.begin_transaction()
        sent: list[tuple[Record, Any]] = []
        for _ in range(ROUNDS):
            sent += self._write(producer, commits)
            time.sleep(lasts_s / ROUNDS)
        if not commits:
            producer.abort_transaction()
            return
        producer.commit_transaction()
        for one, future in sent:
            metadata = future.get(0)
            self._load.taken(one.number, metadata.partition, metadata.offset)

    def _write(self, producer: KafkaProducer, commits: bool) -> list[tuple[Record, Any]]:
        partitions = sorted(producer.partitions_for(self._topic))
        at_ms, sent = now_ms(), []
        for one in self._load.reserve(RECORDS // ROUNDS):
            body = self._load.body(one, at_ms) if commits else msgspec.json.encode({"model": ABORTED})
            partition, key = partitions[one.number % len(partitions)], b"%d" % one.number
            sent.append((one, producer.send(self._topic, body, key, partition=partition, timestamp_ms=at_ms)))
        producer.flush()
        return sent
