"""Texts out of messages of a chat, and values out of lists of attributes (OpenTelemetry's AnyValue)."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain, islice
from operator import attrgetter
from typing import Any, Final

import msgspec

from monitor.records.formats.pruned import AnyValue, Named

ROLES: Final = {"input": frozenset({"user", "human"}), "output": frozenset({"assistant", "ai", "model"})}
"""Whose message is the text of a field; the last of these counts, or of an answer without roles all."""

_DEPTH: Final = 8
_CONTENT: Final = (
    *("content", "message.content", "message_content.text", "parts"),
    *("text", "message", "choices", "generated_text"),
)
_TOOLS: Final = ("tool_call", "tool_use", "function_call")
_AROUND: Final = ("parts", "content", "message", "choices")
_FEW_KEYS: Final = 64
_INTEGER: Final = re.compile(r"-?\d{1,19}")
_FLATTENED: Final = re.compile(r"(.+?)\.(\d{1,4})(?:\.(.+))?", re.DOTALL)


def text_of(value: Any, field: str) -> str | None:
    """The text of messages: for `input` of the last one of the user, for `output` what the assistant said.

    >>> text_of([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}], "input")
    'Hi'
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if isinstance(value, list):
        value = _said(value, field)
    alone = value[0] if type(value) is list and len(value) == 1 else value
    plain = alone.get("content") if type(alone) is dict and "type" not in alone else None
    if type(plain) is str and plain:
        return plain
    texts: list[str] = []
    _gather(value, _DEPTH, texts)
    if field == "output" and not any(texts) and _calls(value, _DEPTH):
        # A call of a tool is an answer without text, not an empty one.
        return None
    return "\n".join(texts) if texts else None


def _calls(value: Any, depth: int) -> bool:
    """Whether there is a call of a tool among messages and their parts."""
    if depth and isinstance(value, list):
        return any(_calls(item, depth - 1) for item in value)
    if not depth or not isinstance(value, dict):
        return False
    called = value.get("tool_calls") or value.get("function_call") or value.get("type") in _TOOLS
    if called or value.get("finish_reason") in (*_TOOLS, "tool_calls"):
        return True
    flattened = any(key.startswith("message.tool_calls.") for key in value)
    return flattened or any(_calls(value.get(key), depth - 1) for key in _AROUND)


def _said(messages: list[Any], field: str) -> list[Any]:
    """The messages whose text counts; all of them where none has a role."""
    wanted = ROLES[field]
    last = messages[-1] if messages else None
    if type(last) is dict and (len(messages) == 1 or field == "input") and _role(last) in wanted:
        # Nearly every chat ends so, and then the roles of the others decide nothing.
        return [last]
    roles = [_role(item) if isinstance(item, dict) else "" for item in messages]
    if not any(roles):
        return messages
    said = [item for item, role in zip(messages, roles, strict=True) if role in wanted]
    return said[-1:] if field == "input" else said


def _role(message: dict[str, Any]) -> str:
    found = message.get("role")
    if found is None:
        found = message.get("message.role", "") if "role" not in message else ""
    return found.lower() if isinstance(found, str) else ""


def _gather(value: Any, depth: int, texts: list[str]) -> None:
    """Add the texts of content, part by part; parts of a type other than text have none."""
    if isinstance(value, str):
        texts.append(value)
    elif depth and isinstance(value, list):
        for item in value:
            _gather(item, depth - 1, texts)
    elif depth and isinstance(value, dict) and not _thought(value):
        if "message.contents.0.message_content.type" in value:
            value = {"content": unflattened(value, "message.contents")}
        for key in _CONTENT:
            if (content := value.get(key)) is not None:
                _gather(content, depth - 1, texts)
                return


def _thought(part: dict[str, Any]) -> bool:
    return part.get("type", part.get("message_content.type")) in ("reasoning", "thinking")


def attributes(items: list[Any]) -> dict[str, Any]:
    """A list of `{key, value}`, or of objects with a `name`, as an object; the first of a name counts.

    Values of AnyValue are flattened (opentelemetry-proto, common.proto).
    """
    items = [item for item in items if isinstance(item, Named) or type(item) is dict]
    found: dict[str, Any] = {}
    # From the last to the first, so that the first of a name counts.
    for item in reversed(items):
        key, value, name = _parts(item)
        if type(key) is str:
            found[key] = _held(value)
        elif type(name) is str:
            found[name] = item
    return found


def all_attributes(column: list[Any]) -> list[Any]:
    """Each list in a column as `attributes` make an object of it, and all else as it is."""
    lists = [v if type(v) is list else () for v in column]
    items: list[Any] = list(chain.from_iterable(map(reversed, lists)))
    kinds = set(map(type, items))
    pairs = _pairs(items) if len(kinds) == 1 and issubclass(kinds.pop(), Named) else None
    if pairs is None:
        return [attributes(v) if type(v) is list else v for v in column]
    return [dict(islice(pairs, len(v))) if type(v) is list else v for v in column]


def _pairs(items: list[Named]) -> Iterator[tuple[str, Any]] | None:
    """Names and values, if all have a key or all have a name instead."""
    keys = list(map(attrgetter("key"), items))
    kinds = set(map(type, keys))
    if kinds == {str}:
        values = list(map(attrgetter("value"), items))
        if set(map(type, values)) != {AnyValue}:
            return zip(keys, map(_held, values), strict=True)
        texts = map(attrgetter("stringValue"), values)
        held = [text if type(text) is str else _held(v) for text, v in zip(texts, values, strict=True)]
        return zip(keys, held, strict=True)
    names = list(map(attrgetter("name"), items))
    return zip(names, items, strict=True) if str not in kinds and set(map(type, names)) == {str} else None


def _parts(item: Named | dict[str, Any]) -> tuple[Any, Any, Any]:
    if isinstance(item, Named):
        return item.key, item.value, item.name
    return item.get("key"), item.get("value"), item.get("name")


def _held(value: Any) -> Any:
    """The value that an AnyValue holds."""
    if type(value) is not AnyValue:
        return any_value(value)
    if type(text := value.stringValue) is str:
        return text
    number = value.intValue
    if number is not None:
        return int(number) if type(number) is str and _INTEGER.fullmatch(number) else number
    if value.doubleValue is not None:
        return value.doubleValue
    members = zip(value.__struct_fields__, msgspec.structs.astuple(value), strict=True)
    return next((any_value({kind: held}) for kind, held in members if held is not None), None)


def any_value(value: Any, depth: int = _DEPTH) -> Any:
    """An AnyValue as the value it holds; int64 may be text. What is none stays as it is.

    >>> any_value({"arrayValue": {"values": [{"intValue": "7"}]}})
    [7]
    """
    if type(value) is not dict or len(value) != 1 or depth == 0:
        return value
    (kind, held), *_ = value.items()
    if kind in ("stringValue", "boolValue", "doubleValue"):
        return held
    if kind == "intValue":
        return int(held) if isinstance(held, str) and _INTEGER.fullmatch(held) else held
    inner = held.get("values") if isinstance(held, dict) else None
    if kind == "arrayValue" and isinstance(inner, list | None):
        return [any_value(item, depth - 1) for item in inner or ()]
    if kind == "kvlistValue" and isinstance(inner, list | None):
        return {
            item["key"]: any_value(item.get("value"), depth - 1)
            for item in inner or ()
            if isinstance(item, dict) and isinstance(item.get("key"), str)
        }
    return value


def unflattened(members: dict[str, Any], name: str) -> list[dict[str, Any]] | None:
    """The list that was flattened into the keys `name.0.part`, `name.1.part` and so on; None if there is none."""
    steps = _cached(tuple(members), name) if len(members) <= _FEW_KEYS else _steps(members, name)
    if not steps:
        return None
    found: dict[int, dict[str, Any]] = {}
    for key, place, part in steps:
        found.setdefault(place, {})[part] = members[key]
    return [found[place] for place in sorted(found)]


def _steps(keys: Iterable[str], name: str) -> tuple[tuple[str, int, str], ...]:
    """The keys that say a part of the list `name`, with the place in it and the part."""
    start = f"{name}."
    matches = [(key, _FLATTENED.fullmatch(key, len(name) - 1)) for key in keys if key.startswith(start)]
    return tuple((key, int(match[2]), match[3] or "content") for key, match in matches if match is not None)


_cached: Final = lru_cache(maxsize=1_024)(_steps)
"""What writes a log has the same keys over and over."""


_FAILURES: Final = (msgspec.MsgspecError, UnicodeEncodeError, RecursionError)
_any: Final = msgspec.json.Decoder().decode


def from_json(text: Any, decode: Callable[[str], Any] = _any) -> Any:
    """What a text holds as JSON; None where it holds none. Another value stays as it is.

    Where `decode` reads only some of it, and the text has another form, all of it is read.
    """
    if not isinstance(text, str):
        return text
    try:
        return decode(text)
    except _FAILURES:
        return None if decode is _any else from_json(text)
