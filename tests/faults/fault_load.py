"""Numbered records from a seed, written to Kafka at a steady rate: late, fast, twice, and some that are none."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from zlib import crc32

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from monitor.local.feed import now_ms

MODELS: Final = 5
VERSION: Final = "v1"
ABORTED: Final = "aborted"
STEPPED: Final = 3
TURN_S: Final = 0.05
FLUSH_S: Final = 120.0
FAST_MS: Final = 240_000
YEARS_MS: Final = 2 * 365 * 86_400_000


class Sort(StrEnum):
    """What is special about a record; the last four cannot be counted, and are skipped with a reason."""

    PLAIN = "plain"
    LATE = "late"
    FAST = "fast"
    UNDATED = "undated"
    NOT_JSON = "not_json"
    NO_MODEL = "no_model"
    TOMBSTONE = "tombstone"
    TOO_OLD = "too_old"


# Parts of a thousand, in this order; the rest is plain. One producer of ten has a fast clock.
_SHARES: Final = {
    Sort.NOT_JSON: 3,
    Sort.NO_MODEL: 2,
    Sort.TOMBSTONE: 2,
    Sort.TOO_OLD: 2,
    Sort.LATE: 30,
    Sort.UNDATED: 30,
    Sort.FAST: 100,
}
_TWICE: Final = 10


@dataclass(frozen=True, slots=True)
class Record:
    """What record `number` is: its stream, its sort, how late it is, and whether it is written twice."""

    number: int
    model: str
    sort: Sort
    late_ms: int
    twice: bool


def record(seed: int, number: int) -> Record:
    """The record of a number; new streams come up as numbers grow."""
    luck = crc32(f"{seed}/{number}".encode())
    part, luck = luck % 1000, luck // 1000
    model = f"m-{luck % MODELS}" if luck % 50 else f"new-{number // 5_000}"
    late_ms = 15_000 + luck % 280_000
    return Record(number, model, _sort(part), late_ms, twice=luck // 7 % 1000 < _TWICE)


def _sort(part: int) -> Sort:
    for sort, share in _SHARES.items():
        if part < share:
            return sort
        part -= share
    return Sort.PLAIN


def value(one: Record, at_ms: int, *, fails: bool) -> bytes | None:
    """The record as Kafka gets it; `at_ms` is its producer's clock."""
    if one.sort is Sort.TOMBSTONE:
        return None
    if one.sort is Sort.NOT_JSON:
        return b'{"model": "m-1", "id": %d' % one.number
    status = "error" if fails or one.number % 100 == 7 else "ok"
    fields = {"model": one.model, "version": VERSION, "id": f"r{one.number}", "status": status}
    fields |= {"latency_ms": 200 + one.number % 300, "output_tokens": 40 + one.number % 90}
    if one.sort is Sort.NO_MODEL:
        del fields["model"]
    if one.sort is not Sort.UNDATED:
        fields["ts"] = at_ms + _shift_ms(one)
    return msgspec.json.encode(fields)


def _shift_ms(one: Record) -> int:
    shifts = {Sort.LATE: -one.late_ms, Sort.FAST: FAST_MS, Sort.TOO_OLD: -YEARS_MS}
    return shifts.get(one.sort, 0)


@dataclass(slots=True)
class Failing:
    """The models whose requests fail now, and how many of them were written since each began to."""

    models: set[str] = field(default_factory=set)
    written: Counter[str] = field(default_factory=Counter)


class Load:
    """Writes in a thread of its own until `stop`; `acked` holds the numbers that Kafka has taken."""

    def __init__(self, servers: str, topic: str, seed: int, per_s: float, failing: Failing) -> None:
        self._servers, self._topic, self._seed, self._per_s = servers, topic, seed, per_s
        self._failing = failing
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._ends: dict[int, int] = {}
        self._next = 0
        self.step_ms = 0
        self.acked = bytearray()
        self.refused = 0
        self.failure: BaseException | None = None

    def ends(self) -> dict[int, int]:
        """By partition, the offset after the last record that Kafka has taken."""
        with self._lock:
            return dict(self._ends)

    def reserve(self, n: int) -> list[Record]:
        """The next `n` records: whoever asks writes them, and says with `taken` that Kafka has them."""
        with self._lock:
            first, self._next = self._next, self._next + n
            self.acked.extend(bytes(n))
        return [record(self._seed, number) for number in range(first, self._next)]

    def body(self, one: Record, at_ms: int) -> bytes | None:
        """What to write of it now."""
        fails = one.model in self._failing.models
        if fails and one.sort is Sort.PLAIN:
            self._failing.written[one.model] += 1
        return value(one, at_ms, fails=fails)

    def taken(self, number: int, partition: int, offset: int) -> None:
        """Kafka has record `number`."""
        with self._lock:
            self.acked[number] += 1
            self._ends[partition] = max(self._ends.get(partition, 0), offset + 1)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write nothing more, and wait until Kafka has taken what was written."""
        self._stopping.set()
        self._thread.join(FLUSH_S + 10)
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            # A record is in the log, in order, or known to be refused: acks=all and idempotence are defaults.
            producer = KafkaProducer(bootstrap_servers=self._servers, linger_ms=10, metadata_max_age_ms=3_000)
            try:
                self._write(producer)
                producer.flush(timeout=FLUSH_S)
            finally:
                producer.close(timeout=5)
        except BaseException as failure:
            self.failure = failure

    def _write(self, producer: KafkaProducer) -> None:
        began = time.monotonic()
        while not self._stopping.wait(TURN_S):
            due = int((time.monotonic() - began) * self._per_s)
            partitions = sorted(producer.partitions_for(self._topic) or {0})
            for one in self.reserve(max(due - self._next, 0)):
                self._send(producer, one, partitions)

    def _send(self, producer: KafkaProducer, one: Record, partitions: list[int]) -> None:
        ts_ms, kafka_ms = self._clocks(one)
        body, key = self.body(one, ts_ms), b"%d" % one.number
        partition = partitions[one.number // 3 % len(partitions)]
        for _ in range(2 if one.twice else 1):
            try:
                sent = producer.send(self._topic, body, key, partition=partition, timestamp_ms=kafka_ms)
            except KafkaError:
                self.refused += 1
                continue
            sent.add_callback(lambda metadata: self.taken(one.number, metadata.partition, metadata.offset))
            sent.add_errback(self._not_taken)

    def _clocks(self, one: Record) -> tuple[int, int]:
        """The producer's clock for the record's own time, and for Kafka's; one producer of ten has one that steps.

        A step ahead is in the record's time alone: where Kafka's is ahead too, the pane depends on when it is read.
        """
        at_ms = now_ms()
        step_ms = self.step_ms if one.number % 10 == STEPPED else 0
        return at_ms + step_ms, at_ms + min(step_ms, 0)

    def _not_taken(self, failure: BaseException) -> None:
        self.refused += 1
