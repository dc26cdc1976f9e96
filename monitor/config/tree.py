"""YAML text as nodes that know place and path: YAML 1.2, no tags, bounded in size, depth and aliases."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode
from ruamel.yaml.reader import ReaderError

from monitor.config.problem import Place, Report

MAX_CHARACTERS: Final = 1_000_000
MAX_DEPTH: Final = 20
MAX_NODES: Final = 50_000
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: `raw` as written, `text` with variables expanded, `unset` if one of them could not be."""

    place: Place
    path: str
    raw: str
    text: str
    plain: bool
    unset: bool = False

    @property
    def empty(self) -> bool:
        return self.plain and self.raw in NULLS


@dataclass(frozen=True, slots=True)
class Sequence:
    """Values in order."""

    place: Place
    path: str
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Values by key; `keys` holds the place of each key."""

    place: Place
    path: str
    values: dict[str, "Node"] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


def scalars(node: Node) -> Iterator[Scalar]:
    """All values below `node`, in the order of the text."""
    if isinstance(node, Scalar):
        yield node
        return
    children = node.items if isinstance(node, Sequence) else node.values.values()
    for child in children:
        yield from scalars(child)


def parse(text: str, report: Report) -> Mapping | None:
    """The top-level mapping; None after a problem was reported.

    An alias is copied to where it is used, so bounds are on what it grows to.
    """
    if len(text) > MAX_CHARACTERS:
        report.add(Place(), "", f"the file is larger than {MAX_CHARACTERS:,} characters")
        return None
    root = _composed(text, report)
    if root is None:
        return None
    if not isinstance(root, MappingNode):
        report.add(_place(root), "", "the file must consist of keys with values, such as `name: prod`")
        return None
    try:
        node = _Copier(report).mapping(root, "", 0)
    except _TooLargeError:
        report.add(_place(root), "", "aliases make the file too large", "write the values out")
    return None if report.problems else node


def _composed(text: str, report: Report) -> YamlNode | None:
    try:
        if not _acceptable(text, report):
            return None
        root: YamlNode | None = YAML(typ="safe", pure=True).compose(text)
    except ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        report.add(
            place, "", "there is a character that YAML does not allow", "remove it, or write it as an escape"
        )
    except MarkedYAMLError as error:
        report.add(*_explained(error, text))
    except (YAMLError, ValueError, OverflowError):
        report.add(Place(), "", "this is not YAML")
    else:
        if root is None:
            report.add(Place(), "", "the file is empty", "a rule and a receiver are the least it needs")
        return root
    return None


def _acceptable(text: str, report: Report) -> bool:
    """Looks at the events before anything recursive does."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        place = _at(event.start_mark)
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            report.add(place, "", f"this is nested more than {MAX_DEPTH} deep")
            return False
        if isinstance(event, NodeEvent) and not isinstance(event, AliasEvent) and _tagged(event):
            report.add(
                place, "", "YAML tags are not supported", "put quotes around a value that begins with `!`"
            )
            return False
    return True


def _tagged(event: NodeEvent) -> bool:
    return getattr(event, "ctag", None) is not None


_EXPLAINED: Final = (
    ("found character '\\t'", "a tab cannot be used here", "indent with spaces"),
    ("cannot start any token", "a value cannot begin with this character", "put quotes around the value"),
    ("undefined alias", "a value that begins with `*` is an alias to nothing", "put quotes around the value"),
    (
        "expected alphabetic or numeric character",
        "a name is missing after `*` or `&`",
        "put quotes around the value",
    ),
    ("duplicate anchor", "two anchors have the same name", "name one of them differently"),
    (
        "mapping values are not allowed",
        "a second `: ` on this line",
        "put quotes around the value, or indent the key",
    ),
    ("could not find expected ':'", "a key without `:`", "write `key: value`"),
    ("found another document", "there is a second document", "remove the line `---` and what follows it"),
    ("unexpected end of stream", "a quote that was opened is not closed", "close it"),
    ("found '<stream end>'", "a bracket that was opened is not closed", "close it"),
    ("expected ',' or", "a `,` or a closing bracket is missing before this", "check the brackets and commas"),
    ("expected <block end>", "this line does not fit those before it", "check its indentation"),
)


def _explained(error: MarkedYAMLError, text: str) -> tuple[Place, str, str, str]:
    """Own words, since the parser's quote the text, and so perhaps a secret."""
    mark = error.problem_mark or error.context_mark
    place = Place() if mark is None else _at(mark)
    said = str(error.problem)
    if "expected ',' or" in said and "${" in _line(text, place):
        return place, "", "a `{` here is taken for the start of keys", "put quotes around ${NAME}"
    for part, sentence, suggestion in _EXPLAINED:
        if part in said:
            return place, "", sentence, suggestion
    return (
        place,
        "",
        "this is not YAML",
        "check quotes, brackets and indentation on this line and the one before",
    )


def _line(text: str, place: Place) -> str:
    before, after = text.rfind("\n", 0, place.start) + 1, text.find("\n", place.start)
    return text[before : after if after >= 0 else len(text)]


def _at(mark: StreamMark) -> Place:
    return Place(mark.line + 1, mark.column + 1, mark.index, mark.index)


def _place(node: YamlNode) -> Place:
    start, end = node.start_mark, node.end_mark
    return Place(start.line + 1, start.column + 1, start.index, end.index)


def _plain(node: YamlNode) -> bool:
    return isinstance(node, ScalarNode) and node.style is None


class _TooLargeError(Exception):
    """Aliases would make more of the file than `MAX_NODES`, `MAX_DEPTH` or `MAX_CHARACTERS` allow."""


class _Copier:
    """Turns composed nodes into ours, each with its path."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.left = MAX_NODES
        self.characters_left = MAX_CHARACTERS

    def node(self, node: YamlNode, path: str, depth: int) -> Node:
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            raise _TooLargeError
        if isinstance(node, MappingNode):
            return self.mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            items = (self.node(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.value))
            return Sequence(self.place(node), path, tuple(items))
        self.characters_left -= len(node.value)
        if self.characters_left < 0:
            raise _TooLargeError
        return Scalar(self.place(node), path, node.value, node.value, _plain(node))

    def place(self, node: YamlNode) -> Place:
        return replace(_place(node), file=self.report.file)

    def mapping(self, node: MappingNode, path: str, depth: int) -> Mapping:
        made = Mapping(self.place(node), path)
        for key_node, value_node in node.value:
            key = self._key(key_node, made)
            if key is None:
                continue
            segment = key if _like_a_name(key) else "?"
            below = f"{path}.{segment}" if path else segment
            made.keys[key] = self.place(key_node)
            made.values[key] = self.node(value_node, below, depth + 1)
        return made

    def _key(self, node: YamlNode, made: Mapping) -> str | None:
        place = self.place(node)
        if not isinstance(node, ScalarNode):
            self.report.add(place, made.path, "a key must be a word", "put quotes around a value with braces")
            return None
        key = str(node.value)
        if key == "<<" and _plain(node):
            self.report.add(place, made.path, "merge keys (<<) are not supported", "write the keys out")
            return None
        if key in made.keys:
            first = made.keys[key].line
            self.report.add(
                place, made.path, f"{shown(key)} is there twice, first on line {first}", "remove one"
            )
            return None
        return key


def shown(key: str) -> str:
    """A key for a message; what looks like anything but a name may be a secret in the wrong place."""
    return f"`{key}`" if _like_a_name(key) else "this"


def _like_a_name(key: str) -> bool:
    opaque = len(key) > 20 and key.isalnum() and any(c.isdigit() for c in key)
    return re.fullmatch(r"[\w.*:-]{1,60}", key, re.ASCII) is not None and not opaque
