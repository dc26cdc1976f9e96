"""The mapping language as values: where each field of a record is found in somebody else's message."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from re import Pattern
from typing import Final

EVERY: Final = "*"
"""A step of a path into all items of an array."""

FLAT: Final = f".{EVERY}"
"""The end of a key that stands for a list which was flattened into many."""

KAFKA_PARTS: Final = ("key", "topic", "timestamp")
STATUSES: Final = ("ok", "error", "timeout", "rejected")


class Origin(StrEnum):
    """What a path begins at: the item of `each`, an object around it, or the record that Kafka carried."""

    ITEM = "item"
    OUTER = "outer"
    HEADER = "header"
    KAFKA = "kafka"
    CONST = "const"


@dataclass(frozen=True, slots=True)
class Place:
    """A value of the message, by keys and positions; of another origin `path` holds a name, or the constant."""

    path: tuple[str, ...]
    origin: Origin = Origin.ITEM


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether the text at `place` is one of `texts`, or `EVERY` is; with `absent`, also where there is nothing."""

    place: Place
    texts: frozenset[str]
    absent: bool = False


@dataclass(frozen=True, slots=True)
class First:
    """The first of `options` that is there and not empty."""

    options: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A value, read as told: `factor` makes ms of its unit, `json` is a path into the JSON that a text holds.

    `missing` are texts that stand for nothing, as a log writes where a text was taken out. `plus` is added before the
    unit is: a start and how long it took.
    """

    of: "Expression"
    factor: float | None = None
    json: tuple[str, ...] | None = None
    missing: frozenset[str] = frozenset()
    plus: Place | None = None
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Duration:
    """Ms from `start` to `end`; without a `factor` both are times as `ts` is. Nothing where `end` is `other_than`."""

    start: "Expression"
    end: "Expression"
    factor: float | None = None
    other_than: Place | None = None
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A status: `words` by text, or by a class of codes such as `4xx`; `absent` and `otherwise` may be nothing."""

    of: "Expression"
    words: Mapping[str, str]
    absent: str | None = None
    otherwise: str | None = None
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """The part of a text called `part`, as one of `names`; one that does not match is whole, and in `names[0]`.

    A pattern without groups stands between the two parts.
    """

    of: "Expression"
    pattern: Pattern[str]
    names: tuple[str, ...]
    part: str


@dataclass(frozen=True, slots=True)
class Members:
    """An object made of values."""

    values: Mapping[str, "Expression"]


Expression = Place | First | Field | Duration | Outcome | Split | Members


@dataclass(frozen=True, slots=True)
class Rows:
    """The array at `path` of a message, whose items are records; the message itself where the path is empty.

    With a `shape`, the path of a tensor's, it is cut into as many parts as the first dimension has.
    """

    path: tuple[str, ...]
    shape: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """How messages are read: their `root`, the items in it (`each`), those that count, and the `fields` of a record.

    `where` holds alternatives, each of tests that must all be met. Without `each` there is one item, or those of
    an array; of `choices` the first that is there stands for it. With a `type` (label, feedback) all records are of it.
    """

    fields: Mapping[str, Expression]
    root: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    where: tuple[tuple[Condition, ...], ...] = field(default=())
    choices: tuple[Rows, ...] = ()
    type: str | None = None

    def places(self) -> Iterator[Place]:
        """Every place that is read."""
        for expression in self.fields.values():
            yield from places(expression)
        yield from (test.place for tests in self.where for test in tests)

    def parsed(self) -> Iterator[tuple[Place, tuple[str, ...]]]:
        """Every place whose text is read as JSON, with a path that is read in it."""
        for expression in self.fields.values():
            yield from _parsed(expression)

    @property
    def nameless(self) -> bool:
        """Whether a record needs no model: it is then that of its prediction."""
        return self.type is not None

    @property
    def enveloped(self) -> bool:
        """Whether keys or headers of Kafka's records are read."""
        return any(
            place.origin is Origin.HEADER or (place.origin is Origin.KAFKA and place.path == ("key",))
            for place in self.places()
        )


def places(expression: Expression) -> Iterator[Place]:
    """Every place that an expression reads."""
    if isinstance(expression, Place):
        yield expression
        return
    yield from (test.place for test in getattr(expression, "when", ()))
    for inner in _parts(expression):
        yield from places(inner)


def _parsed(expression: Expression) -> Iterator[tuple[Place, tuple[str, ...]]]:
    if isinstance(expression, Field) and expression.json is not None and isinstance(expression.of, Place):
        yield expression.of, expression.json
    if not isinstance(expression, Place):
        for inner in _parts(expression):
            yield from _parsed(inner)


def _parts(expression: Expression) -> Iterator[Expression]:
    match expression:
        case First():
            yield from expression.options
        case Field():
            yield expression.of
            if expression.plus is not None:
                yield expression.plus
        case Outcome() | Split():
            yield expression.of
        case Duration():
            yield from (expression.start, expression.end)
            if expression.other_than is not None:
                yield expression.other_than
        case Members():
            yield from expression.values.values()
