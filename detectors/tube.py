"""The tube around a reference distribution: each edge of it is a rare event with a limit of its own.

H0 says that the distribution F of a quantity stays close to the reference F0. It is watched at the
reference's quantiles x_q: upward the event X > t for q >= .5, downward its mirror X < t for q <= .5.

- points d: t = x_q, m = P0(event) + d.
- stretch r: t = r x_q upward, x_q / r downward, m = P0(X > x_q), or P0(X < x_q). A distribution stretched
  by at most r keeps to it exactly, and m is exceeded exactly if the quantile itself has moved by more than
  r: an alarm at the edge "p90" says "p90 is more than r times the reference's". It scales to the tail by
  itself. m is at least 1 - q (downward q) and at least r times the odds of P0(event at t), so that whole
  numbers, which stretch cannot move a little, have room too.

P0 is replaced by its Clopper-Pearson upper bound with N_eff records (at an order statistic that is the
exact Beta bound), or that of the mean of pane rates if it is larger (`detectors.base_rates`), so m holds for
the true F0 with probability 1 - alpha an edge. Events with m > .5 are
left out; the rest share the weight equally. (Edges at x_q itself with m = S0(x_q / r) are equivalent for
wide distributions, but leave none for narrow ones: there every m is near 1. The limit delay of "4% of
traffic 20 times slower", 20 requests a pane, log-normal with sigma 1, is 76 panes here and 292 there.)
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from detectors.base_rates import NO_PANES, BaseRates, PaneRates
from detectors.buckets import BucketIds, Scale, histogram, rank_position
from detectors.checks import Floats, positive
from detectors.errors import DetectorError
from detectors.events import HIGHEST, LOWEST, RareEvents
from detectors.tolerance import M_MAX, above_points, odds_times

EDGES = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)
"""The reference quantiles that are watched."""

SIDES = ("up", "down")
"""`up`: large values become more frequent; `down`: small values do."""


def edges(
    buckets: ArrayLike, counts: ArrayLike, qs: Sequence[float] = EDGES, side: str = "up"
) -> tuple[BucketIds, Floats]:
    """The distinct buckets that hold the quantiles `qs`, and for each the q nearest to what lies beyond it.

    `buckets` int32[b] ascending, `counts` int64[b]. Ties (an atom holding several quantiles) become one edge.
    Raises `DetectorError` for an empty histogram and q outside [0, 1].

    >>> [column.tolist() for column in edges([0, 5], [70, 30], (0.1, 0.5, 0.9))]
    [[0, 5], [0.5, 0.9]]
    """
    index, count = histogram(buckets, counts)
    label = np.array(sorted(qs), dtype=np.float64)
    at = np.array([rank_position(count, q) for q in label], dtype=np.int64)
    changes = at[1:] != at[:-1]
    # Beyond an atom upward lies at most 1 less its last q, downward at most its first.
    kept = np.append(changes, True) if side == "up" else np.append(True, changes)
    return (index[at[kept]], label[kept]) if at.size else (index[:0], label)


def tube_points(
    buckets: ArrayLike,
    counts: ArrayLike,
    points: float,
    sides: Sequence[str] = SIDES,
    n_eff: float | None = None,
    alpha: float = 0.05,
    qs: Sequence[float] = EDGES,
    panes: PaneRates = NO_PANES,
) -> RareEvents:
    """The tube of `points` (0.1: ten points of the distribution function) around a reference histogram.

    `buckets` int32[b] ascending, `counts` int64[b]; `sides` of "up", "down"; `n_eff` the reference's
    effective size (its n if None); `alpha` for each edge's bound; `panes` its pane rates. May be empty
    if every m > .5. Raises `DetectorError` for an empty reference.

    >>> tube = tube_points([1, 2, 3], [3000, 4000, 3000], 0.1, sides=("up",))
    >>> tube.edge.tolist(), tube.low.tolist(), tube.m.round(3).tolist()
    (['p70', 'p99'], [3, 4], [0.408, 0.1])
    """
    reference = _base(buckets, counts, n_eff, panes)
    rows = []
    for side, q, at in _watched(buckets, counts, sides, qs):
        low, high = (at + 1, HIGHEST) if side == "up" else (LOWEST, at - 1)
        m = float(above_points(reference.upper(low, high, alpha), points))
        rows.append((side, q, low, high, m, reference.pooled(low, high)))
    return _kept(rows)


def tube_stretch(
    buckets: ArrayLike,
    counts: ArrayLike,
    factor: float,
    scale: Scale,
    sides: Sequence[str] = SIDES,
    n_eff: float | None = None,
    alpha: float = 0.05,
    qs: Sequence[float] = EDGES,
    panes: PaneRates = NO_PANES,
) -> RareEvents:
    """The tube of all distributions stretched or shrunk by at most `factor` around a reference histogram.

    Arguments as `tube_points`; `scale` maps buckets to values. An edge whose stretched value no bucket can
    exceed is left out. Raises `DetectorError` for an empty reference and a factor not above 1.

    >>> from detectors.buckets import LOG
    >>> tube = tube_stretch(LOG.bucket([100, 200, 400]), [5000, 4000, 1000], 1.5, LOG, sides=("up",))
    >>> tube.edge.tolist(), LOG.upper(tube.low - 1).round().tolist(), tube.m.round(3).tolist()
    (['p90', 'p99'], [305.0, 614.0], [0.15, 0.01])
    """
    if positive("factor", factor) <= 1:
        raise DetectorError(f"factor = {factor}: a stretch must be above 1")
    reference = _base(buckets, counts, n_eff, panes)
    rows = []
    for side, q, at in _watched(buckets, counts, sides, qs):
        bounds = _stretched(side, at, factor, scale)
        if bounds is None:
            continue
        low, high = bounds
        beyond = (at + 1, HIGHEST) if side == "up" else (LOWEST, at - 1)
        nominal = 1 - q if side == "up" else q
        room = float(odds_times(reference.upper(low, high, alpha), factor))
        m = max(nominal, reference.upper(*beyond, alpha), room)
        rows.append((side, q, low, high, m, reference.pooled(low, high)))
    return _kept(rows)


Row = tuple[str, float, int, int, float, float]


def _base(buckets: ArrayLike, counts: ArrayLike, n_eff: float | None, panes: PaneRates) -> BaseRates:
    index, count = histogram(buckets, counts)
    n = float(count.sum())
    size = n if n_eff is None else min(positive("n_eff", n_eff), n)
    return BaseRates(index.astype(np.int64), count, size, panes)


def _watched(
    buckets: ArrayLike, counts: ArrayLike, sides: Sequence[str], qs: Sequence[float]
) -> list[tuple[str, float, int]]:
    """(side, q, bucket) of every edge: q >= .5 upward, q <= .5 downward."""
    unknown = set(sides) - set(SIDES)
    if unknown or not sides:
        raise DetectorError(f"sides = {tuple(sides)}: must be one or both of {SIDES}")
    found = []
    for side in sides:
        mine = [q for q in qs if (q >= 0.5 if side == "up" else q <= 0.5)]
        at, label = edges(buckets, counts, mine, side)
        found += [(side, float(q), int(bucket)) for bucket, q in zip(at, label, strict=True)]
    return found


def _stretched(side: str, at: int, factor: float, scale: Scale) -> tuple[int, int] | None:
    """The event's buckets, rounded away from the reference; None where there is none to exceed."""
    if side == "up":
        value = float(scale.upper([at])[0]) * factor
        try:
            return scale.bucket_at_least(value) + 1, HIGHEST
        except DetectorError:
            return None
    below = float(scale.lower([at])[0]) / factor
    return (LOWEST, scale.bucket_at_most(below)) if below >= 0 else None


def _kept(rows: list[Row]) -> RareEvents:
    """Rows with m <= .5, with equal shares of the weight."""
    kept = [row for row in rows if row[4] <= M_MAX]
    side, q, low, high, m, p_ref = zip(*kept, strict=True) if kept else ((),) * 6
    return RareEvents(
        side=np.array(side, dtype=np.str_),
        edge=np.array([f"p{100 * value:g}" for value in q], dtype=np.str_),
        category=np.full(len(kept), -1, dtype=np.int32),
        low=np.array(low, dtype=np.int32),
        high=np.array(high, dtype=np.int32),
        negate=np.zeros(len(kept), dtype=np.bool_),
        universe_low=np.full(len(kept), LOWEST, dtype=np.int32),
        m=np.array(m, dtype=np.float64),
        p_ref=np.array(p_ref, dtype=np.float64),
        share=np.full(len(kept), 1 / max(len(kept), 1)),
    )
