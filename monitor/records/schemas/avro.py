"""Avro values as JSON, by fastavro."""

import json
from collections.abc import Mapping
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
    """What reads values of an Avro schema; raises fastavro's errors for a schema that is none, ValueError for one by
    which a few bytes could end the process.

    Times stay the numbers that they are written as, decimals become numbers, bytes base64.
    """
    named: dict[str, Any] = {}
    for _, dependency in schema.dependencies():
        fastavro.parse_schema(_plain_times(json.loads(dependency.text)), named_schemas=named)
    parsed = fastavro.parse_schema(_plain_times(json.loads(schema.text)), named_schemas=named)
    _Bounds(named).weightless(parsed)

    def read(value: bytes) -> bytes:
        stream = BytesIO(value)
        found = fastavro.schemaless_reader(stream, parsed, None)
        if stream.read(1):
            raise ValueError("bytes are left over")
        return _encode(found)

    return read


class _Bounds:
    """Whether the values of a schema are bounded by their bytes: fastavro recurses in C, and believes any count."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, bool] = {}
        self._within: set[str] = set()

    def weightless(self, schema: Any) -> bool:
        """Whether a value takes no bytes. Raises ValueError where nothing bounds the depth or number of values."""
        if isinstance(schema, list):
            for member in schema:
                self.weightless(member)
            return False
        if isinstance(schema, str):
            return self._of_name(schema, self._named[schema]) if schema in self._named else schema == "null"
        kind = schema["type"]
        if kind == "array":
            if self.weightless(schema["items"]):
                raise ValueError("it has an array of items without bytes, which nothing bounds")
            return False
        if kind == "map":
            self.weightless(schema["values"])
            return False
        if kind in ("record", "error"):
            return self._of_name(schema["name"], schema)
        if kind == "fixed":
            return bool(schema["size"] == 0)
        return kind != "enum" and self.weightless(kind)

    def _of_name(self, name: str, schema: Any) -> bool:
        if schema["type"] not in ("record", "error"):
            return self.weightless(schema)
        if name in self._within:
            raise ValueError(f"{name} holds itself, and nothing bounds how deep")
        if name not in self._known:
            self._within.add(name)
            fields = [self.weightless(field["type"]) for field in schema["fields"]]
            self._known[name] = all(fields)
            self._within.remove(name)
        return self._known[name]


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
