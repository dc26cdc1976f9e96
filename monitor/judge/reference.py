"""What a stream's signal was like when all was well: learned from its panes, then kept (detection.md, section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from monitor.judge.block import Counts, PaneBlock, of_stream, totals
from monitor.records.delta import I64
from monitor.records.signals import BY_NAME

REQUESTS = BY_NAME["requests"].code
ENOUGH_VALUES = 100
LEARNED = "learned"

Key = tuple[int, int]


class Stage(StrEnum):
    """How far a reference has come."""

    LEARNING = "learning"
    PROVISIONAL = "provisional"
    WATCHED = "watched"


@dataclass(frozen=True, slots=True)
class Correlation:
    """How a reference's records hang together, as far as its panes tell.

    `block_s` is the length of a block beyond which nothing reaches, None where none was found; `phi` the design effect
    of such blocks, `rho` the correlation of records inside one.
    """

    block_s: int | None = None
    phi: float = 1.0
    rho: float = 0.0


UNKNOWN_CORRELATION = Correlation()


@dataclass(frozen=True, slots=True)
class Reference:
    """A histogram to hold a stream's signal against; `learned` counts the stream's predictions behind it.

    `buckets` ascends, int64[b]; `counts` int64[b]. `origin` is learned, imported, promoted or accepted.
    """

    reference_id: int
    provisional: bool
    learned: int
    from_ms: int
    until_ms: int
    buckets: I64
    counts: I64
    correlation: Correlation = UNKNOWN_CORRELATION
    origin: str = LEARNED

    @property
    def n(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True)
class Half:
    """What a learner held when it had come half way."""

    until_ms: int
    requests: int
    buckets: I64
    counts: I64


@dataclass(frozen=True, slots=True)
class Learner:
    """A reference in the making, of one (stream, signal); `requests` counts the stream's predictions so far."""

    from_ms: int
    until_ms: int
    requests: int
    buckets: I64
    counts: I64
    half: Half | None = None

    @property
    def n(self) -> int:
        return int(self.counts.sum())


def learn(learner: Learner | None, block: PaneBlock, requests: int, counts: tuple[I64, I64]) -> Learner:
    """Add one pane to a learner."""
    buckets, added = counts
    if learner is None:
        return Learner(block.start_ms, block.end_ms, requests, buckets, added)
    merged, summed = _summed((learner.buckets, learner.counts), (buckets, added))
    requests += learner.requests
    return replace(learner, until_ms=block.end_ms, requests=requests, buckets=merged, counts=summed)


def _summed(first: tuple[I64, I64], second: tuple[I64, I64]) -> tuple[I64, I64]:
    merged, inverse = np.unique(np.concatenate((first[0], second[0])), return_inverse=True)
    summed = np.zeros(len(merged), np.int64)
    np.add.at(summed, inverse, np.concatenate((first[1], second[1])))
    return merged, summed


def halved(learner: Learner, wanted: int, at_least_ms: int) -> Learner:
    """The learner, which remembers what it held half way to `wanted` predictions and `at_least_ms`."""
    way = learner.requests * 2 >= wanted and (learner.until_ms - learner.from_ms) * 2 >= at_least_ms
    if learner.half is not None or not way or not learner.n:
        return learner
    return replace(learner, half=Half(learner.until_ms, learner.requests, learner.buckets, learner.counts))


def second_half(learner: Learner, half: Half) -> Learner:
    """What came after `half`, as a learner of its own."""
    buckets, counts = _summed((learner.buckets, learner.counts), (half.buckets, -half.counts))
    seen = counts > 0
    rest = learner.requests - half.requests
    return Learner(half.until_ms, learner.until_ms, rest, buckets[seen], counts[seen])


def stage(learner: Learner, wanted: int, at_least_ms: int) -> Stage:
    """How far a learner has come: a tenth of `wanted` is provisional, all of it and `at_least_ms` is watched."""
    enough = min(ENOUGH_VALUES, max(wanted // 10, 1))
    if learner.n < enough or learner.requests * 10 < wanted:
        return Stage.LEARNING
    done = learner.requests >= wanted and learner.until_ms - learner.from_ms >= at_least_ms
    return Stage.WATCHED if done else Stage.PROVISIONAL


def settle(
    learner: Learner, reference_id: int, provisional: bool, correlation: Correlation = UNKNOWN_CORRELATION
) -> Reference:
    """The reference that a learner has come to."""
    return Reference(
        reference_id,
        provisional,
        learner.requests,
        learner.from_ms,
        learner.until_ms,
        learner.buckets,
        learner.counts,
        correlation,
    )


def learn_block(
    learners: Mapping[Key, Learner],
    block: PaneBlock,
    wanted: Mapping[int, set[int]],
    until: tuple[int, int],
) -> dict[Key, Learner]:
    """Every learner of `wanted` (signal code to streams still learning) after one pane.

    `until` are the predictions and the ms that a reference takes.
    """
    grown = dict(learners)
    requests = totals(block.counts[REQUESTS]) if REQUESTS in block.counts else {}
    for code, streams in wanted.items():
        counts = block.counts.get(code, _NOTHING)
        for stream in streams & requests.keys():
            key = (stream, code)
            after = learn(learners.get(key), block, requests[stream], of_stream(counts, stream))
            grown[key] = halved(after, *until)
    return grown


_NOTHING = Counts(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
