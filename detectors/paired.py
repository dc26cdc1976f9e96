"""Paired with the same hour last week: has a rate risen against its own past, whatever its daily swing?

    L_j = (a_j / c_j)^k_a ((1 - a_j) / (1 - c_j))^(n_a - k_a)
          (b / c_j)^k_b ((1 - b) / (1 - c_j))^(n_b - k_b),    c_j = (n_a a_j + n_b b) / (n_a + n_b)

k_a of n_a now, k_b of n_b in the same block a week ago; b is the usual rate, a_j the rates it may have risen to. H0:
the rate now is at most the rate then. E[L_j] <= 1 for every common rate, known or not (Turner, Ly and Grünwald), and
below it since L_j rises with k_a and falls with k_b. It holds if requests of both blocks are independent given their
rates, both sizes are known before either count is looked at, a and b are fixed before, and each block of last week is
used in one pair only. A wrong b costs power, not the guarantee. There is no tolerance: a permanent rise by a tenth
alarms in the end, and a change that is a week old has become its own reference. Correlated requests break it as they
break `detectors.ratio`.

For traffic itself (`requests` halved or doubled against the same hour) bet on a share instead: k = now, n = now +
then, m = r / (1 + r) for "at most r times as many" with `detectors.bets`, in blocks long enough to be independent.

Source: Turner, Ly and Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional
stopping" (J. Stat. Plan. Inference, 2024), theorem 1.
"""

import numpy as np
from numpy.typing import ArrayLike

from detectors.checks import Floats, counts, inside, refuse
from detectors.errors import DetectorError
from detectors.tolerance import odds_times

ODDS = (1.25, 1.6, 2.5, 5.0, 12.0, 40.0)
"""How many times the usual odds the alternatives are."""

COMPONENTS = len(ODDS)


def alternatives(usual: ArrayLike) -> Floats:
    """The rates a_j that the `usual` rates float64[rows] in (0, 1) may have risen to: float64[rows, COMPONENTS].

    Raises `DetectorError` for a rate that is not strictly between 0 and 1 (from a reference without events take its
    upper bound).

    >>> alternatives([0.02]).round(3)
    array([[0.025, 0.032, 0.049, 0.093, 0.197, 0.449]])
    """
    rate = np.atleast_1d(inside("usual", usual))
    return np.stack([odds_times(rate, factor) for factor in ODDS], axis=1)


def paired_log_components(
    k_now: ArrayLike, n_now: ArrayLike, k_then: ArrayLike, n_then: ArrayLike, usual: ArrayLike
) -> Floats:
    """log L of "more often than then" for each row: float64[rows, COMPONENTS].

    Counts [rows] with 0 <= k <= n on both sides; `usual` float64[rows] in (0, 1) the rate expected of both, fixed
    before. A pair with an empty side gives 0 (L = 1): there is nothing to compare. For `esr.update` the size is n_now
    where both sides hold requests, else 0. For "less often than then" give the complements n - k and 1 - usual.
    Guarantee: see the module. Raises `DetectorError` for NaN, infinities, k > n, rates outside (0, 1), arrays that do
    not fit.

    >>> paired_log_components([8, 8, 8], [200, 200, 200], [4, 8, 0], [200, 200, 0], [0.02] * 3).round(2)
    array([[  0.37,   0.62,   0.65,  -0.29,  -3.51, -19.41],
           [ -0.1 ,  -0.42,  -1.57,  -4.58, -10.64, -30.25],
           [  0.  ,   0.  ,   0.  ,   0.  ,   0.  ,   0.  ]])
    """
    now, size = counts(np.atleast_1d(k_now), np.atleast_1d(n_now))
    then, size_then = counts(np.atleast_1d(k_then), np.atleast_1d(n_then))
    if now.shape != then.shape or now.ndim != 1:
        raise DetectorError(f"now {now.shape} and then {then.shape} do not fit")
    base = np.broadcast_to(inside("usual", usual), now.shape)
    risen = alternatives(base)
    refuse("usual", base, risen[:, -1] >= 1, "is too near to 1 to rise; watch the complement")
    share = np.divide(size, size + size_then, out=np.full(now.shape, 0.5), where=size + size_then > 0)
    common = share[:, None] * risen + (1 - share)[:, None] * base[:, None]
    log_l = _gain(now, size, risen, common) + _gain(then, size_then, base[:, None], common)
    return np.where(((size > 0) & (size_then > 0))[:, None], log_l, 0.0)


def _gain(k: Floats, n: Floats, rate: Floats, common: Floats) -> Floats:
    """Log-likelihood of k in n under `rate` over that under `common`: float64[rows, components]."""
    events, others = k[:, None], (n - k)[:, None]
    nats: Floats = events * np.log(rate / common) + others * (np.log1p(-rate) - np.log1p(-common))
    return nats
