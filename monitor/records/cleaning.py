"""A record as it is kept to be looked at: small, storable, and without what was not asked for."""

import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from itertools import islice
from math import isfinite
from typing import Any, Final

from monitor.records.dropping import without
from monitor.records.record import FEATURES, FURTHER, LARGEST, Record
from monitor.records.scrub import scrubbed
from monitor.records.settings import SampleSettings
from monitor.records.text import without_surrogates

INPUT: Final = "input"
OUTPUT: Final = "output"
TEXTS: Final = frozenset({INPUT, OUTPUT, FEATURES})
"""What a model was given and gave: kept only where `samples.text` is on."""
RECORD_BYTES: Final = 4_096
WITH_TEXT_BYTES: Final = 16_384
_KNOWN: Final = frozenset({*Record.__struct_fields__, *FURTHER})
_SCRUBBED: Final = frozenset({"error_message", "error_type"})
_TEXT_CHARS: Final = 4_000
_CHARS: Final = 300
_WORD: Final = re.compile(r"[^\s]{0,64}")
_MEMBERS: Final = 64
_DEPTH: Final = 3
_LEFT_OUT: Final = "..."


def most_bytes(settings: SampleSettings) -> int:
    """How large a record may be that is kept."""
    return WITH_TEXT_BYTES if settings.text else RECORD_BYTES


def cleaned(fields: Mapping[str, Any], settings: SampleSettings) -> str:
    """A record as JSON text that any database takes; whole members, up to 4 KiB, with texts 16 KiB.

    Error texts are scrubbed and `user` is hashed: it is there to count distinct ones. Of fields that Tocsin does not
    know, texts of more than a word are left out, since nobody asked for them.

    >>> cleaned({"model": "chat", "user": "ada@example.com", "prompt": "Dear ...", "output": "..."}, SampleSettings())
    '{"model":"chat","user":"673b3797ca651be7","prompt":"..."}'
    """
    room = most_bytes(settings) - 2
    members: list[str] = []
    for name, value in _in_order(without(fields, settings.drop)):
        if settings.text or name not in TEXTS:
            member = f"{_json(_storable(name))}:{_value(name, value, room)}"
            size = len(member.encode()) + 1
            if size <= room:
                members.append(member)
                room -= size
    return "{" + ",".join(members) + "}"


def _in_order(fields: dict[str, Any]) -> list[tuple[str, Any]]:
    """Texts come last: they take the room that the others leave."""
    return sorted(fields.items(), key=lambda field: field[0] in TEXTS)


def _value(name: str, value: Any, room: int) -> str:
    if name == "user":
        return _json(_pseudonym(value))
    if name in (INPUT, OUTPUT) and isinstance(value, str):
        return _fitting(_storable(value, _TEXT_CHARS), room // 2 if name == INPUT else room - 16)
    if name in _SCRUBBED and isinstance(value, str):
        return _json(scrubbed(_storable(value, len(value)))[:_CHARS])
    return _json(_clean(value, _DEPTH, named=name in _KNOWN))


def _fitting(text: str, room: int) -> str:
    """As JSON, cut so that it takes at most `room` bytes."""
    shown = _json(text)
    while len(shown.encode()) > max(room, 2):
        text = text[: len(text) * 3 // 4]
        shown = _json(text)
    return shown


def _pseudonym(value: Any) -> str | None:
    if not isinstance(value, str | int | float):
        return None
    return blake2b(without_surrogates(str(value)).encode(), digest_size=8).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _storable(text: str, most: int = _CHARS) -> str:
    return without_surrogates(text[:most]).replace("\x00", "")


def _clean(value: Any, depth: int, *, named: bool) -> Any:
    """`value` without NUL, lone surrogates, numbers that JSON lacks, and what is long or nested deeply.

    Unless it is `named`, as Tocsin's own fields are, it may hold anything: of its texts single words are kept.
    """
    if isinstance(value, str):
        return _storable(value) if named or _WORD.fullmatch(value) else _LEFT_OUT
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > LARGEST:
        return str(value)[:_CHARS]
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return _LEFT_OUT
    if isinstance(value, list):
        return [_clean(item, depth - 1, named=named) for item in value[:_MEMBERS]]
    return {_storable(k): _clean(v, depth - 1, named=named) for k, v in islice(value.items(), _MEMBERS)}
