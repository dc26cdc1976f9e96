"""How soon a change can be seen: the limit of the pane bet, before anything is measured.

A block of n requests of which each is a rare event with probability p pays L = 1 + lambda (X - m), X = k/n. No bet
gains more from it, on average, than

    growth = max over 0 <= lambda < 1/m of E ln(1 + lambda (X - m)),   X = Binomial(n, p) / n,

so evidence that begins with a weight w reaches the threshold A after about D_bet = ln(A / w) / growth blocks: the
limit while only the mean inside a block is assumed. growth is at most ln(p / m), whatever the size of a block, so
ln(A / w) / ln(1 / m) blocks is the least for any change. Mixtures of bets measure 0.8 to 1.3 of it, plus the block in
which the change begins (`tests/detectors/test_delays.py`).

Requests are taken as independent here. Where they hang together within a block, put their effective number for n.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, xlog1py, xlogy

from detectors.checks import Floats, inside, positive, probability, refuse
from detectors.errors import DetectorError

MOST_REQUESTS = 10**7
"""A block of more requests is refused: the sums would be long, and its delay that of the limit ln(p / m)."""

_DEVIATIONS = 12.0
_HALVINGS = 60


def growth(m: ArrayLike, p: ArrayLike, n: int) -> Floats:
    """What a block adds to ln M at best, on average, in nats: float64[rows]; 0 where p <= m.

    `m` float64[rows] in (0, 1), the limit; `p` float64[rows] in [0, 1], the rate now; `n` requests a block. Raises
    `DetectorError` for n outside 1 to 10^7 and what is no probability.

    >>> growth([0.02, 0.02, 0.02], [0.02, 0.10, 1.0], 20).round(3)
    array([0.   , 1.07 , 3.912])
    """
    limit, rate = np.broadcast_arrays(np.atleast_1d(inside("m", m)), np.atleast_1d(probability("p", p)))
    excess, weight = _outcomes(limit, rate, _requests(n))
    low, high = np.zeros(limit.size), np.full(limit.size, 1 - 1e-12)
    for _ in range(_HALVINGS):
        stake = (low + high) / 2
        slope = (weight * excess / (1 + stake[:, None] * excess)).sum(axis=1)
        low, high = np.where(slope > 0, stake, low), np.where(slope > 0, high, stake)
    gained: Floats = (weight * np.log1p(low[:, None] * excess)).sum(axis=1)
    return np.where(rate > limit, np.maximum(gained, 0.0), 0.0)


def expected_blocks(threshold: float, weight: ArrayLike, m: ArrayLike, p: ArrayLike, n: int) -> Floats:
    """D_bet = ln(A / w) / growth, at least one block; infinite where p <= m: float64[rows].

    `threshold` is A, `weight` float64[rows] what a row injects for each block, in panes (a block of 60 s injects 6
    times its share); the others as `growth`. Raises `DetectorError` as `growth`, and for a weight not above 0.

    >>> expected_blocks(259_200, 1.0, [0.02, 0.02], [0.03, 0.10], 200).round(1)
    array([41.2,  7.9])
    """
    injected = np.atleast_1d(np.asarray(weight, dtype=np.float64))
    refuse("weight", injected, ~(np.isfinite(injected) & (injected > 0)), "must be a finite number above 0")
    gained = growth(m, p, n)
    nats = np.log(np.maximum(positive("threshold", threshold) / injected, 1.0))
    nats, gained = np.broadcast_arrays(nats, gained)
    blocks = np.divide(nats, gained, out=np.full(nats.shape, np.inf), where=gained > 0)
    least: Floats = np.maximum(blocks, 1.0)
    return least


def _outcomes(limit: Floats, rate: Floats, n: int) -> tuple[Floats, Floats]:
    """(k/n - m) / m and its probability, for every k within twelve deviations of n p: float64[rows, outcomes]."""
    reach = np.ceil(_DEVIATIONS * (np.sqrt(n * rate * (1 - rate)) + 1))
    first = np.maximum(np.floor(n * rate - reach), 0.0)
    k = first[:, None] + np.arange(min(int(2 * reach.max()) + 2, n + 1))
    possible = k <= n
    k = np.minimum(k, n)
    p = rate[:, None]
    log_choices = gammaln(n + 1.0) - gammaln(k + 1) - gammaln(n - k + 1)
    weight = np.where(possible, np.exp(log_choices + xlogy(k, p) + xlog1py(n - k, -p)), 0.0)
    return (k / n - limit[:, None]) / limit[:, None], weight


def _requests(n: int) -> int:
    if not 1 <= n <= MOST_REQUESTS:
        raise DetectorError(f"n = {n}: a block has 1 to {MOST_REQUESTS:,} requests")
    return int(n)
