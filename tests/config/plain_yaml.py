"""A file as editors see it: YAML's core schema, so that `0.05` is a number and `5%` a text."""

import re
from pathlib import Path
from typing import Any

from monitor.config.problem import Report
from monitor.config.tree import Mapping, Node, Scalar, Sequence, parse

_NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")


def as_json(file: Path) -> dict[str, Any] | None:
    """The content as JSON has it; None where it is not YAML that the loader reads."""
    try:
        node = parse(file.read_text(), Report(str(file)))
    except UnicodeDecodeError:
        return None
    return None if node is None else _plain(node)


def _plain(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.values.items()}
    if isinstance(node, Sequence):
        return [_plain(item) for item in node.items]
    return _value(node) if node.plain else node.raw


def _value(node: Scalar) -> Any:
    if node.empty:
        return None
    if node.raw in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return node.raw.lower() == "true"
    if not _NUMBER.fullmatch(node.raw):
        return node.raw
    return int(node.raw) if re.fullmatch(r"[-+]?\d+", node.raw) else float(node.raw)
