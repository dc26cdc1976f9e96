"""The e-SR recursion with weighted injection, in logs.

    M_t = L_t (M_{t-1} + w_t),  M_0 = 0,  alarm at M >= A;   log M = log L + logaddexp(log M, log w)

If every L_t is an e-value given the past (E[L_t | past] <= 1), if every w_t is known before block t and the
weights of all detectors active in a pane sum to at most 1, then the expected number of false alarms over T
panes is at most T / A: whatever the dependence between detectors, with streams coming and going and with a
restart after each alarm. (M_t minus the injected weight is a supermartingale; add over detectors and over
alarms.) A detector has one column for each alternative of its bet; each gets its prior share of w, and the
alarm is on the sum of the columns.

Sources: Shin, Ramdas and Rinaldo, "E-detectors" (NEJSDS, 2024), Shiryaev-Roberts form; weighted injection
in the same way.
"""

import numpy as np
from numpy.typing import ArrayLike

from detectors.checks import Floats, finite, not_nan, refuse
from detectors.errors import DetectorError

MOST_WEIGHT = 120
"""A block of 1200 s alone in the budget injects 120 panes' worth."""


def start(rows: int, components: int) -> Floats:
    """log M of detectors that have seen nothing: -inf, float64[rows, components].

    >>> start(1, 2)
    array([[-inf, -inf]])
    """
    if rows < 0 or components < 1:
        raise DetectorError(
            f"rows = {rows}, components = {components}: rows must be >= 0 and components >= 1"
        )
    return np.full((rows, components), -np.inf)


def update(log_m: ArrayLike, log_l: ArrayLike, log_w: ArrayLike, n: ArrayLike) -> Floats:
    """log M after one block: float64[rows, components].

    `log_m`, `log_l` float64[rows, components]; `log_w` float64[rows], the row's weight for this block,
    spread evenly over the columns; `n` [rows], how many requests the block had. n = 0 freezes the row
    exactly: nothing is injected, nothing changes (L = 1 with injection would reach A after A silent
    blocks). log w = -inf (muted) drops the row to M = 0, empty block or not. Guarantee: see the module.
    Raises `DetectorError` for NaN, weights above 1, and arrays that do not fit.

    >>> update(start(3, 1), [[0.7], [0.7], [0.7]], [0.0, 0.0, -np.inf], [20, 0, 20])
    array([[ 0.7],
           [-inf],
           [-inf]])
    """
    before, gain, weight = not_nan("log_m", log_m), not_nan("log_l", log_l), not_nan("log_w", log_w)
    size = finite("n", n)
    if before.ndim != 2 or gain.shape != before.shape or {weight.shape, size.shape} != {before.shape[:1]}:
        raise DetectorError(
            f"log_m {before.shape}, log_l {gain.shape}, log_w {weight.shape}, n {size.shape} do not fit"
        )
    refuse(
        "log_w", weight, weight > 1e-9 + np.log(np.float64(MOST_WEIGHT)), f"a weight is at most {MOST_WEIGHT}"
    )
    injected = weight[:, None] - np.log(before.shape[1])
    after = gain + np.logaddexp(before, injected)
    after = np.where((size > 0)[:, None], after, before)
    return np.where(np.isneginf(weight)[:, None], -np.inf, after)


def level(log_m: ArrayLike) -> Floats:
    """log of the sum over the columns of `log_m` float64[rows, c]: float64[rows]; alarm when >= log A.

    >>> level([[0.0, 0.0], [-np.inf, -np.inf]]).round(3)
    array([0.693,  -inf])
    """
    columns = not_nan("log_m", log_m)
    largest = columns.max(axis=1)
    offset = np.where(np.isinf(largest), 0.0, largest)
    with np.errstate(divide="ignore"):
        total: Floats = offset + np.log(np.exp(columns - offset[:, None]).sum(axis=1))
    return total
