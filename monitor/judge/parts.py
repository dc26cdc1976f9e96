"""Parts of streams that a rule with `each` judges by themselves: one number for a stream and a slice of it.

A whole stream is its own number, so that whatever is keyed by stream is keyed by part alike.
"""

from typing import Final, TypeVar

from monitor.records.delta import I64

_BITS: Final = 32
_STREAMS: Final = (1 << _BITS) - 1

Number = TypeVar("Number", int, I64)


def part(stream: Number, slice_id: Number) -> Number:
    """The part of `stream` that `slice_id` (0: the whole) is; ints or int64[n]."""
    return (slice_id << _BITS) | stream


def stream_of(part: Number) -> Number:
    """The stream of a part."""
    return part & _STREAMS


def slice_of(part: Number) -> Number:
    """The slice of a part, 0 for the whole stream."""
    return part >> _BITS
