"""How long a block must be so that bursts do not reach from one into the next.

"Any dependence inside a block" is what the pane bet allows; bursts across blocks break it by one to three
orders of magnitude. So each rule gets the shortest block whose rates are no longer correlated in the
reference. The point estimate decides: independent blocks pass it in 84 to 100% of references, an upper 95%
bound would let only 24 to 85% pass.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from detectors.checks import Floats, counts, positive
from detectors.errors import DetectorError

SECONDS = (10, 60, 300, 1200)
PANE_SECONDS = 10
FEWEST_BLOCKS = 50
FEWEST_NEIGHBOURS = 25
"""Pairs of neighbouring blocks that both hold requests, without which a lag-1 says nothing."""
MOST_LAG1 = 0.1


@dataclass(frozen=True, slots=True)
class BlockChoice:
    """`seconds` of the block, whether the promise holds, the lag-1 found (NaN: too few blocks)."""

    seconds: int
    guaranteed: bool
    lag1: float


def lag1(k: ArrayLike, n: ArrayLike) -> float:
    """Lag-1 autocorrelation of block rates k/n around the pooled rate, weighted by size.

        sum_t s_t s_{t+1} / sqrt(sum_t s_t^2 sum_t s_{t+1}^2) over neighbours that both hold requests,
        s_t = (k_t - n_t p) / sqrt(n_t)

    `k`, `n` [blocks] in time order, or [events, blocks] for several rare events of one signal: then the
    mean over the events that vary. NaN where nothing varies or fewer than three blocks hold requests.
    Raises `DetectorError` for k > n, NaN.

    >>> round(lag1([0, 0, 0, 9, 9, 9, 0, 0, 0, 9, 9, 9], [10] * 12), 2)
    0.45
    """
    events, total = counts(np.atleast_2d(k), np.atleast_2d(n))
    if total.shape[1] == 0 or int((total > 0).sum(axis=1).max()) < 3:
        return float("nan")
    rate = events.sum(axis=1, keepdims=True) / np.maximum(total.sum(axis=1, keepdims=True), 1)
    score = (events - total * rate) / np.sqrt(np.maximum(total, 1))
    both = (total[:, :-1] > 0) & (total[:, 1:] > 0)
    earlier, later = np.where(both, score[:, :-1], 0.0), np.where(both, score[:, 1:], 0.0)
    scale = np.sqrt((earlier**2).sum(axis=1) * (later**2).sum(axis=1))
    varies = scale > 0
    if not varies.any():
        return float("nan")
    return float(np.mean((earlier * later).sum(axis=1)[varies] / scale[varies]))


def choose_block(k: ArrayLike, n: ArrayLike, fallback: int = 60) -> BlockChoice:
    """The shortest of 10, 60, 300, 1200 s with >= 50 non-empty blocks and a lag-1 autocorrelation <= .1.

    `k`, `n` int64[panes] or [events, panes]: a reference's 10 s panes in time order, empty ones as n = 0,
    so that neighbours are neighbours in time. Events that never vary (k = 0 throughout) pass: there is no
    burst to reach across. Blocks with fewer than 25 pairs of neighbours are too short. If no block passes:
    `fallback` (see `before_learning`) and `guaranteed` False. Raises `DetectorError` for k > n, NaN.

    >>> choose_block([1, 0] * 300, [20] * 600)
    BlockChoice(seconds=10, guaranteed=True, lag1=-1.0)
    >>> choose_block([1, 0] * 20, [20] * 40)
    BlockChoice(seconds=60, guaranteed=False, lag1=nan)
    """
    events, total = counts(np.atleast_2d(k), np.atleast_2d(n))
    hits, size = events.sum(axis=1), total.sum(axis=1)
    steady = not ((hits > 0) & (hits < size)).any()
    found = float("nan")
    for seconds in SECONDS:
        k_block, n_block = _merged(events, seconds), _merged(total, seconds)
        full = n_block > 0
        if not full.size or int(full.sum(axis=1).min()) < FEWEST_BLOCKS:
            break
        if not steady and int((full[:, 1:] & full[:, :-1]).sum(axis=1).min()) < FEWEST_NEIGHBOURS:
            continue
        found = lag1(k_block, n_block)
        if steady or found <= MOST_LAG1:
            return BlockChoice(seconds, True, found)
    return BlockChoice(fallback, False, found)


def before_learning(
    kind: Literal["rate", "latency", "distribution", "category"], requests_per_s: float, quantile: float = 0.5
) -> int:
    """The block in seconds while there is no reference to choose by.

    Rates and categories: 10 s from 20 requests/s, else 60 s. Latency and other distributions: 60 s; p99 and
    beyond: 300 s. Raises `DetectorError` for an unknown kind and a negative or non-finite rate.

    >>> before_learning("rate", 50.0), before_learning("rate", 2.0), before_learning("latency", 50.0, 0.99)
    (10, 60, 300)
    """
    if requests_per_s != 0:
        positive("requests_per_s", requests_per_s)
    if kind in ("rate", "category"):
        return 10 if requests_per_s >= 20 else 60
    if kind in ("latency", "distribution"):
        return 300 if quantile >= 0.99 else 60
    raise DetectorError(f"kind = {kind!r}: must be rate, latency, distribution or category")


def _merged(panes: Floats, seconds: int) -> Floats:
    """Sums over whole blocks of `seconds`; what is left over at the end is dropped."""
    size = seconds // PANE_SECONDS
    whole = panes.shape[1] // size
    merged: Floats = panes[:, : whole * size].reshape(panes.shape[0], whole, size).sum(axis=2)
    return merged
