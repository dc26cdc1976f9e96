"""Where in a message something is: places of values, arrays of records, and tests of which records count."""

import re
from collections.abc import Iterable
from functools import partial
from typing import Final

from monitor.config.problem import Report, WrongError, listed, meant
from monitor.config.section import Section, each
from monitor.config.tree import Mapping as MappingNode
from monitor.config.tree import Node, Scalar, Sequence, shown
from monitor.config.values import scalar, text, written
from monitor.records.formats.language import EVERY, KAFKA_PARTS, Condition, Origin, Place, Rows

_ORIGINS: Final = {f"{o.value}:": o for o in Origin if o is not Origin.ITEM}


def refuse_others(section: Section, known: Iterable[str]) -> None:
    """Refuse the keys that this form of a value does not have; `known` are those of all forms."""
    for key in section.node.values.keys() - section.asked:
        section.wrong(f"{shown(key)} is not a key of such a value", meant(key, known), at=key)


def keyed(node: Node, example: str) -> MappingNode:
    """A mapping; raises WrongError for anything else."""
    if not isinstance(node, MappingNode):
        raise WrongError("this must be keys with values", example)
    return node


def place(node: Node) -> Place:
    """A top-level key, a JSON Pointer (RFC 6901; `/` is all of it), or one of the other origins."""
    value = text(node)
    prefix = next((p for p in _ORIGINS if value.startswith(p)), None)
    if prefix is None:
        return Place(path_of(node, value))
    origin, rest = _ORIGINS[prefix], value.removeprefix(prefix).strip()
    if not rest:
        raise WrongError(f"{written(scalar(node))} names nothing", f"such as {prefix}name")
    if origin is Origin.KAFKA and rest not in KAFKA_PARTS:
        raise WrongError(
            f"{written(scalar(node))} is nothing that Kafka carries", f"kafka: has {listed(KAFKA_PARTS)}"
        )
    return Place(path_of(node, rest) if origin is Origin.OUTER else (rest,), origin)


def path_of(node: Node, value: str) -> tuple[str, ...]:
    """The keys of a JSON Pointer, or the top-level key that `value` is."""
    if value == "/":
        return ()
    return pointer(node, value, "/usage/prompt_tokens") if value.startswith("/") else (value,)


def pointer(node: Node, value: str, example: str) -> tuple[str, ...]:
    """The keys of a JSON Pointer (RFC 6901) to something inside; `value` is the text of `node`, or a part of it."""
    if re.search(r"~(?![01])", value):
        raise WrongError(
            f"{written(scalar(node))} is no JSON Pointer", "write ~0 for `~` and ~1 for `/` in a key"
        )
    keys = tuple(key.replace("~1", "/").replace("~0", "~") for key in value[1:].split("/"))
    if not all(keys):
        raise WrongError(f"{written(scalar(node))} has an empty key", f"such as {example}")
    return keys


def read_items(node: Node, report: Report) -> tuple[tuple[str, ...], tuple[Rows, ...]]:
    """A path into the items, or the first of several arrays that is there."""
    if isinstance(node, Scalar):
        value = text(node)
        path = path_of(node, value)
        return (path if EVERY in path else (*path, EVERY)), ()
    if isinstance(node, Sequence) and not node.items:
        raise WrongError("there is no place to look for records", "such as [/predictions/*, /]")
    return (), each(node, partial(_rows, report=report), report)


def _rows(node: Node, report: Report) -> Rows:
    if isinstance(node, MappingNode):
        section = Section(node, report)
        of = section.must("field", _array, (), "the place of an array, such as /outputs/0/data")
        shape = section.must("shape", _pointer, (), "the place of its shape, such as /outputs/0/shape")
        refuse_others(section, ("field", "shape"))
        return Rows(of, shape)
    return Rows(_array(node))


def _array(node: Node) -> tuple[str, ...]:
    path = _pointer(node)
    path = path[:-1] if path[-1:] == (EVERY,) else path
    if EVERY in path:
        raise WrongError("of several places each has at most one *, at its end", "such as /predictions/*")
    return path


def _pointer(node: Node) -> tuple[str, ...]:
    return path_of(node, text(node))


def read_where(node: Node, report: Report) -> tuple[tuple[Condition, ...], ...]:
    """Tests that must all be met, or a list of such of which one must."""
    return each(node, partial(read_tests, report=report), report)


def read_tests(node: Node, report: Report) -> tuple[Condition, ...]:
    """What must hold, by place."""
    found = keyed(node, "such as {call_type: [completion, acompletion]}")
    if not found.values:
        raise WrongError("there is nothing to compare", "such as {call_type: completion}")
    return tuple(_test(found, key, report) for key in found.values)


def _test(node: MappingNode, key: str, report: Report) -> Condition:
    value = node.values[key]
    items = value.items if isinstance(value, Sequence) else (value,)
    if not items:
        raise WrongError("there is no value to compare with", "null is for what is not there")
    filled = tuple(item for item in items if not (isinstance(item, Scalar) and item.empty))
    texts = each(Sequence(value.place, value.path, filled), text, report)
    at = place(Scalar(node.keys[key], value.path, key, key, plain=False))
    return Condition(at, frozenset(texts), absent=len(filled) < len(items))
