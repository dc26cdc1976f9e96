"""Expressions of the mapping language as columns: one pass over all rows for each step."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from typing import Any, Final

import numpy as np

from monitor.records.columns import Column, is_empty
from monitor.records.delta import F64
from monitor.records.formats.language import (
    EVERY,
    Condition,
    Duration,
    Expression,
    Field,
    First,
    Members,
    Origin,
    Outcome,
    Place,
    Split,
)
from monitor.records.formats.levels import Level
from monitor.records.formats.pruned import Pruned
from monitor.records.formats.texts import ROLES, from_json, text_of
from monitor.records.formats.typed import boxed, numbers, texts, times, words
from monitor.records.record import OBJECTS
from monitor.records.timing import MS_ABOVE, instants_ms

ANSWER: Final = "output"
MS_A_SECOND: Final = 1_000.0
WHOLE: Final = Place(())
_LONGEST_NAME: Final = 400
_CODE: Final = re.compile(r"\d{3}", re.ASCII)
_QUALIFIED: Final = re.compile(r"(?:\w+\.)+([A-Z]\w+)", re.ASCII)


@dataclass(frozen=True)
class Envelope:
    """What Kafka carried beside the values, by message; keys and headers are empty where nobody asked for them."""

    topic: str
    timestamps_ms: Sequence[int]
    keys: Sequence[bytes | None]
    headers: Sequence[Sequence[tuple[str, bytes | None]]]

    @cached_property
    def _named(self) -> list[dict[str, bytes | None]]:
        """The headers of each message by name: the last of a name counts, as Kafka's clients take it."""
        return list(map(dict, self.headers))

    def header(self, name: str) -> Column:
        """The header `name` of each message."""
        found = [headers.get(name) for headers in self._named]
        return found if is_empty(found) else _decoded(found)

    def part(self, some: slice) -> "Envelope":
        """Of some of the messages."""
        keys, headers = self.keys[some], self.headers[some]
        return Envelope(self.topic, self.timestamps_ms[some], keys, headers)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the rows of one `level`."""

    level: Level
    envelope: Envelope
    decoders: Mapping[Place, Callable[[str], Any]] = field(default_factory=dict)
    """How the JSON in the texts at a place is read."""
    _parsed: dict[Place, Level] = field(default_factory=dict)

    def column(self, expression: Expression, field: str) -> Column:
        """The values of a record's field, None where there is nothing; not of the field's type yet.

        An answer may be empty; of all other fields an empty text is nothing.
        """
        found = self._found(expression, field)
        if field == ANSWER or is_empty(found) or "" not in found:
            return found
        return [None if v == "" else v for v in found]

    def _found(self, expression: Expression, field: str) -> Column:
        if isinstance(expression, First):
            return _first(self._found(option, field) for option in expression.options)
        found = self._filtered(expression, field)
        if field not in ROLES and _spread(expression):
            found = [v[0] if type(v) is list else v for v in found]
        if expression == WHOLE and field not in (*ROLES, *OBJECTS):
            # An item that is no value has its values inside.
            found = [None if isinstance(v, list | dict | Pruned) else v for v in found]
        if field in ROLES and not set(map(type, found)) <= {str, type(None)}:
            found = [v if v is None or type(v) is str else text_of(v, field) for v in found]
        if isinstance(expression, Field) and expression.missing:
            found = [None if v in expression.missing else v for v in texts(found)]
        return found

    def met(self, tests: Iterable[Condition]) -> list[bool]:
        """Where all tests are met: bool[n]."""
        met = [True] * len(self.level.values)
        for test in tests:
            found = words(self._place(test.place))
            here = {
                v: test.absent if v is None else not test.texts.isdisjoint((v, EVERY)) for v in set(found)
            }
            met = [m and here[v] for m, v in zip(met, found, strict=True)]
        return met

    def _filtered(self, expression: Expression, field: str) -> Column:
        found = self._raw(expression, field)
        tests = getattr(expression, "when", ())
        if not tests:
            return found
        return [v if met else None for v, met in zip(found, self.met(tests), strict=True)]

    def _raw(self, expression: Expression, field: str = "") -> Column:
        match expression:
            case Place():
                return self._place(expression)
            case First():
                return _first(self._filtered(option, field) for option in expression.options)
            case Field():
                return self._field(expression, field)
            case Duration():
                return self._duration(expression)
            case Outcome():
                return _outcome(expression, self._raw(expression.of))
            case Split():
                return _split(expression, texts(self._raw(expression.of)))
            case Members():
                return self._members(expression)

    def _place(self, place: Place) -> Column:
        n = len(self.level.values)
        match place.origin:
            case Origin.ITEM:
                return self.level.at(place.path)
            case Origin.OUTER:
                return self.level.outside(place.path)
            case Origin.CONST:
                return [place.path[0]] * n
            case Origin.HEADER:
                by_message = self.envelope.header(place.path[0])
            case Origin.KAFKA:
                by_message = self._of_kafka(place.path[0])
        return [by_message[m] for m in self.level.message] if by_message else [None] * n

    def _of_kafka(self, part: str) -> Column:
        if part == "topic":
            return [self.envelope.topic] * len(self.envelope.timestamps_ms)
        if part == "timestamp":
            return [None if t < 0 else float(t) for t in self.envelope.timestamps_ms]
        return _decoded(self.envelope.keys)

    def _field(self, expression: Field, field: str) -> Column:
        found = self._raw(expression.of, field)
        if expression.json is not None:
            found = self._json(expression.of, found).at(expression.json)
        if expression.factor is not None:
            in_ms = _in_ms(self._added(numbers(found), expression.plus), expression.factor)
            found = boxed(_as_time(in_ms) if field == "ts" else in_ms)
        return found

    def _json(self, of: Expression, texts: Column) -> Level:
        """The JSON in texts, which is parsed once."""
        if not isinstance(of, Place):
            return Level(list(map(from_json, texts)), range(len(texts)))
        if of not in self._parsed:
            decode = repeat(self.decoders[of])
            self._parsed[of] = Level(list(map(from_json, texts, decode)), range(len(texts)))
        return self._parsed[of]

    def _added(self, values: F64, plus: Place | None) -> F64:
        return values if plus is None else values + np.nan_to_num(numbers(self._place(plus)))

    def _duration(self, expression: Duration) -> Column:
        start, end = self._raw(expression.start), self._raw(expression.end)
        if expression.other_than is not None:
            same = self._place(expression.other_than)
            end = [None if e == s else e for e, s in zip(end, same, strict=True)]
        if expression.factor is None:
            return boxed(_instants(end) - _instants(start))
        return boxed(_in_ms(numbers(end) - numbers(start), expression.factor))

    def _members(self, expression: Members) -> Column:
        names = list(expression.values)
        columns = [self.column(e, "") for e in expression.values.values()]
        rows = zip(*columns, strict=True) if columns else ()
        made = [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows]
        return [members or None for members in made]


def _first(columns: Iterable[Column]) -> Column:
    """The first value of each row that is there and not empty; later columns are read where one is missing.

    An empty text is what remains where nothing better is found.
    """
    found: Column | None = None
    for column in columns:
        if found is not None:
            column = [
                c if f is None or (f == "" and c is not None) else f
                for f, c in zip(found, column, strict=True)
            ]
        found = column
        if None not in found and "" not in found:
            break
    return found or []


def _spread(expression: Expression) -> bool:
    """Whether what is found is the values of a whole array."""
    return isinstance(expression, Place) and EVERY in expression.path


def _decoded(column: Sequence[bytes | None]) -> Column:
    """Texts of bytes."""
    if None not in column:
        with suppress(UnicodeDecodeError):
            return list(map(bytes.decode, column))  # type: ignore[arg-type]
    return [None if raw is None else raw.decode(errors="replace") for raw in column]


def _in_ms(values: F64, factor: float) -> F64:
    # By a whole number, so that nothing is lost where none need be.
    return values * factor if factor >= 1 else values / round(1 / factor)


def _as_time(ms: F64) -> F64:
    """Times in ms as `ts` tells units apart: those that it would take for seconds become seconds."""
    small = ms <= MS_ABOVE
    ms[small] /= MS_A_SECOND
    return ms


def _instants(column: Column) -> F64:
    """Times in ms, as `ts` is read: float64[n]."""
    return instants_ms(times(column))


def _outcome(expression: Outcome, column: Column) -> Column:
    found = words(column)
    known = {text: expression.absent if text is None else _word(expression, text) for text in set(found)}
    return [known[text] for text in found]


def _word(expression: Outcome, text: str) -> str | None:
    """The status of a text: itself, or its class as an HTTP code, or `openai.APITimeoutError` without its module."""
    code, qualified = _CODE.fullmatch(text), _QUALIFIED.fullmatch(text)
    klass = f"{text[0]}xx" if code else qualified[1] if qualified else text
    return expression.words.get(text, expression.words.get(klass, expression.otherwise))


def _split(expression: Split, column: Column) -> Column:
    known = {text: None if text is None else _part(expression, text) for text in set(column)}
    return [known[text] for text in column]


def _part(expression: Split, text: str) -> str | None:
    name = text[:_LONGEST_NAME]
    pattern, names = expression.pattern, expression.names
    whole = text if expression.part == names[0] else None
    if pattern.groups == 0:
        parts = pattern.split(name, maxsplit=1)
        return dict(zip(names, parts, strict=False)).get(expression.part) if len(parts) > 1 else whole
    found = pattern.search(name)
    if found is None:
        return whole
    by_name = found.groupdict() or dict(zip(names, found.groups(), strict=False))
    return by_name.get(expression.part)
