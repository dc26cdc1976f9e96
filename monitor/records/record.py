"""The prediction record as a struct of what something measures."""

from typing import Annotated, Final, Literal, cast

import msgspec

from monitor.records.settings import MeasureSettings

LARGEST: Final = 2**53
"""Up to here integers are exact in double precision (RFC 8259, section 6); larger ones are dropped."""

SEGMENT: Final = "segment"

Bounded = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Scalar = str | bool | Bounded | float | None
Number = float | None
Flag = bool | None
Text = str | None


class Record(msgspec.Struct, gc=False, frozen=True):
    """The contract's fields that something measures; all others are ignored or read by slices and samples."""

    model: str
    version: Scalar = None
    type: Text = None
    ts: str | float | None = None
    status: Literal["ok", "error", "timeout", "rejected"] | None = None
    error_type: Text = None
    error_message: Text = None
    input: Text = None
    output: Text = None
    input_language: Text = None
    output_language: Text = None
    expected_language: Text = None
    finish_reason: Text = None
    abstained: Flag = None
    valid_output: Flag = None
    fallback: Flag = None
    cold_start: Flag = None
    correct: Flag = None
    input_tokens: Number = None
    output_tokens: Number = None
    confidence: Number = None
    score: Number = None
    latency_ms: Number = None
    ttft_ms: Number = None
    memory_bytes: Number = None
    cost_usd: Number = None
    batch_size: Number = None
    rating: Number = None
    prediction: Scalar = None
    label: Scalar = None


def record_type(settings: MeasureSettings) -> type[Record]:
    """`Record`, with a field more for each that `by` and `slices` name and it does not have."""
    wanted = [name.partition(".")[0] if name.startswith(f"{SEGMENT}.") else name for name in _named(settings)]
    extra = [name for name in dict.fromkeys(wanted) if name not in Record.__struct_fields__]
    if not extra:
        return Record
    attributes = {f"extra_{i}": name for i, name in enumerate(extra)}
    fields = [
        (attribute, dict[str, Scalar] | None if name == SEGMENT else Scalar, None)
        for attribute, name in attributes.items()
    ]
    made = msgspec.defstruct(
        "SlicedRecord", fields, bases=(Record,), rename=attributes, gc=False, frozen=True
    )
    return cast(type[Record], made)


def _named(settings: MeasureSettings) -> tuple[str, ...]:
    return (*settings.by, *settings.further_slices)
