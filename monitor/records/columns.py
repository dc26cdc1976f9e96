"""Records as columns: one pass in C over all fields, then numpy arrays of the columns that have anything."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, compress, repeat
from operator import is_not
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.records.delta import F64, I64
from monitor.records.record import LARGEST, MODEL, SEGMENT, Record, Text
from monitor.records.text import clean_name

Bools = NDArray[np.bool_]
Column = list[Any]
Table = dict[str, Column]
"""Fields of records by name, all of one length, None where a record has none."""

_PROBABILITY: Final = (0.0, 1.0)
_ANY: Final = (-float(LARGEST), float(LARGEST))
NOT_NEGATIVE: Final = (0.0, float(LARGEST))
RANGES: Final = dict.fromkeys(("confidence", "score", "sample_rate"), _PROBABILITY) | dict.fromkeys(
    ("rating", "prediction", "label"), _ANY
)

_NUMERIC: Final = {int, float, type(None)}
_TEXTUAL: Final = {str, type(None)}
_TEXTS: Final = frozenset(name for name, kind in Record.__annotations__.items() if kind in (str, Text))

_POSITION: Final = re.compile(r"0|[1-9][0-9]{0,8}")

ABSENT: Final = -1


@dataclass(frozen=True, slots=True)
class Distinct:
    """A column of names: `codes` int64[n] index `names`; `ABSENT` where a record has none."""

    names: list[str]
    codes: I64

    @property
    def present(self) -> Bools:
        """Where there is a name: bool[n]."""
        return self.codes >= 0


def table_of(records: Sequence[Record]) -> Table:
    """One or more records as columns."""
    fields = type(records[0]).__struct_encode_fields__
    # Strides of one flat list: unlike zip(*rows) it keeps no tuples for the collector to visit.
    flat = list(chain.from_iterable(map(msgspec.structs.astuple, records)))
    return {f: flat[i :: len(fields)] for i, f in enumerate(fields)}


def is_empty(column: Column) -> bool:
    """Whether a column has nothing at all."""
    # `count` compares what is not None by value, so it is asked only where it may well find nothing else.
    return not column or (column[0] is None and column.count(None) == len(column))


class Columns:
    """`n` > 0 records by column; values out of range are dropped and counted in `dropped` by field."""

    def __init__(self, table: Table, dropped: Counter[str]) -> None:
        self.n = len(table[MODEL])
        self._raw = dict(table)
        self._dropped = dropped
        self._has: dict[str, bool] = {}
        self._given: dict[str, Bools | None] = {}
        self._numbers: dict[str, F64 | None] = {}
        self._lengths: dict[str, F64 | None] = {}
        self._names: dict[tuple[str, str | None], Distinct] = {}
        self._classes: dict[str, Distinct] = {}

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(self._raw)

    def raw(self, field: str) -> Column:
        """The values as decoded, None where absent."""
        return self._raw[field]

    def has(self, field: str) -> bool:
        """Whether any record has the field."""
        if field not in self._has:
            self._has[field] = not is_empty(self._scalars(field))
        return self._has[field]

    def given(self, field: str) -> Bools | None:
        """Which records have the field: bool[n]; None if all have."""
        if field not in self._given:
            column = self._raw[field]
            where = map(is_not, column, repeat(None)) if None in column else None
            self._given[field] = None if where is None else np.fromiter(where, np.bool_, self.n)
        return self._given[field]

    def fill(self, field: str, rows: I64, values: NDArray[np.object_]) -> None:
        """Give the records at `rows` int64[m] `values` object[m] of a field where they have none."""
        if rows.size == 0:
            return
        given = self.given(field)
        empty = np.zeros(rows.size, np.bool_) if given is None else ~given[rows]
        column = np.empty(self.n, np.object_)
        column[:] = self._raw[field]
        column[rows[empty]] = values[empty]
        self._raw[field] = column.tolist()
        for known in (self._has, self._given):
            known.pop(field, None)

    def flag(self, field: str) -> F64 | None:
        """A boolean column as 1, 0 and NaN where absent: float64[n]; None if no record has it."""
        return np.array(self._raw[field], np.float64) if self.has(field) else None

    def number(self, field: str) -> F64 | None:
        """Numbers in the field's range: float64[n], NaN where absent or dropped; None if no record has it."""
        if field not in self._numbers:
            self._numbers[field] = self._in_range(field, self._floats(field)) if self.has(field) else None
        return self._numbers[field]

    def _floats(self, field: str) -> F64:
        column = self._raw[field]
        if field in ("prediction", "label") and not set(map(type, column)) <= _NUMERIC:
            column = [x if type(x) in _NUMERIC else None for x in column]
        return np.array(column, np.float64)

    def _in_range(self, field: str, values: F64) -> F64:
        low, high = RANGES.get(field, NOT_NEGATIVE)
        bad = (values < low) | (values > high)
        n_bad = int(np.count_nonzero(bad))
        if n_bad:
            self._dropped[field] += n_bad
            values[bad] = np.nan
        return values

    def lengths(self, field: str) -> F64 | None:
        """Code points of a text: float64[n], NaN where absent; None if no record has it."""
        if field not in self._lengths:
            self._lengths[field] = self._measured(field)
        return self._lengths[field]

    def _measured(self, field: str) -> F64 | None:
        if not self.has(field):
            return None
        column, given = self._raw[field], self.given(field)
        if given is None:
            return np.fromiter(map(len, column), np.float64, self.n)
        lengths = np.full(self.n, np.nan)
        lengths[given] = list(map(len, compress(column, given)))
        return lengths

    def blank(self, field: str) -> Bools:
        """Where a text is there and has nothing but white space: bool[n]."""
        column, given = self._raw[field], self.given(field)
        if given is None:
            white = np.fromiter(map(str.isspace, column), np.bool_, self.n)
        else:
            white = np.zeros(self.n, np.bool_)
            white[given] = list(map(str.isspace, compress(column, given)))
        lengths = self.lengths(field)
        return white if lengths is None else white | (lengths == 0)

    def names(self, field: str, absent: str | None = None) -> Distinct:
        """A column of texts or scalars as clean names; `absent` is the name of those without one."""
        known = self._names.get((field, absent))
        if known is None:
            known = self._names[field, absent] = self._distinct(field, name_of, absent)
        return known

    def classes(self, field: str) -> Distinct:
        """As `names`, but numbers with a fraction are no classes."""
        if field not in self._classes:
            self._classes[field] = self._distinct(field, class_of, None)
        return self._classes[field]

    def _distinct(self, field: str, naming: Callable[[Any], str], absent: str | None) -> Distinct:
        if not self.has(field):
            return _constant(absent, self.n)
        return distinct(self._scalars(field), naming, absent, textual=field in _TEXTS)

    def at(self, path: Sequence[str]) -> Column:
        """The values at the end of a path of keys and positions, None where there is nothing."""
        column = self._raw[path[0]]
        for key in path[1:]:
            column = [v.get(key) if type(v) is dict else _item(v, key) for v in column]
        return column

    def _scalars(self, field: str) -> Column:
        if field in self._raw:
            return self._raw[field]
        key = field.partition(".")[2]
        return [segment.get(key) if segment else None for segment in self._raw[SEGMENT]]


def _item(value: Any, key: str) -> Any:
    if not isinstance(value, list) or not _POSITION.fullmatch(key) or int(key) >= len(value):
        return None
    return value[int(key)]


def _constant(name: str | None, n: int) -> Distinct:
    return Distinct([] if name is None else [name], np.full(n, ABSENT if name is None else 0))


class _Places(dict[Any, int]):
    """Numbers its keys in the order they are first asked for."""

    def __missing__(self, key: Any) -> int:
        self[key] = place = len(self)
        return place


def distinct(
    column: Column, naming: Callable[[Any], str], absent: str | None = None, *, textual: bool = False
) -> Distinct:
    """A column of texts, booleans and numbers as names; one that `naming` leaves empty is `absent`."""
    places = _Places()
    if textual or set(map(type, column)) <= _TEXTUAL:
        codes = np.fromiter(map(places.__getitem__, column), np.int64, len(column))
        named = [naming(key) or absent for key in places]
    else:
        # 1, 1.0 and True are equal keys, and different names.
        keys = zip(map(type, column), column, strict=True)
        codes = np.fromiter(map(places.__getitem__, keys), np.int64, len(column))
        named = [naming(key[1]) or absent for key in places]
    names = {name: i for i, name in enumerate(n for n in dict.fromkeys(named) if n is not None)}
    table = np.array([ABSENT if name is None else names[name] for name in named], np.int64)
    return Distinct(list(names), table[codes])


def name_of(value: Any) -> str:
    """A text, boolean or number as a clean name; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean_name(value if isinstance(value, str) else str(value))


def class_of(value: Any) -> str:
    """As `name_of`, but a number with a fraction is no class."""
    return "" if isinstance(value, float) else name_of(value)
