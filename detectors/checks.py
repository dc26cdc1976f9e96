"""Guards at the door of every public function: what is not a number never reaches a formula."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.errors import DetectorError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_COUNTED = 2.0**53
"""Beyond it float64 no longer counts by ones."""


def refuse(name: str, values: NDArray[Any], bad: Bools, rule: str) -> None:
    """Raise a `DetectorError` naming the first of `values` at which `bad` is true; shapes are equal."""
    if bad.any():
        at = int(np.flatnonzero(bad.ravel())[0])
        raise DetectorError(f"{name}[{at}] = {values.ravel()[at]}: {rule}")


def finite(name: str, values: ArrayLike) -> Floats:
    """`values` as float64 of their own shape; raises `DetectorError` for a NaN or an infinity."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        refuse(name, array, ~np.isfinite(array), "must be a finite number")
    return array


def not_nan(name: str, values: ArrayLike) -> Floats:
    """`values` as float64, infinities allowed (logs of 0); raises `DetectorError` for a NaN."""
    array = np.asarray(values, dtype=np.float64)
    refuse(name, array, np.isnan(array), "must not be NaN")
    return array


def counts(k: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """`k` of `n` as float64, broadcast against each other; weighted counts are allowed.

    Raises `DetectorError` unless 0 <= k <= n and both are finite.
    """
    events, total = np.broadcast_arrays(finite("k", k), finite("n", n))
    refuse("n", total, (total < 0) | (total > MOST_COUNTED), "must be between 0 and 2^53")
    refuse("k", events, (events < 0) | (events > total), "must be between 0 and n")
    return events, total


def inside(name: str, p: ArrayLike) -> Floats:
    """`p` as float64; raises `DetectorError` unless 0 < p < 1 everywhere."""
    array = finite(name, p)
    refuse(name, array, (array <= 0) | (array >= 1), "must be strictly between 0 and 1")
    return array


def probability(name: str, p: ArrayLike) -> Floats:
    """`p` as float64; raises `DetectorError` unless 0 <= p <= 1 everywhere."""
    array = finite(name, p)
    refuse(name, array, (array < 0) | (array > 1), "must be between 0 and 1")
    return array


def positive(name: str, value: float) -> float:
    """`value` itself; raises `DetectorError` unless it is finite and above 0."""
    if not (np.isfinite(value) and value > 0):
        raise DetectorError(f"{name} = {value}: must be a finite number above 0")
    return float(value)
