"""Pane bets: the e-value that needs nothing but the mean of a block.

H0: the rate of a rare event, given the past, is at most m. A block with k events among n pays

    L_j = 1 + lambda_j (k/n - m),   lambda_j = min(.9/m, n_eff (q_j - m) / (m (1 - m))),
    n_eff = n / (1 + (n - 1) rho),

with one component j for each alternative q_j. Every L_j >= 0.1, and E[L_j | past, n] <= 1 as soon as E[k/n
| past, n] <= m: requests of one block may depend on each other in any way. Two things break it: a rate that
goes with the volume (E[k/n | n] > m for some n), and dependence from block to block (choose longer blocks,
`detectors.blocks`). lambda follows n: fixed at the best value for n = 2000 it is useless for n = 1 and the
other way round.

The components are not averaged in a block but carried side by side, each with its share of the injected
weight (`detectors.esr`): the sum over them is an e-detector too, and the component that fits the change
takes over. Measured: within 1.1 of the best fixed bet.

Sources: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (JRSS B, 2024);
Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (NEJSDS,
2024).
"""

import numpy as np
from numpy.typing import ArrayLike

from detectors.checks import Floats, counts, inside, probability, refuse

COMPONENTS = 6
"""Alternatives q carried for every rare event: columns of every `log_m` and `log_l`."""

FIRST_EXCESS = 0.25
"""The smallest alternative is m times 1.25; a smaller excess is seen by it as well, only later."""

LEAST_M = 1e-12
"""Limits closer to 0 or 1 are refused: stakes of 1/m would overflow."""

LARGEST_STAKE = 0.9
"""lambda m at most: one block may lose 90% of the capital, never all of it."""


def alternatives(m: ArrayLike) -> Floats:
    """The alternatives q bet on for limits `m` float64[rows] in (0, 1): float64[rows, COMPONENTS].

    q_j - m grows geometrically from .25 min(m, 1 - m) to 1 - m, so that some q is within a constant factor
    of any true excess. Raises `DetectorError` for an m outside [1e-12, 1 - 1e-12].

    >>> alternatives([0.02]).round(3)
    array([[0.025, 0.034, 0.061, 0.139, 0.361, 1.   ]])
    """
    limit = np.atleast_1d(_limit(m))
    return limit[:, None] + _excess(limit)


def pane_bet_log_components(k: ArrayLike, n: ArrayLike, m: ArrayLike, rho: ArrayLike = 0.0) -> Floats:
    """log L of the pane bet of each row on each alternative: float64[rows, COMPONENTS].

    `k`, `n` float64 or int64[rows] with 0 <= k <= n (weighted counts may be fractions), `m` float64[rows]
    in (0, 1), `rho` in [0, 1] the correlation of two requests of a block: it only sizes the stake, the
    guarantee holds for any rho. n = 0 gives 0 (L = 1). Guarantee: E[L | past, n] <= 1 while E[k/n | past,
    n] <= m. Kill slots use the same function. Raises `DetectorError` for NaN, infinities, k > n, m outside
    [1e-12, 1 - 1e-12], rho outside [0, 1].

    >>> pane_bet_log_components([2, 0], [20, 0], [0.02, 0.02]).round(3)
    array([[0.342, 0.776, 1.475, 1.526, 1.526, 1.526],
           [0.   , 0.   , 0.   , 0.   , 0.   , 0.   ]])
    """
    events, total = counts(np.atleast_1d(k), np.atleast_1d(n))
    limit, correlation = _limit(m), probability("rho", rho)
    limit, correlation = np.broadcast_to(limit, total.shape), np.broadcast_to(correlation, total.shape)
    seen = total > 0
    rate = np.divide(events, total, out=limit.astype(np.float64), where=seen)
    effective = total / np.maximum(1 + (total - 1) * correlation, 1e-9)
    stake = effective / (limit * (1 - limit))
    bet = np.minimum((LARGEST_STAKE / limit)[:, None], stake[:, None] * _excess(limit))
    log_l: Floats = np.log1p(bet * (rate - limit)[:, None])
    return log_l


def _excess(limit: Floats) -> Floats:
    """q - m of every alternative: float64[rows, COMPONENTS]."""
    least = FIRST_EXCESS * np.minimum(limit, 1 - limit)
    excess = np.empty((limit.size, COMPONENTS))
    excess[:, 0] = least
    excess[:, 1:] = (((1 - limit) / least) ** (1 / (COMPONENTS - 1)))[:, None]
    return np.cumprod(excess, axis=1, out=excess)


def _limit(m: ArrayLike) -> Floats:
    limit = inside("m", m)
    refuse("m", limit, (limit < LEAST_M) | (limit > 1 - LEAST_M), f"must be at least {LEAST_M} from 0 and 1")
    return limit
