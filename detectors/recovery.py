"""Mirrored recovery: evidence against "the rate is still at least m".

    R_t = sum over j of L_j (R_{j,t-1} + 1/COMPONENTS),  L_j = ((q_j/m)^k ((1-q_j)/(1-m))^(n-k))^(1/phi),
    q_j < m,

resolved at R >= 8640 (one day of 10 s blocks): a change that persists is then closed by mistake at most
about once a day. For phi = 1 and requests that are independent given the past, E[L_j | past] <= 1 for every
rate >= m (the likelihood ratio falls with k, so p = m is the worst case). For phi > 1 it is an
approximation and no e-value under correlated requests: its error is a flap, never a page or a kill, which
is why it may be used here and nowhere else.

Source: Wald's likelihood ratio mixture in Shiryaev-Roberts form (Pollak 1987; Shin, Ramdas and Rinaldo 2024).
"""

import numpy as np
from numpy.typing import ArrayLike

from detectors.checks import Floats, counts, inside, not_nan, refuse
from detectors.errors import DetectorError

COMPONENTS = 4
"""Rates below m that are carried side by side: columns of every `log_r`."""

RESOLVED = float(np.log(8640.0))
"""Recovered when `detectors.esr.level(log_r)` is at least this."""

LOWEST = 0.01
"""The lowest alternative is this share of m even if the reference is lower still (k = 0)."""


def start(rows: int) -> Floats:
    """log R of rows whose incident has just opened: -inf, float64[rows, COMPONENTS].

    >>> start(1)
    array([[-inf, -inf, -inf, -inf]])
    """
    return np.full((rows, COMPONENTS), -np.inf)


def alternatives(m: ArrayLike, p_ref: ArrayLike) -> Floats:
    """Rates q < m, geometric from under `m` down to `p_ref`, the last: float64[rows, COMPONENTS].

    `m` float64[rows] in (0, 1). A `p_ref` that is NaN (no reference) or not below m (the user's limit is
    stricter than the reference) counts as m / 2. Raises `DetectorError` for a bad m.

    >>> alternatives([0.16], [0.01]).round(3)
    array([[0.08, 0.04, 0.02, 0.01]])
    """
    limit = np.atleast_1d(inside("m", m))
    healthy = np.broadcast_to(np.asarray(p_ref, dtype=np.float64), limit.shape)
    lowest = np.where(healthy < limit, np.maximum(healthy, LOWEST * limit), limit / 2)
    steps = np.arange(1, COMPONENTS + 1) / COMPONENTS
    q: Floats = limit[:, None] * (lowest / limit)[:, None] ** steps
    return q


def update(
    log_r: ArrayLike, k: ArrayLike, n: ArrayLike, m: ArrayLike, p_ref: ArrayLike, phi: ArrayLike = 1.0
) -> Floats:
    """log R after one block: float64[rows, COMPONENTS]; compare `esr.level` of it with `RESOLVED`.

    `log_r` float64[rows, COMPONENTS]; `k`, `n` [rows]; `m`, `p_ref` float64[rows]; `phi` >= 1 the design
    effect, one or [rows]. An empty block changes nothing: no data is never a recovery. Raises
    `DetectorError` for NaN, k > n, m outside (0, 1), phi < 1.

    >>> float(update(start(1), [0], [200], [0.1], [0.01]).max().round(2))
    17.68
    """
    before = not_nan("log_r", log_r)
    events, total = counts(np.atleast_1d(k), np.atleast_1d(n))
    limit = np.broadcast_to(inside("m", m), total.shape)
    effect = np.broadcast_to(not_nan("phi", phi), total.shape)
    refuse("phi", effect, effect < 1, "a design effect is at least 1")
    if before.shape != (*total.shape, COMPONENTS):
        raise DetectorError(
            f"log_r {before.shape} does not fit k {total.shape}: it must be [rows, {COMPONENTS}]"
        )
    q = alternatives(limit, p_ref)
    for_event = np.log(q / limit[:, None])
    for_other = np.log1p(-q) - np.log1p(-limit)[:, None]
    gain = (events[:, None] * for_event + (total - events)[:, None] * for_other) / effect[:, None]
    after = gain + np.logaddexp(before, -np.log(COMPONENTS))
    return np.where((total > 0)[:, None], after, before)
