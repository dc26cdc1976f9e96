"""The loader of alerts.yaml: any text is a configuration, or problems with their places; nothing else, and quickly."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from mutations import Damage
from ruamel.yaml import YAML

from monitor import config
from monitor.config import loading
from monitor.config.problem import Place
from monitor.config.tree import MAX_DEPTH, Mapping, Node, Scalar, Sequence
from monitor.errors import ConfigError

FOLDER = Path(__file__).parents[1] / "config"
SHORT = 700
TEXTS_ONE_IN = 20
WORDS = FOLDER.joinpath("words.txt").read_text().split("\n\n")
ENVIRON = {"SET": "1"}


def seeds() -> list[str]:
    """Small files that are sound or almost so, and the pieces of large ones."""
    small = [file.read_text() for file in sorted((FOLDER / "failures").glob("*.yaml"))]
    return [text for text in small if len(text) <= SHORT]


def pieces(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """A file for each rule of a large one, with the other sections one at a time."""
    rules = tree.pop("rules", [])
    rest = {key: tree[key] for key in ("receivers", "kill_switches") if key in tree}
    return [rest | {key: value} | {"rules": [rule]} for rule in rules for key, value in tree.items()]


class LoaderTarget:
    """Damaged trees, which go in behind the parser, and one in twenty as text, which goes through it."""

    name = "loader"
    batch = 20

    def __init__(self, rng: Random, folder: Path) -> None:
        self._rng, self._file = rng, folder / "alerts.yaml"
        keys, values = (part.split() for part in WORDS)
        self._damage = Damage(rng, keys, values)
        self._texts = [text.encode() for text in seeds()]
        yaml = YAML(typ="safe", pure=True)
        self._trees: list[Any] = []
        for file in (FOLDER / "contract.yaml", FOLDER.parents[1] / "alerts.yaml"):
            self._trees += pieces(yaml.load(file.read_text()))
        self.seen: Counter[str] = Counter()

    def inputs(self) -> list[bytes]:
        """One text and nineteen trees, as JSON."""
        text = self._damage.text(self._rng.choice(self._texts), self._texts)
        trees: list[Any] = []
        while len(trees) < TEXTS_ONE_IN - 1:
            tree = self._damage.tree(self._rng.choice(self._trees))
            # No deeper one comes out of the parser.
            trees += [tree] if depth(tree) <= MAX_DEPTH else []
        return [b"text:" + text, *(b"tree:" + json.dumps(t).encode("utf-8", "surrogatepass") for t in trees)]

    def feed(self, inputs: list[bytes]) -> None:
        """Load them; raises for any other outcome than a configuration or sentences with places."""
        for given in inputs:
            kind, _, body = given.partition(b":")
            if kind == b"text":
                self._file.write_bytes(body)
                self._load(body.count(b"\n") + body.count(b"\r") + 2)
            else:
                self._file.write_bytes(b"")
                root = node_of(json.loads(body), "")
                parse, loading.parse = loading.parse, lambda content, report, root=root: root
                try:
                    self._load(1)
                finally:
                    loading.parse = parse

    def _load(self, lines: int) -> None:
        need = self._rng.choice((config.CHECK, config.RUN, config.REPLAY))
        try:
            config.load(self._file, environ=ENVIRON, need=need)
            self.seen["good"] += 1
        except ConfigError as wrong:
            self.seen["refused"] += 1
            if not wrong.problems or any("\n" in problem for problem in wrong.problems):
                raise AssertionError(f"no sentences: {wrong.problems}") from wrong
        for problem in (
            config.problems(self._file, environ=ENVIRON, need=need) if self._rng.random() < 0.05 else ()
        ):
            if not (1 <= problem.line <= lines and problem.sentence):
                raise AssertionError(f"no place: {problem}")

    def forget(self) -> None:
        """Nothing is kept between inputs."""


def depth(tree: Any) -> int:
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return max((1 + depth(each) for each in inner), default=0)


def node_of(value: Any, path: str) -> Node:
    """What the parser would make of a value."""
    if isinstance(value, dict):
        made = Mapping(Place(), path)
        for key, inner in value.items():
            made.keys[key] = Place()
            made.values[key] = node_of(inner, f"{path}.{key}" if path else key)
        return made
    if isinstance(value, list):
        return Sequence(Place(), path, tuple(node_of(item, f"{path}[{i}]") for i, item in enumerate(value)))
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return Scalar(Place(), path, text, text, not isinstance(value, str))
