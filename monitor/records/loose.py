"""Columns of JSON values of any type, as signals of users find them: what a signal cannot count is dropped."""

from typing import Final

import numpy as np

from monitor.records.columns import Column, Distinct, class_of, distinct, name_of
from monitor.records.delta import F64
from monitor.records.record import LARGEST

_NUMBERS: Final = {int, float}
_SCALARS: Final = {str, bool, int, float}
_NONE: Final = {type(None)}


def numbers(column: Column, low: float, high: float) -> tuple[F64, int]:
    """Numbers from `low` to `high`: float64[n], NaN where absent or dropped; and how many were dropped."""
    column, dropped = _of_types(column, _NUMBERS)
    try:
        values = np.array(column, np.float64)
    except OverflowError:
        values = np.array([None if x is None or abs(x) > LARGEST else x for x in column], np.float64)
        dropped += int(np.count_nonzero(np.isnan(values))) - column.count(None)
    bad = (values < low) | (values > high)
    values[bad] = np.nan
    return values, dropped + int(np.count_nonzero(bad))


def flags(column: Column) -> tuple[F64, int]:
    """Booleans as 1, 0 and NaN where absent or dropped: float64[n]; and how many were dropped."""
    column, dropped = _of_types(column, {bool})
    return np.array(column, np.float64), dropped


def names(column: Column, *, classes: bool) -> tuple[Distinct, int]:
    """Texts, booleans and numbers as names, with `classes` no fractions; and how many values were dropped."""
    column, dropped = _of_types(column, _SCALARS)
    return distinct(column, class_of if classes else name_of), dropped


def _of_types(column: Column, wanted: set[type]) -> tuple[Column, int]:
    """The column with None for values of other types, and how many these were."""
    if set(map(type, column)) <= wanted | _NONE:
        return column, 0
    kept = [value if type(value) in wanted else None for value in column]
    return kept, kept.count(None) - column.count(None)
