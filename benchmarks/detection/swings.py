"""Nulls of distributions and categories: the shipped tolerances under daily swings and heavy tails."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from benchmarks.detection.nulls import DAY, Null, Rng, daily
from benchmarks.detection.worlds import Array, Block, World, cells, of_events, one_event
from detectors.buckets import LOG, LOGIT
from detectors.categories import category_events
from detectors.events import RareEvents
from detectors.tolerance import DEFAULTS
from detectors.tube import tube_points, tube_stretch

REQUESTS: Final = 40
HOURS: Final = 24
SAMPLE: Final = 100_000
"""Values that stand for a population; so its rates, and m with p, are exact."""
KNOWN: Final = 10**6
"""How many times over the reference counts them: its bounds are then its rates."""


def swing_nulls() -> tuple[Null, ...]:
    return (
        Null("shipped stretch 1.5, lengths +-25% a day", "learned over a day", _lengths),
        Null("shipped p99 x3, latency +-25% a day", "learned over a day", _slow),
        Null("shipped confidence 10pp, +-.03 a day", "learned over a day", _confidence),
        Null("shipped categories, mix +-20% a day", "learned over a day", _categories),
        Null("Pareto tail (1.1) stretched by 1.5 exactly", "p at most m at every edge", _heavy),
    )


def hour_of(pane: int) -> int:
    return pane % DAY * HOURS // DAY


def _hours(depth: float) -> Array:
    """The factor in the middle of each hour."""
    return daily(DAY, depth)[DAY // HOURS // 2 :: DAY // HOURS]


def _lengths(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
    usual = rng.lognormal(5, 0.8, SAMPLE)
    hours = [LOG.bucket(usual * f) for f in _hours(0.25)]
    bucket, count = np.unique(np.concatenate(hours), return_counts=True)
    tube = tube_stretch(bucket, count * KNOWN, DEFAULTS["distribution"].amount, LOG)
    return [_world(rng, tube, hours, streams, panes)]


def _confidence(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
    usual = rng.beta(8, 2, SAMPLE)
    hours = [LOGIT.bucket(np.clip(usual + f - 1, 0.0, 1.0)) for f in _hours(0.03)]
    bucket, count = np.unique(np.concatenate(hours), return_counts=True)
    tube = tube_points(bucket, count * KNOWN, DEFAULTS["confidence"].amount)
    return [_world(rng, tube, hours, streams, panes)]


def _heavy(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
    usual = 100 * (1 + rng.pareto(1.1, SAMPLE))
    bucket, count = np.unique(LOG.bucket(usual), return_counts=True)
    tube = tube_stretch(bucket, count * KNOWN, 1.5, LOG)
    return [_world(rng, tube, [LOG.bucket(1.5 * usual)], streams, panes)]


def _world(rng: Rng, tube: RareEvents, hours: list[Array], streams: int, panes: int) -> World:
    each = [cells(tube, hour) for hour in hours]
    shares = (each[hour_of(pane) % len(each)] for pane in range(panes))
    limits = np.tile(tube.m, (streams, 1))
    return World(limits, tube.share, of_events(rng, REQUESTS, streams, shares))


def _slow(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
    usual = rng.lognormal(5, 0.8, SAMPLE)
    hours = [usual * f for f in _hours(0.25)]
    p99 = np.quantile(np.concatenate(hours), 0.99)
    beyond = [float((hour > p99).mean()) for hour in hours]
    m, size = DEFAULTS["p99"].amount * 0.01, np.full((streams, 1), REQUESTS)
    drawn = ((rng.binomial(REQUESTS, beyond[hour_of(t)], (streams, 1)), size) for t in range(panes))
    return [one_event(m, streams, drawn)]


def _categories(rng: Rng, streams: int, panes: int, _: float) -> list[World]:
    """Four languages: the rare ones are a fifth more common by day, and less by night."""
    hours = [np.array([1 - 0.3 * f, 0.2 * f, 0.08 * f, 0.02 * f]) for f in _hours(0.2)]
    events = category_events([1, 2, 3, 4], np.rint(np.mean(hours, axis=0) * SAMPLE * KNOWN).astype(np.int64))
    mine = (events.category[:, None] == np.arange(1, 5)) ^ events.negate[:, None]

    def drawn() -> Iterator[Block]:
        for pane in range(panes):
            k = rng.multinomial(REQUESTS, hours[hour_of(pane)], streams) @ mine.T.astype(np.int64)
            yield k, np.full(k.shape, REQUESTS)

    return [World(np.tile(events.m, (streams, 1)), events.share, drawn())]
