"""Columns of anything as columns of a record's fields: numbers may be texts; what cannot be is dropped."""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final

import msgspec
import numpy as np

from monitor.records.columns import Column
from monitor.records.delta import F64
from monitor.records.formats.language import STATUSES
from monitor.records.record import LARGEST, Flag, Number, Record, Scalar, Text

_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\s*", re.ASCII)
_FLAGS: Final[Mapping[Any, bool]] = {"true": True, "false": False, "True": True, "False": False}
_NONE: Final = type(None)
_PLAIN: Final = {str, _NONE}
_KNOWN: Final = {*STATUSES, None}


def numbers(column: Column) -> F64:
    """Numbers, also of decimal text: float64[n], NaN where there is none."""
    kinds = set(map(type, column))
    if kinds == {str} and all(map(str.isdecimal, column)) and all(map(str.isascii, column)):
        column = list(map(float, column))
    elif not kinds <= {int, float, _NONE}:
        column = [v if type(v) in (int, float) else _parsed(v) for v in column]
    try:
        return np.array(column, np.float64)
    except OverflowError:
        return np.array([None if v is None or abs(v) > LARGEST**2 else v for v in column], np.float64)


def _parsed(value: Any) -> float | None:
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def floats(column: Column) -> Column:
    """Finite numbers as floats, None where there is none."""
    return column if set(map(type, column)) <= {float, _NONE} else boxed(numbers(column))


def _finite(column: Column) -> Column:
    """As `floats`, but whole numbers may stay whole."""
    kinds = set(map(type, column))
    if kinds <= {float, _NONE}:
        return column
    found = numbers(column)
    known = int(np.count_nonzero(np.isfinite(found)))
    lacking = column.count(None) if _NONE in kinds else 0
    return column if kinds <= {int, float, _NONE} and known == len(column) - lacking else boxed(found)


def boxed(values: F64) -> Column:
    """Numbers float64[n] as a column, None where they are not finite."""
    good = np.isfinite(values)
    if good.all():
        return list(values.tolist())
    made = values.astype(np.object_)
    made[~good] = None
    return list(made.tolist())


def spelt(value: Any) -> str | None:
    """A text, boolean or number as text; None for all else, and for no text.

    >>> [spelt(2.0), spelt(True), spelt("")]
    ['2', 'true', None]
    """
    if type(value) is str:
        return value or None
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float:
        return str(int(value)) if value.is_integer() and abs(value) < LARGEST else str(value)
    return str(value) if type(value) is int else None


def texts(column: Column) -> Column:
    """Texts; numbers become texts too."""
    if set(map(type, column)) <= _PLAIN:
        return column
    return [None if type(v) is bool else spelt(v) if v != "" else v for v in column]


def words(column: Column) -> Column:
    """Each value as `spelt` says it."""
    if set(map(type, column)) <= _PLAIN:
        return column if "" not in column else [v or None for v in column]
    return list(map(spelt, column))


def _scalars(column: Column) -> Column:
    if set(map(type, column)) <= _PLAIN:
        return column
    return [_scalar(v) for v in column]


def _scalar(value: Any) -> Any:
    if type(value) is int and abs(value) > LARGEST:
        return str(value)
    if type(value) is float and not isfinite(value):
        return None
    return value if type(value) in (str, bool, int, float) else None


def _flags(column: Column) -> Column:
    if set(map(type, column)) <= {bool, _NONE}:
        return column
    return [v if type(v) is bool else _FLAGS.get(v) if type(v) is str else None for v in column]


def times(column: Column) -> Column:
    """Texts as they are, and numbers as floats, also of decimal text."""
    kinds = set(map(type, column))
    if kinds <= {str, float, _NONE}:
        # Most texts are dates, which have what no number has.
        unlike = [v for v in column if type(v) is str and ":" not in v]
        if not any(map(_is_number, unlike)):
            return column
    return [
        v if type(v) is str and not _is_number(v) else n for v, n in zip(column, floats(column), strict=True)
    ]


def _is_number(value: Any) -> bool:
    return type(value) is str and _NUMBER.fullmatch(value) is not None


def _statuses(column: Column) -> Column:
    if set(map(type, column)) <= _PLAIN and set(column) <= _KNOWN:
        return column
    return [v if type(v) is str and v in STATUSES else None for v in column]


def _segments(column: Column) -> Column:
    return [
        {name: kept for name, v in value.items() if (kept := _scalar(v)) is not None}
        if type(value) is dict
        else None
        for value in column
    ]


def _objects(column: Column) -> Column:
    return [v if type(v) is dict else None for v in column]


_BY_NAME: Final[Mapping[str, Callable[[Column], Column]]] = {
    "model": texts,
    "ts": times,
    "status": _statuses,
    "segment": _segments,
    "features": _objects,
}


def readers(kind: type[Record]) -> dict[str, Callable[[Column], Column]]:
    """How each field of a record's type is made from a column of anything."""
    by_type = ((Text, texts), (Number, _finite), (Flag, _flags), (Scalar, _scalars), (Any, list))
    found: dict[str, Callable[[Column], Column]] = {}
    for field in msgspec.structs.fields(kind):
        named = _BY_NAME.get(field.encode_name)
        found[field.encode_name] = named or next(read for of, read in by_type if field.type == of)
    return found
