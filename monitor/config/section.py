"""Reading one mapping key by key: every mistake is collected, every key nobody asked for is one."""

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

from monitor.config.problem import Place, Report, UnsetError, WrongError, meant
from monitor.config.tree import Mapping, Node, Scalar, Sequence, shown

T = TypeVar("T")
D = TypeVar("D")

NOT_YET = "is not supported yet"


@dataclass(slots=True)
class Section:
    """One mapping being read; `close` refuses the keys that were not asked for.

    A reader is a function of a node that returns a value, or raises `WrongError` or `UnsetError`.
    """

    node: Mapping
    report: Report
    asked: set[str] = field(default_factory=set)

    def __contains__(self, key: str) -> bool:
        return key in self.node.values

    def take(self, key: str, read: Callable[[Node], T], default: D, *, blank: bool = False) -> T | D:
        """The value of `key`; `default` where it is left out, wrong or unset.

        With `blank`, `read` is asked about a key without a value too.
        """
        self.asked.add(key)
        node = self.node.values.get(key)
        if node is None:
            return default
        try:
            if not blank and isinstance(node, Scalar) and node.empty:
                raise WrongError("there is no value", "give one, or remove the key")
            return read(node)
        except WrongError as wrong:
            self.report.add(node.place, node.path, wrong.sentence, wrong.suggestion)
        except UnsetError:
            pass
        return default

    def must(self, key: str, read: Callable[[Node], T], fallback: D, advice: str) -> T | D:
        """As `take`, but leaving the key out is a problem."""
        if key not in self and not self.misspelt(key):
            self.wrong(f"`{key}` is missing", advice)
        return self.take(key, read, fallback)

    def inner(self, key: str) -> "Section | None":
        """The mapping under `key`; None where it is left out, empty or no mapping."""
        self.asked.add(key)
        node = self.node.values.get(key)
        if node is None or (isinstance(node, Scalar) and (node.empty or node.unset)):
            return None
        if isinstance(node, Mapping):
            return Section(node, self.report)
        self.report.add(
            node.place, node.path, "this must be keys with values", f"such as {key}: {{key: value}}"
        )
        return None

    def children(self, key: str) -> "Iterator[tuple[str, Section]]":
        """Name and mapping of everything under `key`."""
        outer = self.inner(key)
        for name in outer.node.values if outer else ():
            child = outer.inner(name) if outer else None
            if outer and child is None and name in outer and _blank(outer.node.values[name]):
                outer.wrong(f"{shown(name)} has no keys", at=name)
            if child is not None:
                yield name, child

    def misspelt(self, *keys: str) -> bool:
        """Whether a key is there that seems to mean one of `keys`; `close` will ask about it."""
        return any(get_close_matches(given, keys) and given not in keys for given in self.node.values)

    def place(self, key: str) -> tuple[Place, str]:
        """Place and path of a key's value, of the mapping itself where the key is left out."""
        node = self.node.values.get(key, self.node)
        return node.place, node.path

    def wrong(self, sentence: str, suggestion: str = "", at: str = "") -> None:
        """Reports a problem of the mapping, or of the value of key `at`."""
        place, path = self.place(at)
        self.report.add(place, path, sentence, suggestion)

    def unwise(self, sentence: str, suggestion: str = "", at: str = "") -> None:
        """Warns of the mapping, or of the value of key `at`: it works, but is hardly meant."""
        place, path = self.place(at)
        self.report.warn(place, path, sentence, suggestion)

    def close(self, planned: Set[str] = frozenset()) -> None:
        """Refuses keys that nobody asked for; those of `planned` by saying that they are to come."""
        for key, place in self.node.keys.items():
            path = self.node.values[key].path
            if key in planned:
                self.report.add(place, path, f"`{key}` {NOT_YET}")
            elif key not in self.asked:
                self.report.add(
                    place, path, f"{shown(key)} is not a key here", meant(key, self.asked | planned)
                )


def _blank(node: Node) -> bool:
    return isinstance(node, Scalar) and node.empty


def each(node: Node, read: Callable[[Node], T], report: Report) -> tuple[T, ...]:
    """A list, or one value that stands for a list of one; wrong items are reported one by one."""
    items = node.items if isinstance(node, Sequence) else (node,)
    values, unset = [], False
    for item in items:
        try:
            values.append(read(item))
        except WrongError as wrong:
            report.add(item.place, item.path, wrong.sentence, wrong.suggestion)
        except UnsetError:
            unset = True
    if unset:
        raise UnsetError
    return tuple(values)
