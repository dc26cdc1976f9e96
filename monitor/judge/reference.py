"""What a stream's signal was like when all was well: learned from its panes, then kept (detection.md, section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from detectors import base_rates
from detectors.base_rates import NO_PANES, PaneRates
from monitor.judge.block import Counts, PaneBlock, of_stream, totals
from monitor.records.delta import F64, I64
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

    `buckets` ascends, int64[b]; `counts` int64[b]; `panes` has the same buckets, or no panes where the records came
    without (an eval set). `origin` is learned, imported, promoted or accepted. `hourly` says that the state has its
    hours of the week too, `hours` which of them this is of, if not of all.
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
    panes: PaneRates = NO_PANES
    hourly: bool = False
    hours: tuple[int, ...] = ()

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
    panes: PaneRates


@dataclass(frozen=True, slots=True)
class Learner:
    """A reference in the making, of one (stream, signal); `requests` counts the stream's predictions so far."""

    from_ms: int
    until_ms: int
    requests: int
    buckets: I64
    counts: I64
    panes: PaneRates
    half: Half | None = None

    @property
    def n(self) -> int:
        return int(self.counts.sum())


def learn(learner: Learner | None, block: PaneBlock, requests: int, counts: tuple[I64, I64]) -> Learner:
    """Add one pane to a learner."""
    buckets, added = counts
    panes = base_rates.of_pane(added) if len(added) else NO_PANES
    if learner is None:
        return Learner(block.start_ms, block.end_ms, requests, buckets, added, panes)
    merged, summed, both = added_up((learner.buckets, learner.counts, learner.panes), (buckets, added, panes))
    requests += learner.requests
    return replace(
        learner, until_ms=block.end_ms, requests=requests, buckets=merged, counts=summed, panes=both
    )


Histogram = tuple[I64, I64, PaneRates]


def added_up(first: Histogram, second: Histogram, sign: int = 1) -> Histogram:
    """The histogram of both, or of what `first` has beyond `second` where `sign` is -1."""
    merged, inverse = np.unique(np.concatenate((first[0], second[0])), return_inverse=True)
    mine, other = inverse[: len(first[0])], inverse[len(first[0]) :]
    counts = np.zeros(len(merged), np.int64)
    counts[mine] = first[1]
    counts[other] += sign * second[1]
    rates = np.zeros(len(merged))
    rates[mine] = _rates(first)
    rates[other] += sign * _rates(second)
    panes = first[2].panes + sign * second[2].panes
    # Rounding may leave less than nothing of what was taken away.
    return (
        merged,
        counts,
        PaneRates(np.maximum(rates, 0.0), panes, first[2].inverse + sign * second[2].inverse),
    )


def _rates(histogram: Histogram) -> F64:
    return histogram[2].rates if histogram[2].panes else np.zeros(len(histogram[0]))


def halved(learner: Learner, wanted: int, at_least_ms: int) -> Learner:
    """The learner, which remembers what it held half way to `wanted` predictions and `at_least_ms`."""
    way = learner.requests * 2 >= wanted and (learner.until_ms - learner.from_ms) * 2 >= at_least_ms
    if learner.half is not None or not way or not learner.n:
        return learner
    half = Half(learner.until_ms, learner.requests, learner.buckets, learner.counts, learner.panes)
    return replace(learner, half=half)


def second_half(learner: Learner, half: Half) -> Learner:
    """What came after `half`, as a learner of its own."""
    whole, before = ((h.buckets, h.counts, h.panes) for h in (learner, half))
    buckets, counts, panes = added_up(whole, before, -1)
    seen = counts > 0
    panes = replace(panes, rates=panes.rates[seen])
    rest = learner.requests - half.requests
    return Learner(half.until_ms, learner.until_ms, rest, buckets[seen], counts[seen], panes)


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
        panes=learner.panes,
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
