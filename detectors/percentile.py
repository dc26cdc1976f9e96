"""A quantile rule as one rare event: "p99 above v" is P(X > v) <= 1%.

Three ways to set it: an absolute value; the reference's quantile stretched by a factor; "exceeded three
times as often". Each gives `RareEvents` of one row. Thresholds between two bucket edges are rounded so that
the event implies what it says (X > v): a rule never alarms on values that keep to it.
"""

import numpy as np
from numpy.typing import ArrayLike

from detectors.bounds import clopper_pearson_upper, quantile_lower, quantile_upper
from detectors.buckets import Scale, histogram, rank_position
from detectors.checks import inside, positive
from detectors.errors import DetectorError
from detectors.events import HIGHEST, LOWEST, RareEvents
from detectors.tolerance import above_times


def above_value(q: float, value: float, scale: Scale, p_ref: float = float("nan")) -> RareEvents:
    """The `q` quantile must not exceed `value`: event X > value, m = 1 - q.

    `p_ref` is the reference's own rate of the event where there is one. Raises `DetectorError` for q
    outside (0, 1) and a value that is not on the scale.

    >>> from detectors.buckets import LOG
    >>> above_value(0.99, 800.0, LOG).m.round(4)
    array([0.01])
    """
    return _single("up", q, scale.bucket_at_least(value) + 1, HIGHEST, 1 - float(inside("q", q)), p_ref)


def below_value(q: float, value: float, scale: Scale, p_ref: float = float("nan")) -> RareEvents:
    """The `q` quantile must not fall below `value`: event X < value, m = q.

    >>> from detectors.buckets import LOG
    >>> below_value(0.1, 20.0, LOG).high
    array([149], dtype=int32)
    """
    high = scale.bucket_at_most(float(np.nextafter(value, -np.inf)))
    return _single("down", q, LOWEST, high, float(inside("q", q)), p_ref)


def stretched(
    buckets: ArrayLike,
    counts: ArrayLike,
    q: float,
    factor: float,
    scale: Scale,
    n_eff: float | None = None,
    alpha: float = 0.05,
) -> RareEvents:
    """The `q` quantile must not exceed `factor` times the reference's (`factor` < 1: not fall below it).

    The reference's quantile is its Beta order-statistic bound (largest value if no rank is sure enough), so
    the limit holds for the true quantile with probability 1 - alpha. `buckets` int32[b] ascending, `counts`
    int64[b], `n_eff` the effective size. Raises `DetectorError` for an empty reference, q outside (0, 1), a
    factor not above 0.

    >>> from detectors.buckets import LOG
    >>> LOG.upper(stretched(LOG.bucket([100, 200]), [9000, 1000], 0.5, 1.5, LOG).low - 1).round()
    array([154.])
    """
    index, count = histogram(buckets, counts)
    n = int(count.sum())
    size = n if n_eff is None else max(1, min(n, int(positive("n_eff", n_eff))))
    upward = positive("factor", factor) >= 1
    rank = quantile_upper(size, q, alpha) if upward else quantile_lower(size, q, alpha)
    at = int(index[rank_position(count, min(max(rank, 1), size) / size)])
    edge = scale.upper([at])[0] if upward else scale.lower([at])[0]
    if not np.isfinite(edge):
        raise DetectorError(f"the reference's p{100 * q:g} is the lowest bucket: nothing is below it")
    event = (
        above_value(q, float(edge) * factor, scale) if upward else below_value(q, float(edge) * factor, scale)
    )
    seen = count[(index >= int(event.low[0])) & (index <= int(event.high[0]))].sum() / n
    side = "up" if upward else "down"
    return _single(side, q, int(event.low[0]), int(event.high[0]), float(event.m[0]), float(seen))


def exceeded_more_often(
    buckets: ArrayLike,
    counts: ArrayLike,
    q: float,
    times: float,
    n_eff: float | None = None,
    alpha: float = 0.05,
) -> RareEvents:
    """The reference's `q` quantile must not be exceeded `times` as often: X > x_q, m = times its bound.

    Arguments and errors as `stretched`; at most M_MAX is sensible for m, which the caller sees in the row.

    >>> exceeded_more_often([1, 2], [9900, 100], 0.99, 3.0).m.round(3)
    array([0.035])
    """
    index, count = histogram(buckets, counts)
    at = rank_position(count, float(inside("q", q)))
    n, k = int(count.sum()), int(count[at + 1 :].sum())
    size = float(n) if n_eff is None else min(positive("n_eff", n_eff), float(n))
    upper = clopper_pearson_upper(k / n * size, size, alpha)
    return _single("up", q, int(index[at]) + 1, HIGHEST, float(above_times(upper, times)), k / n)


def _single(side: str, q: float, low: int, high: int, m: float, p_ref: float) -> RareEvents:
    return RareEvents(
        side=np.array([side]),
        edge=np.array([f"p{100 * q:g}"]),
        category=np.array([-1], dtype=np.int32),
        low=np.array([low], dtype=np.int32),
        high=np.array([high], dtype=np.int32),
        negate=np.array([False]),
        universe_low=np.array([LOWEST], dtype=np.int32),
        m=np.array([m]),
        p_ref=np.array([p_ref]),
        share=np.array([1.0]),
    )
