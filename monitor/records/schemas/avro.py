"""Avro values as JSON, by fastavro."""

import json
from io import BytesIO
from typing import Any, Final

import fastavro
import msgspec

from monitor.records.schemas.schema import JSON_OF, Schema

_TIMES: Final = frozenset(
    f"{prefix}{kind}-{unit}"
    for prefix in ("", "local-")
    for kind in ("timestamp", "time")
    for unit in ("millis", "micros", "nanos")
)
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def avro_reader(schema: Schema) -> JSON_OF:
    """What reads values of an Avro schema; raises fastavro's errors for a schema that is none.

    Times stay the numbers that they are written as, decimals become numbers, bytes base64.
    """
    named: dict[str, Any] = {}
    for _, dependency in schema.dependencies():
        fastavro.parse_schema(_plain_times(json.loads(dependency.text)), named_schemas=named)
    parsed = fastavro.parse_schema(_plain_times(json.loads(schema.text)), named_schemas=named)

    def read(value: bytes) -> bytes:
        stream = BytesIO(value)
        found = fastavro.schemaless_reader(stream, parsed, None)
        if stream.read(1):
            raise ValueError("bytes are left over")
        return _encode(found)

    return read


def _plain_times(schema: Any) -> Any:
    """The schema without the logical types of times, which would become texts."""
    if isinstance(schema, list):
        return [_plain_times(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _plain_times(value) for key, value in schema.items() if key not in ("default", "doc")}
    if kept.get("logicalType") in _TIMES:
        del kept["logicalType"]
    return kept
