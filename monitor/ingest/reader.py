"""The one owner of the KafkaConsumer: only the thread that made a Reader may call it (hazard 8)."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event
from typing import Any, Final

import structlog
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import (
    AuthorizationError,
    FencedInstanceIdError,
    KafkaError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
)
from kafka.structs import TopicPartition

from monitor.config.model import Source
from monitor.errors import KafkaUnavailable
from monitor.ingest.batches import BadBatchError, guard
from monitor.ingest.client import connect, denial
from monitor.ingest.membership import Membership
from monitor.ingest.unpack import Polled

log = structlog.get_logger(__name__)

ASK_MS: Final = 1_000
CLOSE_MS: Final = 1_000

Records = Mapping[TopicPartition, list[Polled]]


class PositionLostError(Exception):
    """Kafka does not have the position of some partition any more: look at its offsets again."""


class ConsumerBrokenError(Exception):
    """The consumer raised what nobody can interpret: make another."""


@dataclass(frozen=True, slots=True)
class TopicListing:
    """A topic as the broker's metadata shows it, at most `metadata_max_age_ms` old."""

    topic: str
    topic_id: str
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first offset there is and the one after the last readable, asked at `at` (monotonic s)."""

    begin: int
    end: int
    at: float


class _Hold(ConsumerRebalanceListener):  # type: ignore[misc]
    """Keeps new partitions still until the ledger has said where they start.

    It runs on the network thread, so it only sets state (hazard 2). Nothing is flushed here, and nothing on
    `on_partitions_lost` either (hazard 4): what was not stored is read again by whoever owns the partition
    next.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for tp in assigned:
            # Without a position `poll` would raise, as no offsets are kept in Kafka.
            self._consumer.seek(tp, 0)
            self._consumer.pause(tp)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        pass

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        pass


def _enveloped(source: Source) -> bool:
    return source.format is not None and source.format.enveloped


class Reader:
    """Kafka as ingest sees it: records of assigned partitions, offsets, metadata, membership."""

    def __init__(
        self,
        sources: Sequence[Source],
        instance: str | None,
        stopping: Event,
        unreachable: Callable[[str], None],
    ) -> None:
        # Of one connection: whatever is said of it is said of all their topics.
        self._source = replace(
            sources[0], topics=tuple(topic for source in sources for topic in source.topics)
        )
        self._enveloped = frozenset(
            topic for source in sources if _enveloped(source) for topic in source.topics
        )
        self.labels: Final = frozenset(t for s in sources if s.type is not None for t in s.topics)
        """Topics whose records want the predictions of the others."""
        self._instance = instance
        self._stopping = stopping
        self._unreachable = unreachable
        self._consumer: Any = None
        self.membership: Membership

    def open(self, *, patient: bool) -> bool:
        """Connect and subscribe; False when stopped before. Raises KafkaUnavailable as `connect` does."""
        consumer = connect(
            self._source,
            self._instance,
            self._stopping,
            self._unreachable,
            patient=patient,
            labels=self.labels,
        )
        if consumer is None:
            return False
        guard(consumer, self._enveloped)
        consumer.subscribe(list(self._source.topics), listener=_Hold(consumer))
        self._consumer = consumer
        self.membership = Membership(consumer)
        return True

    def close(self, timeout_ms: int = CLOSE_MS) -> None:
        """Leave the group, within `timeout_ms`."""
        if self._consumer is None:
            return
        with suppress(KafkaError, OSError, RuntimeError):
            self._consumer.close(autocommit=False, timeout_ms=timeout_ms)
        self._consumer = None

    def poll(self, timeout_ms: int) -> Records:
        """Records. Raises BadBatchError, PositionLostError, ConsumerBrokenError or KafkaUnavailable."""
        try:
            polled: Records = self._consumer.poll(timeout_ms)
        except BadBatchError:
            raise
        except (OffsetOutOfRangeError, LogTruncationError, NoOffsetForPartitionError) as error:
            raise PositionLostError(str(error)) from error
        except (FencedInstanceIdError, AuthorizationError, SaslAuthenticationFailedError) as error:
            raise self._denied(error) from error
        except Exception as error:
            raise ConsumerBrokenError(f"{type(error).__name__}: {error}") from error
        return polled

    def _denied(self, error: Exception) -> KafkaUnavailable:
        if isinstance(error, FencedInstanceIdError):
            return self.membership.fenced()
        return KafkaUnavailable(denial(self._source, error))

    def check_topics_allowed(self) -> None:
        """Raise KafkaUnavailable where the broker hides a topic from us."""
        if self._consumer._cluster.unauthorized_topics & set(self._source.topics):
            raise self._denied(TopicAuthorizationFailedError())

    def assigned(self) -> frozenset[TopicPartition]:
        return frozenset(self._consumer.assignment())

    def read_only(self, readable: Collection[TopicPartition]) -> None:
        """Pause all assigned partitions but `readable`."""
        assigned, paused = self.assigned(), frozenset(self._consumer.paused())
        held = assigned - frozenset(readable)
        if held - paused:
            self._consumer.pause(*(held - paused))
        if paused - held:
            self._consumer.resume(*(paused - held))

    def seek(self, tp: TopicPartition, offset: int) -> None:
        if tp in self.assigned():
            self._consumer.seek(tp, offset)

    def position(self, tp: TopicPartition) -> int | None:
        """The offset after everything that `poll` has returned or passed over; None if not assigned."""
        state = self._consumer._subscription.assignment.get(tp)
        if state is None or state.position is None:
            return None
        return int(state.position.offset)

    def bounds(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Bounds] | None:
        """First and end offsets; None where the brokers do not answer. An open transaction bounds the end."""
        at = time.monotonic()
        ends = self.ends(tps)
        if ends is None:
            return None
        begins = self._ask(lambda: self._consumer.beginning_offsets(list(tps), timeout_ms=ASK_MS))
        if begins is None:
            return None
        return {tp: Bounds(begins[tp], ends[tp], at) for tp in tps}

    def ends(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int] | None:
        return self._ask(lambda: self._consumer.end_offsets(list(tps), timeout_ms=ASK_MS))

    def offsets_at(self, tps: Collection[TopicPartition], ms: int) -> dict[TopicPartition, int] | None:
        """Where records at or after `ms` begin, the end where there are none; None if nobody answers."""
        ends = self.ends(tps)
        if ends is None:
            return None
        found = self._ask(
            lambda: self._consumer.offsets_for_times(dict.fromkeys(tps, max(ms, 0)), timeout_ms=ASK_MS)
        )
        if found is None:
            return None
        return {tp: found[tp].offset if found[tp] else ends[tp] for tp in tps}

    def _ask(self, question: Callable[[], dict[TopicPartition, Any]]) -> dict[TopicPartition, Any] | None:
        try:
            return question()
        except (KafkaError, KeyError) as error:
            log.debug("kafka did not answer", error=str(error))
            return None

    def refresh_metadata(self) -> None:
        """Ask for the topics' metadata now, and wait for it a little."""
        cluster = self._consumer._cluster

        async def refreshed() -> None:
            await self._consumer._manager.wait_for(cluster.request_update(), ASK_MS)

        with suppress(KafkaError):
            self._consumer._net.run(refreshed)

    def listings(self) -> list[TopicListing]:
        """The topics that the broker's metadata has; a topic that is not there is left out."""
        cluster = self._consumer._cluster
        found = []
        for topic in self._source.topics:
            partitions = cluster.partitions_for_topic(topic)
            if partitions:
                # Brokers before 2.8 have no topic ids; a topic made anew is then seen by its offsets only.
                known = cluster.topic_id(topic)
                topic_id = str(known) if known is not None and known.int else f"name:{topic}"
                found.append(TopicListing(topic, topic_id, tuple(sorted(partitions))))
        return found

    def metadata_age_s(self) -> float:
        """Seconds since a broker last answered with metadata."""
        return float(time.monotonic() - self._consumer._cluster._last_successful_refresh_ms / 1000)
