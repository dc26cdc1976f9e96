"""What is found where in messages of unknown form: a bounded list of places, with what lies there."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite
from typing import Any, Final

from monitor.records.formats.language import EVERY, Format
from monitor.records.formats.texts import attributes

Path = tuple[str, ...]

MOST_PLACES: Final = 1_000
MOST_MEMBERS: Final = 300
"""Of one object: what has more is no record but a table."""
MOST_VALUES: Final = 300
_DEPTH: Final = 8
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_TEXT: Final = 200


@dataclass(slots=True)
class Found:
    """What lies at `path` of an item: in `n` of them, of these `kinds` (text, number, boolean, object, array).

    `numbers` are also those that texts spell; `texts` counts distinct values, at most `MOST_VALUES`, of scalars.
    """

    path: Path
    n: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    example: Any = None
    numbers: list[float] = field(default_factory=list)
    texts: Counter[str] = field(default_factory=Counter)
    many: bool = False

    @property
    def pointer(self) -> str:
        """As `source.map` writes it: a top-level key as it stands, else a JSON Pointer."""
        if len(self.path) == 1 and re.fullmatch(r"[A-Za-z_@][^/:]*", self.path[0]):
            return self.path[0]
        return "/" + "/".join(key.replace("~", "~0").replace("/", "~1") for key in self.path)

    @property
    def kind(self) -> str:
        """The kind that most values have."""
        return self.kinds.most_common(1)[0][0]

    @property
    def scalar(self) -> bool:
        return self.kind not in ("object", "array")

    @property
    def numeric(self) -> bool:
        """Whether nearly all values are numbers, or texts that spell one."""
        return self.scalar and len(self.numbers) >= 0.98 * self.n

    def add(self, value: Any) -> None:
        """One more value, which is there."""
        self.n += 1
        self.kinds[_KINDS.get(type(value), "object")] += 1
        if self.example is None:
            self.example = value
        number = None if isinstance(value, bool | dict | list) else _number(value)
        if number is not None:
            self.numbers.append(number)
        if not isinstance(value, dict | list):
            self._count(value)

    def _count(self, value: Any) -> None:
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)[:_LONGEST_TEXT]
        if text in self.texts or len(self.texts) < MOST_VALUES:
            self.texts[text] += 1
        else:
            self.many = True


_KINDS: Final = {str: "text", bool: "boolean", int: "number", float: "number", list: "array"}


def _number(value: Any) -> float | None:
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


@dataclass(slots=True)
class Places:
    """All places of `n` items, in the order in which they were met; `more` counts values at places beyond the bound."""

    n: int = 0
    found: dict[Path, Found] = field(default_factory=dict)
    more: int = 0

    def add(self, item: Any) -> None:
        """Walk one item."""
        self.n += 1
        self._walk(item, ())

    def _walk(self, value: Any, path: Path) -> None:
        members = _members(value)
        # As for a mapping, "" and null are absent.
        if path and value not in (None, ""):
            self._note(value, path)
        if len(path) < _DEPTH:
            for key, inner in islice(members, MOST_MEMBERS):
                if key:
                    self._walk(inner, (*path, key))

    def _note(self, value: Any, path: Path) -> None:
        found = self.found.get(path)
        if found is None:
            if len(self.found) >= MOST_PLACES:
                self.more += 1
                return
            found = self.found[path] = Found(path)
        found.add(value)


def _members(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        return value.items()
    if not isinstance(value, list) or not value:
        return ()
    named = attributes(value) if all(isinstance(item, dict) for item in value[:3]) else {}
    return named.items() if named else [("0", value[0])]


def items_of(message: Any, form: Format | None) -> Iterable[Any]:
    """The objects in a message that are records by `form`, whether or not they count."""
    steps: Path = () if form is None else (*form.root, *form.each)
    found = message if isinstance(message, list) else [message]
    for key in steps:
        found = [inner for value in found for inner in _inside(value, key)]
    return (item for item in found if isinstance(item, dict))


def _inside(value: Any, key: str) -> Iterable[Any]:
    if key == EVERY:
        return value if isinstance(value, list) else ()
    return (value.get(key),) if isinstance(value, dict) else ()
