"""Values of a registry's schemas, as Confluent's serializers frame them (schemas/make.py), become JSON."""

import base64
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from monitor.records.lenient import Refused
from monitor.records.schemas.schema import Schema, as_json, reader_of, schema_id

FRAMED: dict[str, Any] = json.loads((Path(__file__).parent / "schemas" / "framed.json").read_text())
ANSWER = {
    "model": "chat", "id": "a", "ts": "2024-11-14T03:00:00Z", "status": "ok", "latency_ms": 12.5, "abstained": False,
    "output_tokens": 0, "segment": {"team": "search"}, "tags": ["x", "y"], "usage": {"in": 3, "out": 7},
    "confidence": 0.5,
    "retried": {"model": "chat-old", "status": "UNKNOWN", "abstained": True, "output_tokens": 0},
}  # fmt: skip


def message(name: str) -> bytes:
    return bytes.fromhex(FRAMED["messages"][name])


def schema(answer: dict[str, Any]) -> Schema:
    references = answer.get("references", [])
    named = [(r["name"], schema(FRAMED["versions"][f"{r['subject']}/{r['version']}"])) for r in references]
    return Schema(answer.get("schemaType", "AVRO"), answer["schema"], tuple(named))


def read(value: bytes) -> Any:
    number = schema_id(value)
    assert number is not None
    reader = reader_of(schema(FRAMED["schemas"][str(number)]))
    assert not isinstance(reader, Refused), reader
    found = as_json(value, reader)
    return found if isinstance(found, Refused) else json.loads(found)


def test_avro_keeps_times_as_numbers_makes_decimals_numbers_and_follows_references() -> None:
    assert read(message("avro")) == {
        "model": "chat", "id": "9d2cb0c6-3f0c-4c3b-8f5e-2f8a1d8c1a11", "ts": 1_731_553_200_000, "status": "ok",
        "latency_ms": 12.5, "cost_usd": 0.0125, "segment": {"team": "search"}, "usage": {"in": 3, "out": 7},
    }  # fmt: skip


def test_json_schema_is_json_behind_the_frame() -> None:
    assert read(message("json")) == {"model": "chat", "latency_ms": 12.5}


@pytest.mark.parametrize(
    ("name", "expected"), [("nested", ANSWER), ("first", {"note": "hi"}), ("second", {"answers": [ANSWER]})]
)
def test_protobuf_finds_the_message_in_its_file_and_says_what_is_there(name: str, expected: Any) -> None:
    """0 and false are there without presence; texts and lists that are empty, and fields that were not set, are not."""
    assert read(message(f"protobuf-{name}")) == expected


@pytest.mark.parametrize("name", sorted(FRAMED["messages"].keys() - {"json"}))
def test_a_value_that_breaks_off_or_goes_on_is_not_of_its_schema(name: str) -> None:
    broken = read(message(name)[:-1])
    assert isinstance(broken, Refused)
    assert broken.reason == "not_of_its_schema"
    assert broken.detail.startswith(f"it cannot be read by schema {schema_id(message(name))}: ")


def test_avro_with_bytes_left_over_is_of_another_schema() -> None:
    left = read(message("avro") + b"\0")
    assert isinstance(left, Refused)
    assert left.detail.endswith("bytes are left over")


@pytest.mark.parametrize("path", [b"\x7f" * 11, b"\x02\x50", b"\x02\x01", b"\x80\x08", b""])
def test_a_way_to_no_message_of_the_file_is_refused(path: bytes) -> None:
    value = message("protobuf-first")
    assert isinstance(read(value[:5] + path), Refused)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("AVRO", "{"),
        ("AVRO", json.dumps({"type": "record", "name": "A", "fields": [{"name": "x", "type": "demo.Gone"}]})),
        ("PROTOBUF", 'syntax = "proto3"; message A {}'),
        (
            "PROTOBUF",
            base64.b64encode(FileDescriptorProto(dependency=["gone.proto"]).SerializeToString()).decode(),
        ),
        ("XML", "<a/>"),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_reason_and_no_error(kind: str, text: str) -> None:
    refused = reader_of(Schema(kind, text))
    assert isinstance(refused, Refused)
    assert refused.reason == "schema_unreadable"


def test_only_a_zero_byte_and_four_more_are_a_frame() -> None:
    assert [schema_id(v) for v in (b"\0\0\0\1\2", b"\0\0\0\1", b'{"a": 1}', b"", None)] == [
        258,
        None,
        None,
        None,
        None,
    ]


NESTED = {"type": "record", "name": "Leaf", "fields": [
    {"name": "v", "type": ["null", "long", "string", {"type": "array", "items": "double"}]},
    {"name": "by", "type": {"type": "map", "values": {"type": "fixed", "name": "Two", "size": 2}}},
]}  # fmt: skip


def test_every_union_member_is_what_fastavro_writes(tmp_path: Path) -> None:
    tree = {"type": "record", "name": "T", "fields": [
        {"name": "leaves", "type": {"type": "array", "items": NESTED}}, {"name": "one", "type": "Leaf"},
    ]}  # fmt: skip
    by = {"k": b"ab"}
    leaves = [{"v": v, "by": by} for v in (None, 2**62, "two", [0.5, 1.5])]
    with (tmp_path / "v").open("wb+") as out:
        fastavro.schemaless_writer(out, fastavro.parse_schema(tree), {"leaves": leaves, "one": leaves[0]})
        out.seek(0)
        payload = out.read()
    reader = reader_of(Schema("AVRO", json.dumps(tree)))
    assert not isinstance(reader, Refused)
    told = [leaf | {"by": {"k": base64.b64encode(b"ab").decode()}} for leaf in leaves]
    assert json.loads(reader(payload)) == {"leaves": told, "one": told[0]}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (["null", "T"], "T holds itself"),
        ({"type": "array", "items": "T"}, "T holds itself"),
        ({"type": "array", "items": "null"}, "an array of items without bytes"),
        (
            {"type": "array", "items": {"type": "record", "name": "E", "fields": []}},
            "an array of items without bytes",
        ),
        (
            {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}},
            "an array of items without bytes",
        ),
    ],
)
def test_hazard_a_schema_by_which_a_few_bytes_end_the_process_is_not_used(kind: Any, why: str) -> None:
    """fastavro reads in C: a deep value overflows the stack, and a count without items fills the memory."""
    refused = reader_of(
        Schema("AVRO", json.dumps({"type": "record", "name": "T", "fields": [{"name": "v", "type": kind}]}))
    )
    assert isinstance(refused, Refused)
    assert why in refused.detail


def test_hazard_protobuf_that_is_nested_a_thousand_times_is_not_of_its_schema() -> None:
    deep = b""
    for _ in range(1_000):
        # Field 15, `retried`, which is an answer again.
        size, count = len(deep), b""
        while size > 127:
            count, size = count + bytes([size & 127 | 128]), size >> 7
        deep = b"\x7a" + count + bytes([size]) + deep
    found = read(message("protobuf-nested")[:8] + deep)
    assert isinstance(found, Refused)
    assert found.reason == "not_of_its_schema"
