"""Rare events of a category: each share upward, the commonest also downward, and what was never there before.

- "category": the share of each known category among known ones must not exceed m (odds x2, at least +.01);
- "not": the share of all but the commonest (a rare category's downward side is vacuous: at most ln(1/(1-p))
  a block);
- "unknown": category 0 over everything, odds x3: a rate of its own. Inside the shares it raised 10 to 16
  alarms a day from a mere change of topics, outside of them none;
- "else": anything the reference never had.

m holds for the true share with probability 1 - alpha a row (Clopper-Pearson with N_eff). Rows with m > .5
are left out; the rest share the weight equally.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

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
    k: int
    n: int
    tolerance: Tolerance


def category_events(
    categories: ArrayLike,
    counts: ArrayLike,
    tolerance: Tolerance = DEFAULTS["category"],
    n_eff: float | None = None,
    alpha: float = 0.05,
    unknown: Tolerance = DEFAULTS["unknown"],
    most: int = MOST_WATCHED,
) -> RareEvents:
    """The rare events of a reference's categories.

    `categories` int32[c] distinct ids >= 0 (0: unknown), `counts` int64[c] >= 0; `n_eff` the reference's
    effective size (its n if None), shared by known and unknown in proportion; `alpha` for each row's bound;
    the commonest `most` categories are watched. `side` is "down" for "not". Raises `DetectorError` for an
    empty reference, negative ids or counts, ids that come twice.

    >>> events = category_events([1, 2], [9000, 1000])
    >>> events.edge.tolist(), events.category.tolist(), events.m.round(3).tolist()
    (['category', 'not', 'unknown', 'else'], [2, 1, -1, -1], [0.19, 0.19, 0.01, 0.01])
    """
    ids, count = _checked(categories, counts)
    known = ids > UNKNOWN
    commonest_first = np.argsort(-count[known], kind="stable")[:most]
    watched, hits = ids[known][commonest_first], count[known][commonest_first]
    rows = _rows(watched, hits, int(count[known].sum()), int(count.sum()), tolerance, unknown)
    thinned = 1.0 if n_eff is None else min(positive("n_eff", n_eff) / int(count.sum()), 1.0)
    limits = [_limit(row, thinned, alpha) for row in rows]
    kept = [(row, m) for row, m in zip(rows, limits, strict=True) if m <= M_MAX]
    return _events([row for row, _ in kept], [m for _, m in kept], ids[known])


def _rows(
    watched: Int32s, k: Ints, among_known: int, everything: int, tolerance: Tolerance, unknown: Tolerance
) -> list[_Row]:
    """Every row that could be watched."""
    first = UNKNOWN + 1
    rows = [
        _Row("category", int(c), int(c), int(c), first, int(hits), among_known, tolerance)
        for c, hits in zip(watched, k, strict=True)
    ]
    if watched.size:
        most = int(watched[0])
        rows.append(_Row("not", most, most, most, first, among_known - int(k[0]), among_known, tolerance))
    rows.append(_Row("unknown", -1, UNKNOWN, UNKNOWN, UNKNOWN, everything - among_known, everything, unknown))
    rows.append(_Row("else", -1, first, HIGHEST, first, 0, among_known, tolerance))
    return rows


def _limit(row: _Row, thinned: float, alpha: float) -> float:
    if row.n == 0:
        return 1.0
    return float(limit(clopper_pearson_upper(row.k * thinned, row.n * thinned, alpha), row.tolerance))


def _events(rows: list[_Row], m: list[float], known: Int32s) -> RareEvents:
    others = [at for at, row in enumerate(rows) if row.edge == "else"]
    return RareEvents(
        side=np.array(["down" if row.edge == "not" else "up" for row in rows], dtype=np.str_),
        edge=np.array([row.edge for row in rows], dtype=np.str_),
        category=np.array([row.category for row in rows], dtype=np.int32),
        low=np.array([row.low for row in rows], dtype=np.int32),
        high=np.array([row.high for row in rows], dtype=np.int32),
        negate=np.array([row.edge == "not" for row in rows], dtype=np.bool_),
        universe_low=np.array([row.universe_low for row in rows], dtype=np.int32),
        m=np.array(m, dtype=np.float64),
        p_ref=np.array([row.k / row.n for row in rows], dtype=np.float64),
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
