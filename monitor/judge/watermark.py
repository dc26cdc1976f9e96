"""How far event time has come: the least over the partitions that count, by the checkpoints consumed.

Rule 3 of the design: a partition counts unless it is idle (a fresh checkpoint, caught up, no record for two seconds)
or stuck (neither idle nor advancing for `MAX_HOLD_MS`). The result never goes back. Topics of labels follow: they may
speak of times long past, and what they bring is evidence when it comes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

IDLE_FRESH_MS: Final = 5_000
IDLE_QUIET_MS: Final = 2_000
MAX_HOLD_MS: Final = 60_000
SLOT_GRACE_MS: Final = 500

PartitionKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Mark:
    """What one checkpoint says of its partition; times in ms, `clock_ms` is the ingest clock."""

    clock_ms: int
    next_offset: int
    max_event_ms: int | None
    max_kafka_ms: int | None
    last_record_ms: int | None
    caught_up: bool


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition as the judge knows it; `mark` is of the last checkpoint it consumed.

    By the ingest clock: it last advanced, or was idle, at `advanced_ms`, and was last caught up at `caught_up_ms`.
    """

    advanced_ms: int
    caught_up_ms: int
    mark: Mark | None = None
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How the partitions of a topic move the watermark: not at all where they `follow`."""

    lateness_ms: int
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Event time, and the partitions it rests on, by (topic id, partition).

    `now_ms` is the newest ingest clock consumed, -1 before any. `event_ms` is the watermark. `idle` says that every
    partition was idle, so that the watermark follows the clock. `paces` are by topic id; a topic that is not there has
    the `lateness_ms`.
    """

    lateness_ms: int
    now_ms: int = -1
    event_ms: int | None = None
    idle: bool = False
    partitions: Mapping[PartitionKey, Partition] | None = None
    paces: Mapping[str, Pace] = field(default_factory=dict)

    @property
    def known(self) -> Mapping[PartitionKey, Partition]:
        return self.partitions or {}

    @property
    def leading(self) -> Mapping[PartitionKey, Partition]:
        """The partitions that the watermark may rest on."""
        following = {topic_id for topic_id, pace in self.paces.items() if pace.follows}
        if not following:
            return self.known
        return {key: p for key, p in self.known.items() if key[0] not in following}

    @property
    def longest_lateness_ms(self) -> int:
        """How long the slowest of the topics that count waits for what comes late."""
        paces = [self.paces.get(topic_id) for topic_id in {topic_id for topic_id, _ in self.leading}]
        waits = [self.lateness_ms if pace is None else pace.lateness_ms for pace in paces]
        return max(waits, default=self.lateness_ms)

    def reached(self, key: PartitionKey) -> int | None:
        """The watermark of one partition: its largest event time less lateness, at most the clock."""
        mark, pace = self.known[key].mark, self.paces.get(key[0])
        if mark is None or mark.max_event_ms is None:
            return None
        lateness_ms = self.lateness_ms if pace is None else pace.lateness_ms
        return min(mark.max_event_ms - lateness_ms, mark.clock_ms)


def listed(progress: Progress, keys: Iterable[PartitionKey]) -> Progress:
    """Rest on the partitions that the ledger lists, once there is a clock, and on no others.

    One without a checkpoint holds all back; those of a topic that was made anew are gone.
    """
    if progress.now_ms < 0:
        return progress
    fresh = Partition(progress.now_ms, progress.now_ms)
    return replace(progress, partitions={key: progress.known.get(key, fresh) for key in keys})


def consumed(progress: Progress, key: PartitionKey, mark: Mark) -> Progress:
    """Take up one consumed checkpoint."""
    before = progress.known.get(key) or Partition(mark.clock_ms, mark.clock_ms)
    moved = before.mark is None or mark.next_offset > before.mark.next_offset or _is_idle(mark, mark.clock_ms)
    after = replace(
        before,
        mark=mark,
        advanced_ms=mark.clock_ms if moved else before.advanced_ms,
        caught_up_ms=mark.clock_ms if mark.caught_up else before.caught_up_ms,
    )
    known = dict(progress.known) | {key: after}
    return replace(progress, partitions=known, now_ms=max(progress.now_ms, mark.clock_ms))


def advance(progress: Progress, since_ms: int) -> Progress:
    """Move the watermark after checkpoints were consumed; `since_ms` is `now_ms` before them."""
    known = {key: _judged(p, progress.now_ms) for key, p in progress.known.items()}
    progress = replace(progress, partitions=known)
    leading = progress.leading
    busy = [key for key, p in leading.items() if not p.stuck and not _rests(p, progress.now_ms)]
    idle = bool(leading) and not busy and all(not p.stuck for p in leading.values())
    return replace(progress, event_ms=_moved(progress, busy, idle, since_ms), idle=idle)


def _moved(progress: Progress, busy: list[PartitionKey], idle: bool, since_ms: int) -> int | None:
    before = progress.event_ms
    if not busy:
        return _followed(progress, before, since_ms) if idle else before
    reached = [progress.reached(key) for key in busy]
    least = None if any(r is None for r in reached) else min(r for r in reached if r is not None)
    return before if least is None else least if before is None else max(before, least)


def _followed(progress: Progress, before: int | None, since_ms: int) -> int | None:
    """All idle: every record is in, so up to the newest of them, then second by second with the clock."""
    ends = [progress.reached(key) for key in progress.leading]
    newest = max((e for e in ends if e is not None), default=None)
    if newest is None:
        return before
    start = newest if before is None else max(before, newest)
    step = progress.now_ms - since_ms if progress.idle and since_ms >= 0 else 0
    return max(start, min(start + step, progress.now_ms))


def _judged(partition: Partition, now_ms: int) -> Partition:
    waits = not _rests(partition, now_ms) and now_ms - partition.advanced_ms > MAX_HOLD_MS
    return partition if waits == partition.stuck else replace(partition, stuck=waits)


def _rests(partition: Partition, now_ms: int) -> bool:
    return partition.mark is not None and _is_idle(partition.mark, now_ms)


def _is_idle(mark: Mark, now_ms: int) -> bool:
    quiet = mark.last_record_ms is None or mark.clock_ms - mark.last_record_ms >= IDLE_QUIET_MS
    return mark.caught_up and quiet and now_ms - mark.clock_ms < IDLE_FRESH_MS


def complete(progress: Progress) -> bool:
    """Whether the watermark rests on every partition: only then does silence mean silence.

    One that is behind holds the watermark back, so what is silent up to there was read and is silent. One that is
    stuck is left out, and may hold what seems to be missing.
    """
    partitions = progress.leading.values()
    return bool(partitions) and all(p.mark is not None and not p.stuck for p in partitions)


def slots_closed(progress: Progress) -> int | None:
    """The first slot of Kafka time still open for kills (ms // 1000).

    A slot closes when every partition that is not idle is past it, at the latest half a second after its end by the
    newest checkpoint's clock.
    """
    if progress.now_ms < 0:
        return None
    by_clock = (progress.now_ms - SLOT_GRACE_MS) // 1000
    busy = [
        p.mark
        for p in progress.known.values()
        if p.mark and not p.stuck and not _is_idle(p.mark, progress.now_ms)
    ]
    seen = [m.max_kafka_ms // 1000 for m in busy if m.max_kafka_ms is not None]
    if not busy or len(seen) < len(busy):
        return by_clock
    return max(by_clock, min(seen))
