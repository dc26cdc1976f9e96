"""Damage done on purpose: to values as trees, and to texts as bytes."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

NUMBERS = [0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64 - 1, 10**30, 1e308, 5e-324, -0.0, 1e-9, 0.5]
NOT_JSON = [float("nan"), float("inf"), float("-inf")]
TEXTS = [
    "", " ", "\x00", "\u202e", "\ud800", "\ufeff", "a" * 300, "é" * 150, "\U0001f680", "e\u0301", "null", "NaN",
    "1970-01-01T00:00:00Z", "2026-11-14T02:51:20.123456789+14:00", "9999-12-31T23:59:59Z", "0000-00-00", "1e400",
    "(none)", "(other)", "ok", "error", "feedback", "label", "de", "/a/0", "%s", "${X}", "${X:-1}", "{model}", "*",
    "!*",
    "-1s", "1 per 0d", "10000000000000000000d", "0x", "1e9x", "-5pp", "101%", "0%", "reference", "Mon-Fri 25:00-26:00",
]  # fmt: skip
Tree = Any
Step = tuple[Any, Any]


def places(tree: Tree) -> list[Step]:
    """Every (container, key or index) in a tree."""
    found: list[Step] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node))
        for key in keys:
            found.append((node, key))
            if isinstance(node[key], dict | list):
                waiting.append(node[key])
    return found


def copied(tree: Tree) -> Tree:
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    return [copied(item) for item in tree] if isinstance(tree, list) else tree


class Damage:
    """Changes trees and texts at random; `keys` and `values` are words that mean something to the reader."""

    def __init__(self, rng: Random, keys: Sequence[str], values: Sequence[Any]) -> None:
        self.rng, self.keys = rng, list(keys)
        self.values = [*values, *NUMBERS, *NOT_JSON, *TEXTS, None, True, False, [], {}]
        self._acts: list[Callable[[Tree, Any, Any], None]] = [
            self._replaced, self._replaced, self._renamed, self._removed, self._added, self._nested, self._swapped,
        ]  # fmt: skip

    def tree(self, tree: Tree) -> Tree:
        """A copy with one to four changes."""
        changed = copied(tree)
        for _ in range(self.rng.randint(1, 4)):
            at = places(changed)
            if not at:
                return changed
            self.rng.choice(self._acts)(changed, *self.rng.choice(at))
        return changed

    def text(self, data: bytes, others: Sequence[bytes]) -> bytes:
        """A copy with one to six changes: bits, spans, words, deep nests, pieces of other texts."""
        out = bytearray(data)
        for _ in range(self.rng.randint(1, 6)):
            at = self.rng.randint(0, len(out))
            end = min(len(out), at + int(self.rng.expovariate(0.2)))
            kind = self.rng.randrange(7)
            if kind == 0 and out:
                out[at % len(out)] ^= 1 << self.rng.randrange(8)
            elif kind == 1:
                out[at:end] = b""
            elif kind == 2:
                out[at:at] = str(self.rng.choice(self.values)).encode("utf-8", "surrogatepass")
            elif kind == 3:
                out[at:end] = bytes(out[at:end]) * self.rng.choice((2, 3, 40))
            elif kind == 4:
                other = self.rng.choice(others)
                start = self.rng.randint(0, len(other))
                out[at:end] = other[start : start + int(self.rng.expovariate(0.05))]
            elif kind == 5:
                opened, closed = self.rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b"\n")))
                levels = self.rng.choice((3, 40, 1_200))
                out[at:end] = opened * levels + bytes(out[at:end]) + closed * levels
            else:
                out[at:end] = self.rng.choice(
                    (
                        b'"',
                        b"{",
                        b"}",
                        b"[",
                        b"]",
                        b":",
                        b",",
                        b"\\u",
                        b"\n",
                        b"\t",
                        b"- ",
                        b"&a ",
                        b"*a",
                        b"#",
                    )
                )
        return bytes(out[:100_000])

    def _replaced(self, tree: Tree, node: Any, key: Any) -> None:
        node[key] = copied(self.rng.choice(self.values))

    def _renamed(self, tree: Tree, node: Any, key: Any) -> None:
        if isinstance(node, dict):
            node[self.rng.choice(self.keys)] = node.pop(key)

    def _removed(self, tree: Tree, node: Any, key: Any) -> None:
        del node[key]

    def _added(self, tree: Tree, node: Any, key: Any) -> None:
        value = copied(self.rng.choice(self.values))
        if isinstance(node, dict):
            node[self.rng.choice(self.keys)] = value
        else:
            node.insert(key, value)

    def _nested(self, tree: Tree, node: Any, key: Any) -> None:
        for _ in range(self.rng.choice((1, 2, 12))):
            node[key] = [node[key]] if self.rng.random() < 0.5 else {self.rng.choice(self.keys): node[key]}

    def _swapped(self, tree: Tree, node: Any, key: Any) -> None:
        other, at = self.rng.choice(places(tree))
        taken = copied(other[at])
        node[key] = taken
