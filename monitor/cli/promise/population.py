"""What a stream usually looks like, for want of a reference, and what it looks like after a change.

Rates and shares lie at a baseline; quantities are log-normal with a p99 of five times their median, probabilities
logistic around 0.9. `check --false-alarms` says so.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, ndtr, ndtri

from detectors.buckets import Scale
from monitor.judge.rows import Event
from monitor.records.delta import F64, I64
from monitor.records.signals import FIRST_CATEGORY, Kind, Side, Signal

P99_TO_MEDIAN: Final = 5.0
SPREAD: Final = math.log(P99_TO_MEDIAN) / float(ndtri(0.99))
_GRAIN: Final = 100_000
_MEDIAN: Final = 1_000.0
_CONFIDENT: Final = math.log(9.0)


@dataclass(frozen=True, slots=True)
class Population:
    """Shares of buckets: `buckets` int64[b] ascending, `share` float64[b] summing to 1."""

    buckets: I64
    share: F64

    def counts(self, n: int) -> I64:
        """`n` records of it, as evenly as whole numbers allow: int64[b]."""
        ends = np.rint(np.cumsum(self.share) * n).astype(np.int64)
        return np.diff(ends, prepend=0)

    def rate(self, event: Event) -> float:
        """The rate of a rare event in it; NaN where it has nothing that the event is counted among."""
        universe = self.buckets >= event.universe_low
        inside = ((self.buckets >= event.low) & (self.buckets <= event.high)) != event.negate
        whole = float(self.share[universe].sum())
        return float(self.share[universe & inside].sum()) / whole if whole else math.nan


def usual(signal: Signal, side: Side, rate: float) -> Population:
    """A signal before the change; `rate` is the baseline of a rate (its complement downward) or a rare category."""
    if signal.scale is not None:
        return _spread(signal, signal.scale, 1.0)
    first = FIRST_CATEGORY if signal.kind is Kind.CATEGORY else 0
    rare = 1 - rate if signal.kind is Kind.RATE and side is Side.DOWN else rate
    return Population(np.array([first, first + 1], np.int64), np.array([1 - rare, rare]))


def stretched(signal: Signal, side: Side, factor: float) -> Population:
    """A quantity `factor` times as large, or as small on the way down; raises ValueError for any other signal."""
    if signal.scale is None:
        raise ValueError(f"{signal.name} is not a quantity")
    return _spread(signal, signal.scale, factor if side is Side.UP else 1 / factor)


def moved(before: Population, side: Side, points: float) -> Population:
    """`points` of all records moved from the lowest buckets to the highest, or the other way on the way down."""
    order = slice(None) if side is not Side.DOWN else slice(None, None, -1)
    left = np.maximum(np.cumsum(before.share[order]) - points, 0.0)
    after = np.diff(left, prepend=0.0)
    after[-1] += min(points, 1.0)
    return Population(before.buckets, after[order])


def beyond(quantile: float, side: Side, factor: float) -> float:
    """The share beyond a limit that held exactly the `quantile`, once a quantity is `factor` times as far."""
    at = float(ndtri(quantile))
    step = math.log(factor) / SPREAD
    return float(ndtr(step - at)) if side is Side.UP else float(ndtr(at + step))


def _spread(signal: Signal, scale: Scale, factor: float) -> Population:
    normal = ndtri((np.arange(_GRAIN) + 0.5) / _GRAIN)
    sure = signal.unit == "probability"
    values = expit(_CONFIDENT + normal) if sure else factor * _MEDIAN * np.exp(SPREAD * normal)
    buckets, counts = np.unique(scale.bucket(values), return_counts=True)
    return Population(buckets.astype(np.int64), counts / _GRAIN)
