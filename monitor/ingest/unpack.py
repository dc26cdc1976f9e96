"""Records out of a batch of message format v2 (KIP-98), without an object for each.

kafka-python 3.0.12 decompresses and checks the batch; its own loop over the records is half of all work on a record.
"""

from kafka.errors import CorruptRecordError
from kafka.record.util import decode_varint

from monitor.records.decode import Headers

Enveloped = tuple[int, int, bytes | None, bytes | None, Headers]
Polled = tuple[int, int, bytes | None] | Enveloped
"""Offset, timestamp in ms, value; and where they are asked for, key and headers."""


def unpack(
    data: bytes,
    at: int,
    count: int,
    base_offset: int,
    first_ms: int,
    fixed_ms: int | None,
    *,
    enveloped: bool = False,
) -> list[Polled]:
    """The `count` records of a decompressed batch that begin at `at`, `enveloped` with their keys and headers.

    `first_ms` is what timestamps are relative to, `fixed_ms` the broker's time where that counts. Raises
    CorruptRecordError where lengths do not fit together.
    """
    polled: list[Polled] = []
    try:
        for _ in range(count):
            size, at = _varint(data, at)
            end = at + size
            delta_ms, at = _varint(data, at + 1)
            offset, at = _varint(data, at)
            key, key_at = _varint(data, at)
            length, at = _varint(data, key_at + key if key > 0 else key_at)
            if not at + length < end <= len(data):
                raise CorruptRecordError(f"record {base_offset + offset} does not end where it says")
            value = data[at : at + length] if length >= 0 else None
            time_ms = first_ms + delta_ms if fixed_ms is None else fixed_ms
            if enveloped:
                key_bytes = data[key_at : key_at + key] if key >= 0 else None
                headers = _headers(data, at + max(length, 0))
                polled.append((base_offset + offset, time_ms, value, key_bytes, headers))
            else:
                polled.append((base_offset + offset, time_ms, value))
            at = end
    except (IndexError, ValueError) as error:
        raise CorruptRecordError(f"the batch at offset {base_offset} breaks off: {error}") from error
    if at != len(data):
        raise CorruptRecordError(f"{len(data) - at} bytes are left over in the batch at offset {base_offset}")
    return polled


def _headers(data: bytes, at: int) -> Headers:
    """The headers that begin at `at`; a name that is no UTF-8 is read as well as it can be."""
    count, at = _varint(data, at)
    found = []
    for _ in range(count):
        size, at = _varint(data, at)
        if size < 0:
            raise ValueError("a header without a name")
        name, at = data[at : at + size].decode(errors="replace"), at + size
        length, at = _varint(data, at)
        found.append((name, data[at : at + length] if length >= 0 else None))
        at += max(length, 0)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint and where it ends; the length of a text has two bytes."""
    low = data[at]
    if low < 0x80:
        return (low >> 1) ^ -(low & 1), at + 1
    high = data[at + 1]
    if high < 0x80:
        return ((low & 0x7F | high << 7) >> 1) ^ -(low & 1), at + 2
    number, after = decode_varint(data, at)
    return int(number), int(after)
