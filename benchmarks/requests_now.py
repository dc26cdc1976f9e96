"""Requests as they are made, at the clock's speed, that can be made to fail."""

import threading
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from benchmarks.bench_topic import PARTITIONS
from monitor.errors import KafkaUnavailable
from monitor.local.load import bench_records

PER_SECOND: Final = 50
POOL: Final = 1_000
LINGER_MS: Final = 5
END_WITHIN_S: Final = 5.0


class RequestsNow:
    """Writes 50 records a second on a thread of its own; Kafka's timestamp, which is the clock, is event time."""

    def __init__(self, servers: str, topic: str) -> None:
        self._topic = topic
        self._producer = KafkaProducer(bootstrap_servers=servers, linger_ms=LINGER_MS, acks=1)
        self._healthy, self._failing = _pool(failing=0.0), _pool(failing=1.0)
        self._spiking = threading.Event()
        self._began = threading.Event()
        self._began_ms = 0
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="requests", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(END_WITHIN_S)
        self._producer.close(timeout=END_WITHIN_S)

    def fail(self) -> int:
        """From now on all requests fail; returns when the first of them was sent, in ms of the clock."""
        self._began.clear()
        self._spiking.set()
        if not self._began.wait(END_WITHIN_S) or self._failure is not None:
            raise KafkaUnavailable(f"requests cannot be written to Kafka: {self._failure}")
        return self._began_ms

    def recover(self) -> None:
        """From now on all requests succeed."""
        self._spiking.clear()

    def _run(self) -> None:
        began, n = time.monotonic(), 0
        try:
            while not self._stopping.wait(max(0.0, began + n / PER_SECOND - time.monotonic())):
                self._send(n)
                n += 1
        except KafkaError as error:
            self._failure = error
            self._began.set()

    def _send(self, n: int) -> None:
        spiking, now_ms = self._spiking.is_set(), time.time_ns() // 1_000_000
        pool = self._failing if spiking else self._healthy
        partition = n % PARTITIONS
        self._producer.send(self._topic, pool[n % POOL], partition=partition, timestamp_ms=now_ms)
        if spiking and not self._began.is_set():
            self._began_ms = now_ms
            self._began.set()


def _pool(failing: float) -> Sequence[bytes]:
    """Records of the load without `ts`: their time is Kafka's."""
    (batch,) = bench_records(POOL, 0, per_second=PER_SECOND, failing=failing)
    records = [msgspec.json.decode(value) for value in batch.values]
    return [msgspec.json.encode({name: v for name, v in r.items() if name != "ts"}) for r in records]
