"""Bets on short slots, multiplied within a pane: nearly as soon as the ratio, and retries within a second allowed.

    L_j = prod_s (1 + lambda_{j,s} (k_s/n_s - m)),   the slots s of one pane, stakes as in `detectors.bets`

The product of e-values, each given the slots before it, is an e-value: E[L_j | past] <= 1 as soon as E[k_s/n_s |
all before slot s, n_s] <= m for every slot. Requests of one slot may depend on each other in any way; what must not
happen is that a slot's rate is above m *given the slots before it*: bursts that last for seconds need slots that
hold a whole burst, or the pane bet on a block chosen by `detectors.blocks`.

Against a pane bet the product earns up to ln(1/m) a slot instead of a pane. Delays are 1.0 to 1.5 of D* as long as a
slot holds fewer than one event more than m allows, n (p1 - m) < 1.

Source: as `detectors.bets`; the product of conditional e-values is Ville's test martingale.
"""

import numpy as np
from numpy.typing import ArrayLike

from detectors.bets import COMPONENTS, pane_bet_log_components
from detectors.checks import Floats, counts
from detectors.errors import DetectorError


def slot_log_components(k: ArrayLike, n: ArrayLike, m: ArrayLike, rho: ArrayLike = 0.0) -> Floats:
    """log L of one pane of each row, a product over its slots: float64[rows, bets.COMPONENTS].

    `k`, `n` [rows, slots] with 0 <= k <= n, in time order; empty slots count as 1. `m` float64[rows] in (0, 1), one
    limit for all slots; `rho` [rows] or one, the correlation of two requests of a slot, which only sizes the stakes.
    For `esr.update` the pane's size is `n.sum(axis=1)`. Guarantee: see the module. Raises `DetectorError` for NaN,
    infinities, k > n, m and rho outside their range, arrays that do not fit.

    >>> slot_log_components([[1, 0, 1], [0, 0, 0]], [[7, 7, 6], [0, 0, 0]], [0.02, 0.02]).round(3)
    array([[0.365, 0.878, 1.733, 1.789, 1.602, 1.602],
           [0.   , 0.   , 0.   , 0.   , 0.   , 0.   ]])
    """
    events, total = counts(k, n)
    limit, correlation = np.asarray(m, dtype=np.float64), np.asarray(rho, dtype=np.float64)
    if events.ndim != 2:
        raise DetectorError(f"k {events.shape}: must be [rows, slots]")
    rows, slots = events.shape
    if limit.shape not in ((), (rows,)) or correlation.shape not in ((), (rows,)):
        raise DetectorError(f"m {limit.shape}, rho {correlation.shape}: must be one, or one a row of {rows}")
    each = (np.repeat(np.broadcast_to(x, (rows,)), slots) for x in (limit, correlation))
    log_l = pane_bet_log_components(events.ravel(), total.ravel(), *each)
    product: Floats = log_l.reshape(rows, slots, COMPONENTS).sum(axis=1)
    return product
