"""Confidence bounds for what was learned from a reference.

Clopper-Pearson for rates; Beta bounds on order statistics for quantiles. (DKW is wrong at the tails: a p99
from 10,000 records is known to +-.002, DKW allows +-.016.) Both are exact for independent records;
correlated records count as N_eff = N / phi.

Sources: Clopper and Pearson (Biometrika 1934); David and Nagaraja, "Order Statistics" (2003), 7.1; Kish,
"Survey Sampling" (1965).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, bdtrik, betaincinv

from detectors.checks import Floats, counts, inside
from detectors.errors import DetectorError


def clopper_pearson_upper(k: ArrayLike, n: ArrayLike, alpha: ArrayLike) -> Floats:
    """Upper bound of a rate: the 1 - alpha quantile of Beta(k + 1, n - k); 1 where k = n: float64[rows].

    `k`, `n` [rows], fractions allowed (k = p N_eff, n = N_eff); `alpha` in (0, 1), one-sided. P(rate >
    bound) <= alpha for independent records. Raises `DetectorError` for NaN, k > n, alpha outside (0, 1).

    >>> clopper_pearson_upper([0, 10], [1000, 1000], 0.05).round(4)
    array([0.003 , 0.0169])
    """
    events, total, level = np.broadcast_arrays(*counts(k, n), inside("alpha", alpha))
    open_above = events < total
    bound = betaincinv(events + 1, np.where(open_above, total - events, 1.0), 1 - level)
    return np.where(open_above, bound, 1.0)


def clopper_pearson_lower(k: ArrayLike, n: ArrayLike, alpha: ArrayLike) -> Floats:
    """Lower bound of a rate: the alpha quantile of Beta(k, n - k + 1); 0 where k = 0: float64[rows].

    Arguments, guarantee and errors as `clopper_pearson_upper`.

    >>> clopper_pearson_lower([0, 10], [1000, 1000], 0.05).round(4)
    array([0.    , 0.0054])
    """
    events, total, level = np.broadcast_arrays(*counts(k, n), inside("alpha", alpha))
    open_below = events > 0
    bound = betaincinv(np.where(open_below, events, 1.0), total - events + 1, level)
    return np.where(open_below, bound, 0.0)


def quantile_upper(n: int, q: float, alpha: float) -> int:
    """The lowest 1-based rank r with P(X_(r) >= q quantile) >= 1 - alpha; n + 1 if no rank is that sure.

    F(X_(r)) follows Beta(r, n - r + 1), which is above q exactly if Binomial(n, q) < r. For independent
    records. Raises `DetectorError` for n < 0 and q, alpha outside (0, 1).

    >>> quantile_upper(10_000, 0.99, 0.05), quantile_upper(100, 0.99, 0.05)
    (9917, 101)
    """
    return _binomial_quantile(1 - float(inside("alpha", alpha)), _size(n), float(inside("q", q))) + 1


def quantile_lower(n: int, q: float, alpha: float) -> int:
    """The highest 1-based rank r with P(X_(r) <= the q quantile) >= 1 - alpha; 0 if no rank is that sure.

    Arguments, guarantee and errors as `quantile_upper`.

    >>> quantile_lower(10_000, 0.5, 0.05), quantile_lower(3, 0.5, 0.05)
    (4918, 0)
    """
    level = 1 - float(inside("alpha", alpha))
    return _size(n) - _binomial_quantile(level, _size(n), 1 - float(inside("q", q)))


def design_effect(k_blocks: ArrayLike, n_blocks: ArrayLike) -> Floats:
    """phi >= 1: how many times the variance of the pooled rate exceeds that of independent records.

        phi = B/(B-1) sum_b (k_b - n_b p)^2 / (N p (1-p)),  p = sum k / N

    `k_blocks`, `n_blocks` [..., blocks], blocks long enough to be independent of each other; result
    float64[...]. Empty blocks do not count; fewer than two blocks, or p = 0 or 1, give 1. Raises
    `DetectorError` for NaN and k > n.

    >>> design_effect([0, 8, 0, 8], [10, 10, 10, 10]).round(2)
    np.float64(8.89)
    """
    events, total = counts(k_blocks, n_blocks)
    blocks = (total > 0).sum(axis=-1)
    size = total.sum(axis=-1)
    rate = events.sum(axis=-1) / np.maximum(size, 1)
    spread = ((events - total * rate[..., None]) ** 2).sum(axis=-1)
    expected = size * rate * (1 - rate)
    known = (blocks > 1) & (expected > 0)
    phi = blocks / np.maximum(blocks - 1, 1) * spread / np.where(known, expected, 1.0)
    effect: Floats = np.where(known, np.maximum(phi, 1.0), 1.0)
    return effect[()]


def effective_n(k_blocks: ArrayLike, n_blocks: ArrayLike) -> Floats:
    """N_eff = N / phi: the number of independent records that would pin the rate down as well: float64[...].

    Arguments and errors as `design_effect`.

    >>> effective_n([0, 8, 0, 8], [10, 10, 10, 10]).round(1)
    np.float64(4.5)
    """
    _, total = counts(k_blocks, n_blocks)
    size: Floats = total.sum(axis=-1) / design_effect(k_blocks, n_blocks)
    return size


def _binomial_quantile(level: float, n: int, p: float) -> int:
    """The least k with P(Binomial(n, p) <= k) >= `level`; `scipy.stats` would take a second to import."""
    k = int(np.ceil(bdtrik(level, n, p))) if n else 0
    return k - 1 if k > 0 and bdtr(k - 1, n, p) >= level else k


def _size(n: int) -> int:
    if n < 0:
        raise DetectorError(f"n = {n}: must not be negative")
    return int(n)
