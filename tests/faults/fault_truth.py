"""What the topic holds, read record by record with nothing of the product, and what must follow from it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from fault_load import ABORTED, Record, Sort, record
from kafka import KafkaConsumer, TopicPartition

PANE_MS: Final = 10_000
AHEAD_MS: Final = 2_000
COMMITTED: Final = "read_committed"
REASONS: Final = {Sort.NOT_JSON, Sort.NO_MODEL, Sort.TOMBSTONE, Sort.TOO_OLD}

Pane = tuple[str, int]
"""A stream and the start of a pane in ms."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One record as the topic has it."""

    partition: int
    offset: int
    at_ms: int
    number: int
    body: bytes | None


@dataclass(slots=True)
class Truth:
    """By partition and pane what there is to count, and what there is to skip with its reason.

    `unreadable` are the reasons for records that nobody could read, by partition and offset.
    """

    seed: int
    unreadable: dict[tuple[int, int], str] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    counted: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    failed: Counter[Pane] = field(default_factory=Counter)
    skipped: dict[tuple[int, int], str] = field(default_factory=dict)
    copies: Counter[int] = field(default_factory=Counter)

    def add(self, logged: Logged) -> None:
        """Account for the next record of a partition; its offsets come in order."""
        self.ends[logged.partition] = logged.offset + 1
        self.copies[logged.number] += 1
        one = record(self.seed, logged.number)
        place = (logged.partition, logged.offset)
        reason = self.unreadable.get(place) or (one.sort.value if one.sort in REASONS else None)
        if reason is not None:
            self.skipped[place] = reason
            return
        fields = msgspec.json.decode(logged.body or b"")
        start = _event_ms(fields, logged.at_ms) // PANE_MS * PANE_MS
        _require_same(one, fields)
        self.counted[logged.partition, one.model, start] += 1
        if fields["status"] == "error":
            self.failed[one.model, start] += 1

    @property
    def records(self) -> int:
        return self.copies.total()

    def panes(self) -> Counter[Pane]:
        """Records to count by stream and pane, over all partitions."""
        found: Counter[Pane] = Counter()
        for (_, stream, start), n in self.counted.items():
            found[stream, start] += n
        return found

    def totals(self) -> dict[int, tuple[int, int, int]]:
        """By partition: the end, the records to count and those to skip."""
        counted, skipped = Counter[int](), Counter(partition for partition, _ in self.skipped)
        for (partition, _, _), n in self.counted.items():
            counted[partition] += n
        return {p: (end, counted[p], skipped[p]) for p, end in self.ends.items()}


def _event_ms(fields: dict[str, Any], kafka_ms: int) -> int:
    """Event time as the contract has it: what the record states, at most 2 s ahead of Kafka's time."""
    return min(int(fields.get("ts", kafka_ms)), kafka_ms + AHEAD_MS)


def _require_same(one: Record, fields: dict[str, Any]) -> None:
    if fields["model"] == ABORTED:
        raise AssertionError(f"a record of an aborted transaction was read: {fields}")
    if (fields["model"], fields["id"]) != (one.model, f"r{one.number}"):
        raise AssertionError(f"record {one.number} is not what was written: {fields}")


def ends_of(servers: str, topic: str) -> dict[int, int]:
    """Where the partitions end, behind the markers of transactions too."""
    with closing(KafkaConsumer(bootstrap_servers=servers, isolation_level=COMMITTED)) as consumer:
        parts = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        return {part.partition: end for part, end in consumer.end_offsets(parts).items()}


def read_topic(servers: str, topic: str) -> Iterator[Logged]:
    """Every record of the topic that was not taken back, in the order of offsets within each partition."""
    settings = {"max_poll_records": 5_000, "isolation_level": COMMITTED}
    with closing(KafkaConsumer(bootstrap_servers=servers, **settings)) as consumer:
        parts = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        while any(consumer.position(part) < end for part, end in ends.items()):
            for part, records in consumer.poll(1_000).items():
                for r in records:
                    yield Logged(part.partition, r.offset, r.timestamp, int(r.key), r.value)


def truth_of(seed: int, logged: Iterator[Logged]) -> Truth:
    """Account for all of them."""
    truth = Truth(seed)
    for one in logged:
        truth.add(one)
    return truth


def truth_in(servers: str, topic: str, seed: int, unreadable: Mapping[tuple[int, int], str]) -> Truth:
    """Account for a whole topic."""
    truth = Truth(seed, dict(unreadable))
    for one in read_topic(servers, topic):
        truth.add(one)
    truth.ends.update(ends_of(servers, topic))
    return truth
