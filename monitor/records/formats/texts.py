"""Texts out of messages of a chat, and values out of lists of attributes (OpenTelemetry's AnyValue)."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from monitor.records.formats.pruned import AnyValue, Named

ROLES: Final = {"input": frozenset({"user", "human"}), "output": frozenset({"assistant", "ai", "model"})}
"""Whose message is the text of a field; the last of these counts, or of an answer without roles all."""

_DEPTH: Final = 8
_ROLE: Final = ("role", "message.role")
_CONTENT: Final = (
    *("content", "message.content", "message.contents.0.message_content.text", "parts"),
    *("text", "message", "choices", "generated_text"),
)
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
    if isinstance(value, list) and any(isinstance(item, dict) and _role(item) for item in value):
        said = [item for item in value if isinstance(item, dict) and _role(item) in ROLES[field]]
        value = said[-1:] if field == "input" else said
    texts = list(_texts(value, _DEPTH))
    return "\n".join(texts) if texts else None


def _role(message: dict[str, Any]) -> str:
    found = next((message[key] for key in _ROLE if key in message), "")
    return found.lower() if isinstance(found, str) else ""


def _texts(value: Any, depth: int) -> Iterator[str]:
    """Texts of content, part by part; parts of a type other than text have none."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list):
        for item in value:
            yield from _texts(item, depth - 1)
    elif depth and isinstance(value, dict) and value.get("type") not in ("reasoning", "thinking"):
        content = next((value[key] for key in _CONTENT if value.get(key) is not None), None)
        yield from _texts(content, depth - 1)


def attributes(items: list[Any]) -> dict[str, Any]:
    """A list of `{key, value}`, or of objects with a `name`, as an object; the first of a name counts.

    Values of AnyValue are flattened (opentelemetry-proto, common.proto).
    """
    found: dict[str, Any] = {}
    for item in items:
        if isinstance(item, Named):
            key, value, name = item.key, item.value, item.name
        elif type(item) is dict:
            key, value, name = item.get("key"), item.get("value"), item.get("name")
        else:
            continue
        if type(key) is str:
            found.setdefault(key, _held(value) if type(value) is AnyValue else any_value(value))
        elif type(name) is str:
            found.setdefault(name, item)
    return found


def _held(value: AnyValue) -> Any:
    """The value that an AnyValue holds."""
    if type(value.stringValue) is str:
        return value.stringValue
    if value.intValue is not None:
        return any_value({"intValue": value.intValue})
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
        return int(held) if isinstance(held, str) and re.fullmatch(r"-?\d{1,19}", held) else held
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
    found: dict[int, dict[str, Any]] = {}
    start = f"{name}."
    for key, value in members.items():
        match = _FLATTENED.fullmatch(key, len(name) - 1) if key.startswith(start) else None
        if match is not None:
            found.setdefault(int(match[2]), {})[match[3] or "content"] = value
    return [found[i] for i in sorted(found)] or None


def from_json(text: Any) -> Any:
    """What a text holds as JSON; None where it holds none. Another value stays as it is."""
    if not isinstance(text, str):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None
