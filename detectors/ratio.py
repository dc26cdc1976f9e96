"""Bernoulli likelihood ratios: nearest to the limit D*, for requests that are independent of each other.

    L_j = (q_j / m)^k ((1 - q_j) / (1 - m))^(n - k),   q_j > m

carried side by side as the columns of `detectors.esr`. Every L_j falls with m, so E[L_j | past] <= 1 as soon as
each request, given everything before it (the earlier requests of its own block too), is the event with a
probability of at most m. A mean of at most m is not enough: retries, shared causes and queues inside a block
break it (measured: 30 to 90 times the promised alarms at correlation .1), and there is no cure by an exponent,
since L^(1/phi) is no e-value. So it is never for kills, and for alarms only where independence is known;
otherwise `detectors.bets`, or `detectors.slots` where requests are independent beyond a second.

The q's are spaced geometrically in the delay D* at which they would be seen, not in q: ten of them cover shifts
that take 1.5 blocks and shifts that take 1500.

Sources: Wald, "Sequential Analysis" (1947); Lorden (Ann. Math. Stat. 1971) for D*; Shin, Ramdas and Rinaldo,
"E-detectors" (NEJSDS, 2024) for the mixture in Shiryaev-Roberts form.
"""

import numpy as np
from numpy.typing import ArrayLike

from detectors.checks import Floats, counts, finite, inside, positive, refuse
from detectors.errors import DetectorError

COMPONENTS = 10
"""Alternatives q carried for every rare event."""

SHORTEST, LONGEST = 1.5, 1500.0
"""Blocks that the largest and the smallest alternative would take to be seen."""

LEAST_GAP = 1e-9
"""A q this near to 1 stands for 1: a block without the event must not cost everything."""

_HALVINGS = 60


def alternatives(m: ArrayLike, requests: ArrayLike, a: float = 259_200.0) -> Floats:
    """The alternatives q for limits `m` float64[rows] in (0, 1): float64[rows, COMPONENTS], falling in delay.

    `requests` [rows] > 0 is how many a block usually holds, `a` the threshold. q_j solves requests KL(q_j || m)
    = ln(a) / d_j for delays d_j from 1500 down to 1.5 blocks; where even q = 1 takes longer, q is 1 less 1e-9. Raises
    `DetectorError` for m outside (0, 1), requests or a - 1 that are not above 0.

    >>> alternatives([0.02], [20]).round(3)
    array([[0.024, 0.026, 0.029, 0.034, 0.041, 0.053, 0.072, 0.103, 0.155,
            0.244]])
    """
    limit, size = np.broadcast_arrays(np.atleast_1d(inside("m", m)), finite("requests", requests))
    refuse("requests", size, size <= 0, "must be above 0")
    delay = np.geomspace(LONGEST, SHORTEST, COMPONENTS)
    wanted = np.log1p(positive("a - 1", a - 1)) / (size[:, None] * delay)
    low, high = np.repeat(limit[:, None], COMPONENTS, axis=1), np.full(wanted.shape, 1 - LEAST_GAP)
    high = np.maximum(high, low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        short = divergence(middle, limit[:, None]) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    q: Floats = high
    return q


def divergence(a: ArrayLike, b: ArrayLike) -> Floats:
    """KL(Bernoulli(a) || Bernoulli(b)) in nats, a in [0, 1], b in (0, 1); arrays broadcast.

    Raises `DetectorError` outside of that.

    >>> divergence([0.0, 0.03], 0.02).round(5)
    array([0.0202 , 0.00222])
    """
    first, second = np.broadcast_arrays(finite("a", a), inside("b", b))
    refuse("a", first, (first < 0) | (first > 1), "must be between 0 and 1")
    happens = np.where(first > 0, first, 1.0)
    fails = np.where(first < 1, 1 - first, 1.0)
    nats: Floats = first * np.log(happens / second) + (1 - first) * (np.log(fails) - np.log1p(-second))
    return nats


def ratio_log_components(k: ArrayLike, n: ArrayLike, m: ArrayLike, q: ArrayLike) -> Floats:
    """log L of each row against each alternative: float64[rows, c].

    `k`, `n` [rows] with 0 <= k <= n, `m` float64[rows] in (0, 1), `q` float64[rows, c] from `alternatives`, chosen
    before the block, m <= q < 1. n = 0 gives 0 (L = 1). Guarantee: E[L | past] <= 1 while every request's conditional
    probability is at most m; see the module for what breaks it. Raises `DetectorError` for NaN, infinities, k > n,
    probabilities outside their range, arrays that do not fit.

    >>> ratio_log_components([2, 0, 0], [20, 20, 0], [0.02] * 3, [[0.05], [0.05], [0.05]]).round(3)
    array([[ 1.273],
           [-0.622],
           [ 0.   ]])
    """
    events, total = counts(np.atleast_1d(k), np.atleast_1d(n))
    limit, other = np.broadcast_to(inside("m", m), total.shape), inside("q", q)
    if other.ndim != 2 or len(other) != len(total):
        raise DetectorError(f"q {other.shape} does not fit k {total.shape}: it must be [rows, components]")
    refuse("q", other, other < limit[:, None], "an alternative must not be below its m")
    for_event = np.log(other / limit[:, None])
    for_other = np.log1p(-other) - np.log1p(-limit)[:, None]
    log_l: Floats = events[:, None] * for_event + (total - events)[:, None] * for_other
    return log_l
