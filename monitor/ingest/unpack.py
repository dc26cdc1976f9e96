"""Records out of a batch of message format v2 (KIP-98), without an object for each.

kafka-python 3.0.12 decompresses and checks the batch; its own loop over the records is half of all work on a record.
"""

from kafka.errors import CorruptRecordError
from kafka.record.util import decode_varint

Polled = tuple[int, int, bytes | None]
"""Offset, timestamp in ms, value."""


def unpack(
    data: bytes, at: int, count: int, base_offset: int, first_ms: int, fixed_ms: int | None
) -> list[Polled]:
    """The `count` records of a decompressed batch that begin at `at`; keys and headers are passed over.

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
            key, at = _varint(data, at)
            length, at = _varint(data, at + key if key > 0 else at)
            if not at + length < end <= len(data):
                raise CorruptRecordError(f"record {base_offset + offset} does not end where it says")
            value = data[at : at + length] if length >= 0 else None
            polled.append(
                (base_offset + offset, first_ms + delta_ms if fixed_ms is None else fixed_ms, value)
            )
            at = end
    except (IndexError, ValueError) as error:
        raise CorruptRecordError(f"the batch at offset {base_offset} breaks off: {error}") from error
    if at != len(data):
        raise CorruptRecordError(f"{len(data) - at} bytes are left over in the batch at offset {base_offset}")
    return polled


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
