"""Lines of a file that hold a message as Kafka carried it, with its headers: a copy of a topic."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from monitor.records.decode import REFUSALS, Headers

_NOTHING: Final = msgspec.Raw(b"")


class _Carried(msgspec.Struct):
    """`{"headers": {...}, "value": ...}`, or as `kcat -J` writes it: headers in one list, `payload` a text."""

    headers: dict[str, Any] | list[Any] | None = None
    value: msgspec.Raw = _NOTHING
    payload: str | None = None


_carried: Final = msgspec.json.Decoder(_Carried).decode


def unpacked(lines: Sequence[bytes]) -> tuple[list[bytes], list[Headers]]:
    """The value and the headers in each line; a line of another form is the value itself, without headers."""
    values: list[bytes] = []
    headers: list[Headers] = []
    for line in lines:
        value, carried = _unpacked(line)
        values.append(value)
        headers.append(carried)
    return values, headers


def _unpacked(line: bytes) -> tuple[bytes, Headers]:
    try:
        found = _carried(line)
    except REFUSALS:
        return line, ()
    if found.headers is None or not (found.payload is not None or bytes(found.value)):
        return line, ()
    value = bytes(found.value) if found.payload is None else found.payload.encode()
    return value, _pairs(found.headers)


def _pairs(headers: dict[str, Any] | list[Any]) -> Headers:
    pairs = headers.items() if isinstance(headers, dict) else zip(headers[::2], headers[1::2], strict=False)
    return [(str(name), value.encode()) for name, value in pairs if isinstance(value, str)]
