"""Schemas of a registry, and values that they describe as JSON.

The frame is that of Confluent's serializers: a zero byte, the schema's id in four bytes (big-endian), then the value;
of Protobuf first the way to its message within the file.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from monitor.records.lenient import FRAME_BYTES, Refused

JSON_OF = Callable[[bytes], bytes]
"""From what stands behind the id to JSON; raises whatever the format's library does."""

AVRO: Final = "AVRO"
PROTOBUF: Final = "PROTOBUF"
JSON: Final = "JSON"


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema as a registry gives it: `text` is its source, of Protobuf a FileDescriptorProto in base64.

    `references` are the schemas that it names, by the names that it has for them.
    """

    kind: str
    text: str
    references: tuple[tuple[str, "Schema"], ...] = ()

    def dependencies(self) -> Iterator[tuple[str, "Schema"]]:
        """All that it rests on, each once and before what rests on it."""
        seen: set[str] = set()
        yield from self._below(seen)

    def _below(self, seen: set[str]) -> Iterator[tuple[str, "Schema"]]:
        for name, schema in self.references:
            if name not in seen:
                seen.add(name)
                yield from schema._below(seen)
                yield name, schema


def reader_of(schema: Schema) -> JSON_OF | Refused:
    """What reads values of a schema, or why nothing can. Needs the extra `registry` for Avro and Protobuf."""
    try:
        if schema.kind == AVRO:
            from monitor.records.schemas.avro import avro_reader

            return avro_reader(schema)
        if schema.kind == PROTOBUF:
            from monitor.records.schemas.protobuf import protobuf_reader

            return protobuf_reader(schema)
    except ModuleNotFoundError:
        raise
    except Exception as error:
        return Refused("schema_unreadable", f"{type(error).__name__}: {error}")
    if schema.kind == JSON:
        return bytes
    return Refused("schema_unreadable", f"a schema of type {schema.kind:.40}")


def schema_id(value: bytes | None) -> int | None:
    """The id that a framed value names; None where there is no frame."""
    if value is None or value[:1] != b"\0" or len(value) < FRAME_BYTES:
        return None
    return int.from_bytes(value[1:FRAME_BYTES], "big")


def as_json(value: bytes, read: JSON_OF) -> bytes | Refused:
    """A framed value as JSON by what reads its schema, or why it is none."""
    try:
        return read(value[FRAME_BYTES:])
    except Exception as error:
        why = f"it cannot be read by schema {schema_id(value)}: {type(error).__name__}: {error}"
        return Refused("not_of_its_schema", why)
