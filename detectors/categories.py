"""Rare events of a category: each share upward, the commonest also downward, and what was never there before.

- "category": the share of each known category among known ones must not exceed m (odds x2, at least +.01);
- "not": the share of all but the commonest (a rare category's downward side is vacuous: at most ln(1/(1-p))
  a block);
- "unknown": category 0 over everything, odds x3: a rate of its own. Inside the shares it raised 10 to 16
  alarms a day from a mere change of topics, outside of them none;
- "else": anything the reference never had.

m holds for the true share with probability 1 - alpha a row: Clopper-Pearson with N_eff, of the pooled share or
of the mean of pane rates, whichever is larger (`detectors.base_rates`). Rows with m > .5 are left out; the rest
share the weight equally.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detectors.base_rates import NO_PANES, BaseRates, PaneRates
from detectors.bounds import clopper_pearson_upper
from detectors.checks import Ints, positive, refuse
from detectors.errors import DetectorError
from detectors.events import HIGHEST, Int32s, RareEvents
from detectors.tolerance import DEFAULTS, M_MAX, Tolerance, limit

UNKNOWN = 0
MOST_WATCHED = 100
"""Categories watched upward, the commonest first: with more, each row's share is too small to see by."""


@dataclass(frozen=True, slots=True)
class _Row:
    edge: str
    category: int
    low: int
    high: int
    universe_low: int
    m: float
    p_ref: float


def category_events(
    categories: ArrayLike,
    counts: ArrayLike,
    tolerance: Tolerance = DEFAULTS["category"],
    n_eff: float | None = None,
    alpha: float = 0.05,
    unknown: Tolerance = DEFAULTS["unknown"],
    most: int = MOST_WATCHED,
    panes: PaneRates = NO_PANES,
) -> RareEvents:
    """The rare events of a reference's categories.

    `categories` int32[c] distinct ids >= 0 (0: unknown), `counts` int64[c] >= 0; `n_eff` the reference's
    effective size (its n if None), shared by known and unknown in proportion; `alpha` for each row's bound;
    the commonest `most` categories are watched; `panes` are the pane rates of `categories`, where known.
    `side` is "down" for "not". Raises `DetectorError` for an empty reference, negative ids or counts, ids that
    come twice.

    >>> events = category_events([1, 2], [9000, 1000])
    >>> events.edge.tolist(), events.category.tolist(), events.m.round(3).tolist()
    (['category', 'not', 'unknown', 'else'], [2, 1, -1, -1], [0.19, 0.19, 0.01, 0.01])
    """
    ids, count = _checked(categories, counts)
    known = ids > UNKNOWN
    watched = ids[known][np.argsort(-count[known], kind="stable")[:most]]
    thinned = 1.0 if n_eff is None else min(positive("n_eff", n_eff) / int(count.sum()), 1.0)
    order = np.argsort(ids)
    everything = _base(ids, count, panes, thinned, order)
    among = order[known[order]]
    rows = [_unknown(everything, unknown, alpha)]
    if count[known].any():
        rows = _known(watched, _base(ids, count, panes, thinned, among), tolerance, alpha) + rows
        rows.append(_else(int(count[known].sum()) * thinned, tolerance, alpha))
    return _events([row for row in rows if row.m <= M_MAX], ids[known])


def _base(ids: Int32s, count: Ints, panes: PaneRates, thinned: float, part: Ints) -> BaseRates:
    """The rates of some categories among those."""
    mine = count[part]
    return BaseRates(ids[part].astype(np.int64), mine, int(mine.sum()) * thinned, panes.among(part))


def _known(watched: Int32s, base: BaseRates, tolerance: Tolerance, alpha: float) -> list[_Row]:
    """Each share upward, the commonest as "not it" too."""
    rows = []
    for at, negate in [*((int(c), False) for c in watched), (int(watched[0]), True)]:
        m = float(limit(base.upper(at, at, alpha, negate), tolerance))
        edge = "not" if negate else "category"
        rows.append(_Row(edge, at, at, at, UNKNOWN + 1, m, base.pooled(at, at, negate)))
    return rows


def _unknown(base: BaseRates, tolerance: Tolerance, alpha: float) -> _Row:
    m = float(limit(base.upper(UNKNOWN, UNKNOWN, alpha), tolerance))
    return _Row("unknown", -1, UNKNOWN, UNKNOWN, UNKNOWN, m, base.pooled(UNKNOWN, UNKNOWN))


def _else(size: float, tolerance: Tolerance, alpha: float) -> _Row:
    m = float(limit(clopper_pearson_upper(0, size, alpha), tolerance))
    return _Row("else", -1, UNKNOWN + 1, HIGHEST, UNKNOWN + 1, m, 0.0)


def _events(rows: list[_Row], known: Int32s) -> RareEvents:
    others = [at for at, row in enumerate(rows) if row.edge == "else"]
    return RareEvents(
        side=np.array(["down" if row.edge == "not" else "up" for row in rows], dtype=np.str_),
        edge=np.array([row.edge for row in rows], dtype=np.str_),
        category=np.array([row.category for row in rows], dtype=np.int32),
        low=np.array([row.low for row in rows], dtype=np.int32),
        high=np.array([row.high for row in rows], dtype=np.int32),
        negate=np.array([row.edge == "not" for row in rows], dtype=np.bool_),
        universe_low=np.array([row.universe_low for row in rows], dtype=np.int32),
        m=np.array([row.m for row in rows], dtype=np.float64),
        p_ref=np.array([row.p_ref for row in rows], dtype=np.float64),
        share=np.full(len(rows), 1 / max(len(rows), 1)),
        left_out_row=np.repeat(np.array(others, dtype=np.int32), known.size),
        left_out_bucket=np.tile(known, len(others)),
    )


def _checked(categories: ArrayLike, counts: ArrayLike) -> tuple[Int32s, Ints]:
    ids, count = np.asarray(categories, dtype=np.int32), np.asarray(counts, dtype=np.int64)
    if ids.ndim != 1 or ids.shape != count.shape:
        raise DetectorError(f"categories {ids.shape} and counts {count.shape} must be flat and of one length")
    if np.unique(ids).size != ids.size:
        raise DetectorError("categories must be distinct")
    refuse("categories", ids, ids < UNKNOWN, "must not be negative")
    refuse("counts", count, count < 0, "must not be negative")
    if count.sum() == 0:
        raise DetectorError("the reference is empty: it has no shares")
    return ids, count
