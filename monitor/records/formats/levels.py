"""Messages and the items in them as rows, and a place in each as a column."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import msgspec

from monitor.records.columns import Column
from monitor.records.formats.language import EVERY, FLAT
from monitor.records.formats.pruned import Pruned
from monitor.records.formats.texts import attributes, unflattened

Path = tuple[str, ...]

_DIGITS: Final = 9
_NONE: Final = type(None)


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

    def at(self, path: Path) -> Column:
        """The values at the end of a path, None where there is nothing."""
        if not path:
            return self.values
        if path not in self._known:
            self._known[path] = self._step(path)
        return self._known[path]

    def _step(self, path: Path) -> Column:
        *before, key = path
        if EVERY in before:
            start = path.index(EVERY)
            return [_every(v, path[start:]) for v in self.at(path[:start])]
        column = self.at(tuple(before))
        if key == EVERY:
            return column
        kinds = set(map(type, column)) - {_NONE}
        if len(kinds) == 1 and issubclass(kind := kinds.pop(), Pruned):
            self._take_apart(tuple(before), column, kind)
            return self._known.get(path) or [None] * len(column)
        if list in map(type, column) and not key.isdecimal():
            # Attributes are asked for many names: they become objects once.
            column = self._known[tuple(before)] = [attributes(v) if type(v) is list else v for v in column]
        if key.endswith(FLAT):
            return _flat(column, key)
        if set(map(type, column)) == {dict}:
            return [v.get(key) for v in column]
        return [_inside(v, key) for v in column]

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
        arrays = [v if type(v) is list else () for v in self.at(path)]
        parent = [row for row, items in enumerate(arrays) for _ in items]
        values = [item for items in arrays for item in items]
        return Level(values, [self.message[row] for row in parent], self, parent)

    def only(self, kept: Sequence[int]) -> "Level":
        """Some of the rows."""
        parent = [self.parent[i] for i in kept] if self.outer else ()
        known = {path: [column[i] for i in kept] for path, column in self._known.items()}
        return Level(
            [self.values[i] for i in kept], [self.message[i] for i in kept], self.outer, parent, known
        )


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
