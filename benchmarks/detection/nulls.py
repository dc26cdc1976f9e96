"""Nulls of one rare event: p = m exactly, on everything that real streams do to a detector.

A null makes worlds of so many streams and panes. `why` says what is allowed there, or why it breaks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.detection.worlds import (
    Array,
    Block,
    World,
    binomial,
    by_limits,
    by_ratio,
    by_slots,
    merged,
    one_event,
)
from detectors import base_rates, blocks
from detectors.base_rates import BaseRates
from detectors.bounds import clopper_pearson_upper
from detectors.tolerance import DEFAULTS, limit, odds_times

Rng = np.random.Generator
Make = Callable[[Rng, int, int, float], Sequence[World]]
"""Generator, streams, panes, threshold A to worlds."""

DAY: Final = 8_640
LEARNED: Final = 10_000
REFERENCES: Final = 40


@dataclass(frozen=True)
class Null:
    """One row of the table: its name, what is allowed there or why it breaks, and its worlds."""

    name: str
    why: str
    make: Make


def all_nulls() -> tuple[Null, ...]:
    """Those of one rare event; for distributions and categories see `swings`."""
    return (
        Null("independent, n = 20, m = 2%", "", _independent(20, 0.02)),
        Null("independent, n = 200, m = .2%", "", _independent(200, 0.002)),
        Null("panes of 1, 2, 20, 200, 2000 requests", "", _sizes([1, 2, 20, 200, 2000], 0.02)),
        Null("correlation .1 inside a pane of 200", "", _beta_binomial(200, 0.02, 0.1)),
        Null("correlation .5 inside a pane of 20", "", _beta_binomial(20, 0.02, 0.5)),
        Null("queue at load .70, p99, block chosen", QUEUED, _queue(0.70)),
        Null("queue at load .85, p99, block chosen", QUEUED, _queue(0.85)),
        Null("5 retries over a minute, block chosen", "bursts across panes", _retries),
        Null("failures known at once, answers after 50 s", "steady traffic", _completion(1.0)),
        Null("the same, traffic x3 for a minute", BURSTS_OF_TRAFFIC, _completion(3.0)),
        Null(
            "quiet panes fail more, pane by pane", "m is the mean of pane rates", _volume(0.05, 0.01, False)
        ),
        Null("busy panes fail more, pane by pane", "m is the pooled rate", _volume(0.01, 0.05, True)),
        Null("nights of 5 at 5%, days of 500 at 1%, by hour", BY_HOUR, _nights(True)),
        Null("the same, one reference, odds x2", ONE_REFERENCE, _nights(False)),
        Null("nine of ten panes empty", "only the others are counted", _sizes([0] * 9 + [2], 0.02, 10)),
        Null("kill slots of 0 to 5 requests, m = 10%", "", _sizes([0, 1, 2, 3, 4, 5], 0.10, 2)),
        Null("limits learned from 10,000 requests each", "p at the true limit", _learned),
        Null("shipped rate (odds x2), daily swing +-50%", "learned over a day", _swinging_rate),
        Null("Bernoulli ratio, independent requests", "its condition", _ratio),
        Null("1 s slots, correlation .5 inside a second", "its condition", _slotted),
    )


QUEUED: Final = "bursts across panes, each stream in the block that one day of its kind chooses"
BURSTS_OF_TRAFFIC: Final = (
    "failures of a burst arrive before its answers: k/n is above m at its start, although no request "
    "fails more often"
)
BY_HOUR: Final = "odds x1.5 of each hour, over which the evidence goes on"
ONE_REFERENCE: Final = "m from the mean of pane rates, 3%, where all requests together fail at 1.04%"


def _independent(n: int, p: float) -> Make:
    return lambda rng, streams, panes, _: [one_event(p, streams, binomial(rng, streams, panes, n, p))]


def _sizes(sizes: Sequence[int], p: float, times: int = 1) -> Make:
    """`times` as many panes, where many are empty and do not count."""

    def made(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
        def drawn() -> Iterator[Block]:
            for _ in range(panes * times):
                n = rng.choice(sizes, (streams, 1))
                yield rng.binomial(n, p), n

        return [one_event(p, streams, drawn())]

    return made


def _beta_binomial(n: int, p: float, rho: float) -> Make:
    a, b = p * (1 / rho - 1), (1 - p) * (1 / rho - 1)

    def made(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
        size = np.full((streams, 1), n)
        drawn = ((rng.binomial(n, rng.beta(a, b, (streams, 1))), size) for _ in range(panes))
        return [one_event(p, streams, drawn)]

    return made


def _queue(load: float) -> Make:
    """Requests slower than the true p99 of a queue with one server, 5 requests a second, 50 a pane."""
    return lambda rng, streams, panes, _: _in_chosen_blocks(
        slow_requests(rng, REFERENCES, DAY, load), slow_requests(rng, streams, panes, load), 50, 0.01, 300
    )


def slow_requests(rng: Rng, streams: int, panes: int, load: float, a_pane: int = 50) -> Array:
    """Requests beyond the stationary p99 of the time in an M/M/1 queue, int64[streams, panes]."""
    arrive, serve = 5.0, 5.0 / load
    slow = np.log(100) / (serve - arrive)
    waits = rng.exponential(1 / (serve - arrive), streams) * (rng.random(streams) < load)
    k = np.zeros((streams, panes), dtype=np.int64)
    for pane in range(panes):
        served = rng.exponential(1 / serve, (a_pane, streams))
        between = rng.exponential(1 / arrive, (a_pane, streams))
        for service, gap in zip(served, between, strict=True):
            waits += service
            k[:, pane] += waits > slow
            waits -= gap
            np.maximum(waits, 0.0, out=waits)
    return k


def _retries(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
    p = (15 * 0.005 + 5 * 0.02) / 20
    return _in_chosen_blocks(
        retried(rng, REFERENCES, DAY),
        retried(rng, streams, panes),
        20,
        p,
        blocks.before_learning("rate", 2.0),
    )


def retried(rng: Rng, streams: int, panes: int) -> Array:
    """Failures among 20 requests a pane: single ones, and now and then five more over the minute that follows."""
    failing = rng.binomial(15, 0.005, (streams, panes))
    starts = rng.random((streams, panes)) < 0.02
    row, at = np.nonzero(starts)
    for _ in range(5):
        np.add.at(failing, (row, (at + rng.integers(0, 6, at.size)) % panes), 1)
    return failing


def _in_chosen_blocks(reference: Array, k: Array, n: int, m: float, otherwise_s: int) -> list[World]:
    """Each stream in the block that one day of its kind chooses, by the rule that ships."""
    lengths = []
    for day in reference:
        choice = blocks.choose(blocks.tally_of(day, np.full(day.shape, n)))
        lengths.append((choice.seconds if choice.guaranteed else otherwise_s) // blocks.PANE_SECONDS)
    own = np.resize(lengths, len(k))
    size = np.full(k.shape, n)
    return [
        one_event(
            m, int((own == panes).sum()), merged(k[own == panes], size[own == panes], panes), panes=panes
        )
        for panes in np.unique(own).tolist()
    ]


def _completion(burst: float) -> Make:
    """Counted as they arrive: failures at once, answers spread over the five panes that follow."""

    def made(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
        p, later = 0.02, 5
        starts = rng.random((streams, panes + later)) < 1 / 60
        busy = sum(np.roll(starts, i, axis=1) for i in range(6)) > 0
        rate = np.where(busy, burst, 1.0) * 20
        answers = np.mean([rate[:, i : i + panes] for i in range(later)], axis=0) * (1 - p)
        k = rng.poisson(rate[:, later:] * p)
        return [one_event(p, streams, merged(k, k + rng.poisson(answers), 1))]

    return made


def _volume(quiet: float, busy: float, pooled: bool) -> Make:
    m = (5 * quiet + 500 * busy) / 505 if pooled else (quiet + busy) / 2

    def made(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
        def drawn() -> Iterator[Block]:
            for _ in range(panes):
                high = rng.random((streams, 1)) < 0.5
                n = np.where(high, 500, 5)
                yield rng.binomial(n, np.where(high, busy, quiet)), n

        return [one_event(m, streams, drawn())]

    return made


NIGHT: Final = (5, 0.05)
WORKDAY: Final = (500, 0.01)


def _nights(by_hour: bool) -> Make:
    """Night and day of half a day each; streams begin at any hour, with a reference of the day before."""

    def made(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
        begins = rng.integers(0, DAY, streams)
        night = ((begins[:, None] + np.arange(panes)) % DAY) < DAY // 2
        n, p = (np.where(night, NIGHT[i], WORKDAY[i]) for i in range(2))
        if by_hour:
            return [_hourly(rng, n, p)]
        k = rng.binomial(n, p)
        m = [[_learned_over_a_day(rng, 0.05 / streams)] for _ in range(streams)]
        return [World(np.array(m), np.ones(1), merged(k, n, 1))]

    return made


def _learned_over_a_day(rng: Rng, alpha: float) -> float:
    """m of the shipped rate rule, from the panes of a night and a day."""
    n, p = (np.repeat([NIGHT[i], WORKDAY[i]], DAY // 2) for i in range(2))
    k = rng.binomial(n, p)
    panes, buckets = np.tile(np.arange(DAY), 2), np.repeat([0, 1], DAY)
    counts = np.concatenate((n - k, k))
    rates = base_rates.of_panes(panes, buckets, counts)
    both = np.array([(n - k).sum(), k.sum()])
    base = BaseRates(np.array([0, 1]), both, float(n.sum()), rates)
    return float(limit(base.upper(1, 1, alpha), DEFAULTS["rate"]))


def _hourly(rng: Rng, n: Array, usual: Array) -> World:
    """Every pane at the limit of its hour; the limit changes with the hour and the evidence goes on."""
    limits = limit(usual, DEFAULTS["rate_by_hour"])
    steps = range(n.shape[1])
    drawn = ((rng.binomial(n[:, [t]], limits[:, [t]]), n[:, [t]]) for t in steps)
    return one_event(0.02, len(n), drawn, bet=by_limits(limits[:, t] for t in steps))


def _learned(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
    usual = 0.01
    k = rng.binomial(LEARNED, usual, (streams, 1))
    m = limit(clopper_pearson_upper(k, np.full(k.shape, LEARNED), 0.05 / streams), DEFAULTS["rate"])
    true = float(odds_times(usual, DEFAULTS["rate"].amount))
    return [World(m, np.ones(1), binomial(rng, streams, panes, 20, true))]


def daily(panes: int, depth: float) -> Array:
    """A factor for each pane that swings by `depth` around 1 within a day, beginning at its mean: float64[panes]."""
    return 1 + depth * np.sin(2 * np.pi * np.arange(panes) / DAY)


def _swinging_rate(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
    usual, size = 0.01, np.full((streams, 1), 20)
    k = rng.binomial(20, usual * daily(DAY, 0.5), (streams, DAY)).sum(axis=1, keepdims=True)
    m = limit(clopper_pearson_upper(k, np.full(k.shape, 20 * DAY), 0.05 / streams), DEFAULTS["rate"])
    drawn = ((rng.binomial(20, usual * f, (streams, 1)), size) for f in daily(panes, 0.5))
    return [World(m, np.ones(1), drawn)]


def _ratio(rng: Rng, streams: int, panes: int, a: float) -> list[World]:
    drawn = binomial(rng, streams, panes, 20, 0.02)
    return [one_event(0.02, streams, drawn, bet=by_ratio(20, a))]


def _slotted(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
    shape, p, rho = (streams, 1, 10), 0.02, 0.5
    a, b = p * (1 / rho - 1), (1 - p) * (1 / rho - 1)
    size = np.full(shape, 2)
    drawn = ((rng.binomial(2, rng.beta(a, b, shape)), size) for _ in range(panes))
    return [one_event(p, streams, drawn, bet=by_slots)]
