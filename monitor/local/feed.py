"""A scenario's records into Kafka as their time comes, and those of the present after it."""

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from monitor.errors import KafkaUnavailable
from monitor.local.scenario import Scenario
from monitor.local.traffic import Drift, records

BEAT_S: Final = 0.05
FLUSH_S: Final = 5.0
BLOCK_MS: Final = 5_000


class Feed:
    """Writes in a thread of its own until `stop`; Kafka timestamps are event times.

    After the scenario it writes what a healthy service would at the clock's speed, after `fail` what a broken
    one would.
    """

    def __init__(self, bootstrap_servers: str, topic: str, scenario: Scenario) -> None:
        self._servers = bootstrap_servers
        self._topic = topic
        self._scenario = scenario
        self._began: dict[Drift, int] = {}
        self._failing = threading.Event()
        self.failing_since_ms: int | None = None
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self.sent = 0

    @property
    def began(self) -> Mapping[Drift, int]:
        """When the first record of each drift was sent, in ms of the clock."""
        return dict(self._began)

    def start(self) -> None:
        self._thread.start()

    def fail(self) -> None:
        """From now on nearly every request fails; only after the scenario has ended."""
        self._failing.set()

    def check(self) -> None:
        """Raise KafkaUnavailable if records cannot be written."""
        if self._failure is not None:
            raise KafkaUnavailable(f"the demo's traffic cannot be written to Kafka: {self._failure}")

    def stop(self) -> None:
        """Write nothing more, and wait for what is under way."""
        self._stopping.set()
        self.join()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until nothing more is written, because it was stopped or cannot go on."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            producer = KafkaProducer(
                bootstrap_servers=self._servers, linger_ms=5, acks=1, max_block_ms=BLOCK_MS
            )
            try:
                self._write(producer)
                producer.flush(timeout=FLUSH_S)
            finally:
                producer.close(timeout=FLUSH_S)
        except (KafkaError, OSError) as failure:
            self._failure = failure

    def _write(self, producer: KafkaProducer) -> None:
        for record in self._due(records(self._scenario.traffic())):
            self._send(producer, record, self._scenario.phase_at(record[0]).drift)
        at_ms = self._scenario.caught_up_ms
        while not self._stopping.wait(BEAT_S) and self._failure is None:
            failing = self._failing.is_set()
            if failing and self.failing_since_ms is None:
                self.failing_since_ms = at_ms
            start_ms, at_ms = at_ms, max(now_ms(), at_ms)
            for record in records(self._scenario.present(start_ms, at_ms, failing=failing)):
                self._send(producer, record, Drift.ERRORS if failing else None)

    def _send(self, producer: KafkaProducer, record: tuple[int, bytes, bytes], drift: Drift | None) -> None:
        ts_ms, key, value = record
        if drift is not None and drift not in self._began:
            self._began[drift] = now_ms()
        producer.send(self._topic, value, key, timestamp_ms=ts_ms).add_errback(self._refused)
        self.sent += 1

    def _due(self, stream: Iterator[tuple[int, bytes, bytes]]) -> Iterator[tuple[int, bytes, bytes]]:
        """Each record once its time has come; ends early when it is to stop or cannot go on."""
        come = self._scenario.event_ms(now_ms())
        for record in stream:
            while record[0] > come:
                if self._stopping.wait(BEAT_S) or self._failure is not None:
                    return
                come = self._scenario.event_ms(now_ms())
            yield record

    def _refused(self, failure: BaseException) -> None:
        self._failure = failure


def now_ms() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000_000
