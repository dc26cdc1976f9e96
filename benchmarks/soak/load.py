"""Records at a steady rate, written as their time comes."""

import threading
import time
from collections.abc import Iterator

from kafka import KafkaProducer

from benchmarks.bench_topic import CODEC, LINGER_MS, PARTITIONS
from monitor.local.load import Batch, bench_records


class Load:
    """A producer in a thread, for the length of a `with` block; `sent` counts what Kafka has taken."""

    def __init__(self, servers: str, topic: str, rate: int, streams: int) -> None:
        self._topic, self._rate, self._streams = topic, rate, streams
        self._producer = KafkaProducer(
            bootstrap_servers=servers, compression_type=CODEC, linger_ms=LINGER_MS, acks="all"
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self.sent = 0

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._producer.close()

    def stop(self) -> None:
        """Write no more; everything written has reached Kafka."""
        self._stopping.set()
        self._thread.join()
        self._producer.flush()

    def _write(self) -> None:
        start_ms = time.time_ns() // 1_000_000
        for ts_ms, key, value, partition in self._records(start_ms):
            wait_s = ts_ms / 1000 - time.time()
            if wait_s > 0.02 and self._stopping.wait(wait_s):
                return
            self._producer.send(self._topic, value, key, partition=partition, timestamp_ms=ts_ms)
            self.sent += 1

    def _records(self, start_ms: int) -> Iterator[tuple[int, bytes, bytes, int]]:
        n = 0
        while not self._stopping.is_set():
            batches: Iterator[Batch] = bench_records(
                self._rate * 60,
                start_ms + n * 1000 // self._rate,
                per_second=self._rate,
                streams=self._streams,
                seed=n,
            )
            for batch in batches:
                for ts_ms, key, value in zip(batch.ts_ms.tolist(), batch.keys, batch.values, strict=True):
                    if self._stopping.is_set():
                        return
                    yield ts_ms, key, value, n // self._streams % PARTITIONS
                    n += 1
