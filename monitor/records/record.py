"""The prediction record as a struct of what something measures."""

from typing import Annotated, Any, Final, Literal, cast

import msgspec

from monitor.records.settings import MeasureSettings
from monitor.records.signals import BY_NAME, MISSING, SIGNALS

LARGEST: Final = 2**53
"""Up to here integers are exact in double precision (RFC 8259, section 6); larger ones are dropped."""

SEGMENT: Final = "segment"
FEATURES: Final = "features"
MODEL: Final = "model"
ID: Final = "id"
TRACE_ID: Final = "trace_id"

Bounded = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Scalar = str | bool | Bounded | float | None
Number = float | None
Flag = bool | None
Text = str | None

FURTHER: Final = ("prompt_version", ID, TRACE_ID, SEGMENT, FEATURES)
"""Fields of the contract that `Record` lacks: they are read where settings name them, and by samples."""

OBJECTS: Final = {SEGMENT: dict[str, Scalar] | None, FEATURES: dict[str, Any] | None}
_INCONSISTENT: Final = BY_NAME["inconsistent"].code
_FIELDS: Final = frozenset(s.field for s in SIGNALS if s.name.startswith(MISSING))


class Record(msgspec.Struct, gc=False, frozen=True):
    """The contract's fields that are always measured; what they mean is in `fields`."""

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
    cache_hit: Flag = None
    cached_version: Scalar = None
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
    sample_rate: Number = None
    user: Scalar = None


def record_type(settings: MeasureSettings) -> type[Record]:
    """`Record`, with a field more for each that `settings` names and it does not have."""
    extra = [name for name in dict.fromkeys(_named(settings)) if name not in Record.__struct_fields__]
    if not extra:
        return Record
    attributes = {f"extra_{i}": name for i, name in enumerate(extra)}
    of_users = {s.path[0] for s in settings.user_signals} - _FIELDS - {*_sliced(settings)}
    fields = [
        (attribute, Any if name in of_users else OBJECTS.get(name, Scalar), None)
        for attribute, name in attributes.items()
    ]
    made = msgspec.defstruct("WiderRecord", fields, bases=(Record,), rename=attributes, gc=False, frozen=True)
    return cast(type[Record], made)


def _named(settings: MeasureSettings) -> list[str]:
    """The top-level fields that slices, user signals and signals counted on demand read."""
    missing = [s.field for s in SIGNALS if s.code in settings.asked and s.name.startswith(MISSING)]
    features = [FEATURES] if _INCONSISTENT in settings.asked else []
    joined = [ID] if settings.join_ms is not None else []
    return [*_sliced(settings), *joined, *(s.path[0] for s in settings.user_signals), *missing, *features]


def _sliced(settings: MeasureSettings) -> list[str]:
    named = (*settings.by, *settings.further_slices)
    return [name.partition(".")[0] if name.startswith(f"{SEGMENT}.") else name for name in named]
