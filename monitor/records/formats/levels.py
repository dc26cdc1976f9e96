"""Messages and the items in them as rows, and a place in each as a column."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, Final

import msgspec

from monitor.records.columns import Column
from monitor.records.formats.language import EVERY, FLAT
from monitor.records.formats.pruned import Pruned
from monitor.records.formats.texts import all_attributes, attributes, unflattened

Path = tuple[str, ...]

_DIGITS: Final = 9
_NONE: Final = type(None)
_EMPTY: Final[dict[str, Any]] = {}


@dataclass(slots=True)
class Level:
    """`values` that are read alike; `message` says which message each is of.

    `parent` says which value of `outer` each lies in.
    """

    values: Column
    message: Sequence[int]
    outer: "Level | None" = None
    parent: Sequence[int] = ()
    _known: dict[Path, Column] = field(default_factory=dict)
    _all: "tuple[Level, Sequence[int]] | None" = None
    """The level that this one has some of the rows of, and which."""

    def at(self, path: Path) -> Column:
        """The values at the end of a path, None where there is nothing."""
        if not path:
            return self.values
        if path not in self._known:
            self._known[path] = self._taken(path) or self._step(path)
        return self._known[path]

    def _taken(self, path: Path) -> Column | None:
        """The column from what was already known of more rows."""
        if self._all is None:
            return None
        level, kept = self._all
        column = level._known.get(path) or level._taken(path)
        return None if column is None else [column[i] for i in kept]

    def _step(self, path: Path) -> Column:
        *before, key = path
        if EVERY in before:
            start = path.index(EVERY)
            return [_every(v, path[start:]) for v in self.at(path[:start])]
        column = self.at(tuple(before))
        if key == EVERY:
            return column
        kinds = set(map(type, column)) - {_NONE}
        if list in kinds and not key.isdecimal():
            # Attributes are asked for many names: they become objects once.
            column = self._known[tuple(before)] = all_attributes(column)
            kinds = set(map(type, column)) - {_NONE}
        kind = next(iter(kinds)) if len(kinds) == 1 else None
        if kind is not None and issubclass(kind, Pruned):
            self._take_apart(tuple(before), column, kind)
            return self._known.get(path) or [None] * len(column)
        return _members(column, key, kind) if kinds else column

    def _take_apart(self, path: Path, column: Column, kind: type[Pruned]) -> None:
        """All members of objects of one kind in one pass, as records are made columns."""
        nothing = kind()
        objects = [nothing if v is None else v for v in column] if None in column else column
        flat = list(chain.from_iterable(map(msgspec.structs.astuple, objects)))
        names = kind.__struct_encode_fields__
        for i, name in enumerate(names):
            self._known[*path, name] = flat[i :: len(names)]

    def outside(self, path: Path) -> Column:
        """As `at`, in the nearest of the objects around each value that has something there."""
        found: Column = [None] * len(self.values)
        level, rows = self.outer, self.parent
        while level is not None and None in found:
            column, parent = level.at(path), level.parent
            found = [column[row] if v is None else v for v, row in zip(found, rows, strict=True)]
            level = level.outer
            rows = [parent[row] for row in rows] if level is not None else rows
        return found

    def inner(self, path: Path) -> "Level":
        """One value for each, at the end of a path."""
        return Level(self.at(path), self.message, self, range(len(self.values)))

    def spread(self, path: Path) -> "Level":
        """The items of the array at the end of a path; of no array none."""
        return self.items([v if type(v) is list else () for v in self.at(path)])

    def items(self, arrays: Sequence[Sequence[Any]]) -> "Level":
        """The items of an array of each value."""
        parent = [row for row, items in enumerate(arrays) for _ in items]
        values = list(chain.from_iterable(arrays))
        return Level(values, [self.message[row] for row in parent], self, parent)

    def only(self, kept: Sequence[int]) -> "Level":
        """Some of the rows."""
        parent = [self.parent[i] for i in kept] if self.outer else ()
        values, message = [self.values[i] for i in kept], [self.message[i] for i in kept]
        return Level(values, message, self.outer, parent, _all=(self, kept))


def _members(column: Column, key: str, kind: type | None) -> Column:
    """What each value has under a key; `kind` is the type of all that are there, if it is one."""
    if key.endswith(FLAT):
        return _flat(column, key)
    if kind is dict:
        objects = [v or _EMPTY for v in column] if None in column else column
        return list(map(dict.get, objects, repeat(key)))
    if kind is list and key == "0":
        return [v[0] if v else None for v in column]
    return [None if v is None else _inside(v, key) for v in column]


def _flat(column: Column, key: str) -> Column:
    name = key.removesuffix(FLAT)
    return [unflattened(v, name) if type(v) is dict else None for v in column]


def _inside(value: Any, key: str) -> Any:
    if type(value) is dict or isinstance(value, Pruned):
        return value.get(key)
    if type(value) is not list:
        return None
    if key.isdecimal() and key.isascii() and len(key) <= _DIGITS:
        return value[int(key)] if int(key) < len(value) else None
    return attributes(value).get(key)


def _every(value: Any, path: Path) -> Any:
    """What lies at a path with `*` in it, of all items in one list; None where there is nothing."""
    for at, key in enumerate(path):
        if key == EVERY:
            inner = [_every(item, path[at + 1 :]) for item in value] if type(value) is list else []
            parts = [part for v in inner for part in (v if type(v) is list else [v]) if part is not None]
            return parts or None
        value = _inside(value, key)
    return value
