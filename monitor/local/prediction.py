"""Prediction records of the contract, encoded many at once."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec


class Prediction(msgspec.Struct, omit_defaults=True):
    """One prediction record; what is None is left out. `ts` is the completion in ms since the epoch."""

    model: str
    version: str | None = None
    id: str | None = None
    trace_id: str | None = None
    user: str | None = None
    ts: int | None = None
    status: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    input: str | None = None
    output: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    expected_language: str | None = None
    confidence: float | None = None
    finish_reason: str | None = None
    latency_ms: float | None = None
    ttft_ms: float | None = None
    cost_usd: float | None = None
    prediction: str | None = None
    label: str | None = None
    segment: dict[str, str] | None = None


_ENCODER: Final = msgspec.json.Encoder()


def encode(n: int, columns: Mapping[str, Sequence[object]]) -> list[bytes]:
    """The JSON of n records from columns of n values by field name; fields without a column are left out.

    A column of another name or length: ValueError.
    """
    fields = Prediction.__struct_fields__
    unknown = columns.keys() - set(fields)
    if unknown:
        raise ValueError(f"a prediction record has no field {', '.join(sorted(unknown))}")
    rows: Iterable[tuple[Any, ...]] = zip(*(columns.get(f, repeat(None, n)) for f in fields), strict=True)
    return [_ENCODER.encode(Prediction(*row)) for row in rows]
