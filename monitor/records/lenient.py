"""The second look at a value that the fast decoder refuses: only what is wrong in it is dropped (rule 8)."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Generic, TypeVar

import msgspec

from monitor.records.text import without_surrogates

DETAIL_CHARS: Final = 200

R = TypeVar("R", bound=msgspec.Struct)

_NESTING: Final = (Any, dict[str, Any] | None)
"""Types of fields that may hold objects within objects, of which so many levels are mended."""
_LEVELS: Final = 32

_INT_DIGITS: Final = 19
_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a value is no record: `reason` is one word for SQL, `detail` one clause for a person."""

    reason: str
    detail: str


FRAME_BYTES: Final = 5
BINARY: Final = Refused(
    "binary", "a schema registry's frame with no JSON in it: Avro and Protobuf need source.schema_registry"
)


def unframed(value: bytes) -> bytes:
    """The value without a schema registry's frame, a zero byte and the four of the schema's id."""
    return value[FRAME_BYTES:] if value[:1] == b"\0" else value


class Mender(Generic[R]):
    """Reads one value as a struct of `kind`, counting dropped fields by name in `dropped`."""

    def __init__(self, kind: type[R], dropped: Counter[str]) -> None:
        self._kind = kind
        self._types = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}
        self._dropped = dropped

    def mend(self, value: bytes) -> R | Refused:
        """The record, less the fields that are wrong, or why there is none. Raises nothing for bad data."""
        parsed = parse(value)
        if isinstance(parsed, Refused):
            return parsed
        fields, unreadable = parsed
        kept, dropped = self._kept(fields)
        if not isinstance(kept.get("model"), str):
            return Refused("no_model", _model_problem(fields))
        self._dropped.update(dropped)
        self._dropped.update(name for name in unreadable if name in self._types)
        return msgspec.convert(kept, self._kind)

    def _kept(self, fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        kept: dict[str, Any] = {}
        dropped: list[str] = []
        for name, kind in self._types.items():
            if name not in fields:
                continue
            mended = _mended(fields[name], _LEVELS if kind in _NESTING else 1)
            if mended is not _UNFIT and _fits(mended, kind):
                kept[name] = mended
            else:
                dropped.append(name)
        return kept, dropped


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _mended(value: Any, levels: int) -> Any:
    """Strings without surrogates, objects of so many levels without the members no name can be made of."""
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, float) and not isfinite(value):
        return _UNFIT
    if not isinstance(value, dict | list):
        return value
    if isinstance(value, list):
        items = (_member(item, levels) for item in value) if levels > 1 else value
        return [None if item is _UNFIT else item for item in items]
    members = ((without_surrogates(key), _member(v, levels)) for key, v in value.items())
    return {key: v for key, v in members if v is not _UNFIT}


def _member(value: Any, levels: int) -> Any:
    return _UNFIT if isinstance(value, dict | list) and levels <= 1 else _mended(value, levels - 1)


class _Unfit:
    """Of no type that a record's field has."""


_UNFIT: Final = _Unfit()


def _model_problem(fields: Mapping[str, Any]) -> str:
    if "model" not in fields:
        return "the object has no `model`"
    return f"`model` is {_KINDS.get(type(fields['model']), 'no text')}"


_KINDS: Final = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}


def parse(value: bytes) -> tuple[dict[str, Any], list[str]] | Refused:
    """The object's members and the names of those too deep to read, or why there is no object."""
    text = _text_of(value)
    if isinstance(text, Refused):
        return text
    try:
        parsed = _loads(text)
    except RecursionError:
        return _parse_members(text)
    except ValueError as e:
        return _not_json(value, e)
    if not isinstance(parsed, dict):
        return Refused("not_an_object", f"the value is {_KINDS.get(type(parsed), 'a text')}")
    return parsed, []


def parse_any(value: bytes) -> Any | Refused:
    """A value of any form, without what no name or number can be made of; of one nested too deeply what can be read."""
    text = _text_of(value)
    if isinstance(text, Refused):
        return text
    try:
        return _mended(_loads(text), _LEVELS)
    except RecursionError:
        members = _parse_members(text)
        return members if isinstance(members, Refused) else _mended(members[0], _LEVELS)
    except ValueError as e:
        return _not_json(value, e)


def _text_of(value: bytes) -> str | Refused:
    text = unframed(value)
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        return Refused("invalid_utf8", f"byte {e.start}: {e.reason}") if text is value else BINARY


def _not_json(value: bytes, error: ValueError) -> Refused:
    return BINARY if unframed(value) is not value else Refused("not_json", str(error)[:DETAIL_CHARS])


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # int() refuses over 4,300 digits: they are out of every range here, so infinity stands for them.
        return json.loads(
            text, parse_int=lambda digits: int(digits) if len(digits) <= _INT_DIGITS else float(digits)
        )


def _parse_members(text: str) -> tuple[dict[str, Any], list[str]] | Refused:
    """What `parse` gives, for an object nested too deeply for a recursive parser."""
    if not text.lstrip().startswith("{"):
        return Refused("not_an_object", "the value is an array")
    members = _split(text)
    if members is None:
        return Refused("not_json", "nested too deeply, and not closed properly")
    fields: dict[str, Any] = {}
    unreadable: list[str] = []
    for key, raw in members:
        try:
            name = _name(key)
            fields[name] = _loads(raw)
        except RecursionError:
            unreadable.append(name)
        except ValueError as e:
            return Refused("not_json", str(e)[:DETAIL_CHARS])
    return fields, unreadable


def _name(key: str) -> str:
    if not key.lstrip().startswith('"'):
        raise ValueError("a member's name is no text")
    return str(_loads(key))


def _split(text: str) -> list[tuple[str, str]] | None:
    """The outermost object's members as (key, value) source text, without recursion; None if not closed."""
    members: list[tuple[str, str]] = []
    depth, start, key = 0, 0, ""
    for token in _TOKEN.finditer(text):
        kind = token.group()[0]
        if kind in "[{":
            depth += 1
            if depth == 1:
                start = token.end()
        elif kind == ":" and depth == 1:
            key, start = text[start : token.start()], token.end()
        elif kind in ",]}" and depth == 1:
            members.append((key, text[start : token.start()]))
            start = token.end()
        if kind in "]}":
            depth -= 1
            if depth == 0:
                return members if not text[token.end() :].strip() else None
    return None
