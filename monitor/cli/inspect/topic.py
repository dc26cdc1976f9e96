"""The newest messages of a topic, without joining a group and without committing."""

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Any, Final, cast

from kafka import TopicPartition
from kafka.errors import KafkaError

from monitor.cli.inspect.taking import Taken
from monitor.config.model import Source
from monitor.config.problem import meant
from monitor.errors import KafkaUnavailable, RegistryUnavailable, UsageError
from monitor.ingest.client import check_source, connect, denial
from monitor.ingest.registry import Read, Registry, check_registry
from monitor.ingest.unpack import Enveloped

DEADLINE_S: Final = 30.0
_POLL_MS: Final = 500
_ASK_S: Final = 0.1


def from_topic(source: Source, topic: str, most: int, deadline_s: float = DEADLINE_S) -> Taken:
    """The newest `most` of all partitions, by Kafka's timestamps.

    Raises KafkaUnavailable or RegistryUnavailable at the deadline where nothing came, UsageError where there is no
    such topic.
    """
    check_source(source)
    end_s = time.monotonic() + deadline_s
    # A group_id of None: the consumer has no group to join or to commit for.
    settings: dict[str, Any] = {**source.client, "group_id": None}
    alone = replace(source, topics=(topic,), client=settings)
    consumer = connect(alone, None, Event(), _until(end_s), patient=False)
    try:
        messages, whole = _newest(consumer, source, topic, most, end_s)
    except KafkaError as error:
        raise KafkaUnavailable(denial(alone, error)) from error
    finally:
        consumer.close()
    return replace(_taken(topic, _as_json(source, messages, end_s), whole), servers=source.bootstrap_servers)


def _until(end_s: float) -> Any:
    def unreachable(reason: str) -> None:
        if time.monotonic() > end_s:
            raise KafkaUnavailable(reason)

    return unreachable


def _newest(consumer: Any, source: Source, topic: str, most: int, end_s: float) -> tuple[list[Any], bool]:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        near = meant(topic, sorted(name for name in consumer.topics() if not name.startswith("_")))
        raise UsageError(f"there is no topic {topic} at {source.bootstrap_servers}: {near}")
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    ends, begins = consumer.end_offsets(partitions), consumer.beginning_offsets(partitions)
    of_each = -(-most // len(partitions))
    starts = {p: max(begins[p], ends[p] - of_each) for p in partitions}
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    whole = all(starts[p] == begins[p] for p in partitions)
    return _read(consumer, partitions, ends, end_s), whole


def _read(
    consumer: Any, partitions: Sequence[TopicPartition], ends: dict[TopicPartition, int], end_s: float
) -> list[Any]:
    """Up to where the partitions ended when it was asked; what came by the deadline is enough."""
    messages: list[Any] = []
    while any(consumer.position(p) < ends[p] for p in partitions) and time.monotonic() < end_s:
        polled = consumer.poll(timeout_ms=_POLL_MS)
        messages += [m for p, some in polled.items() for m in some if m.offset < ends[p]]
    return messages


def _as_json(source: Source, messages: list[Any], end_s: float) -> list[Enveloped]:
    """The messages in the order of Kafka's timestamps, those of a schema registry as JSON where it can be asked."""
    messages.sort(key=lambda m: (m.timestamp, m.partition, m.offset))
    polled: list[Enveloped] = [
        (i, m.timestamp, m.value, m.key, tuple(m.headers))
        for i, m in enumerate(messages)
        if m.value is not None
    ]
    if source.registry is None or not polled:
        return polled
    check_registry(source)
    why: list[str | None] = [None]
    registry = Registry(source.registry, source.max_record_bytes, lambda said: why.append(said))
    try:
        while not isinstance(read := registry.read(polled), Read):
            if time.monotonic() > end_s:
                raise RegistryUnavailable(why[-1] or "the schema registry has not answered")
            time.sleep(_ASK_S)
    finally:
        registry.stop()
    return cast(list[Enveloped], read.records)


def _taken(topic: str, messages: list[Enveloped], whole: bool) -> Taken:
    if not messages:
        raise UsageError(f"topic {topic} has no messages: is the service writing to it?")
    _, timestamps, values, keys, headers = zip(*messages, strict=True)
    return Taken(topic, list(values), whole, timestamps_ms=timestamps, keys=keys, headers=headers)
