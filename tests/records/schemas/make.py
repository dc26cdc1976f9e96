"""Makes framed.json: messages of the three formats as Confluent's own serializers frame them, and their schemas.

Run with confluent-kafka[avro,json,protobuf,schemaregistry] and grpcio-tools installed, which the tests do not need:
`python tests/records/schemas/make.py`. `schemas` are what the registry answers to `GET /schemas/ids/{id}` (of Protobuf
with `?format=serialized`), `versions` to `GET /subjects/{subject}/versions/{version}`.
"""

import json
import sys
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from grpc_tools import protoc

HERE = Path(__file__).parent
AT = datetime(2024, 11, 14, 3, 0, tzinfo=UTC)
USAGE = {
    "type": "record", "name": "Usage", "namespace": "demo",
    "fields": [{"name": "in", "type": "long"}, {"name": "out", "type": "long"}],
}  # fmt: skip
ANSWER = {
    "type": "record", "name": "Answer", "namespace": "demo",
    "fields": [
        {"name": "model", "type": "string"},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "status", "type": {"type": "enum", "name": "Status", "symbols": ["ok", "error", "timeout"]}},
        {"name": "latency_ms", "type": ["null", "double"], "default": None},
        {"name": "cost_usd", "type": {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 4}},
        {"name": "segment", "type": {"type": "map", "values": "string"}},
        {"name": "usage", "type": "demo.Usage"},
    ],
}  # fmt: skip
USAGE_PROTO = """
syntax = "proto3";
package demo;
message Usage { int64 in = 1; int64 out = 2; }
"""
ANSWER_PROTO = """
syntax = "proto3";
package demo;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "demo/usage.proto";
enum Status { UNKNOWN = 0; ok = 1; timeout = 2; }
message Ping { string note = 1; }
message Log {
  message Answer {
    string model = 1;
    string id = 2;
    google.protobuf.Timestamp ts = 3;
    Status status = 4;
    optional double latency_ms = 5;
    optional double ttft_ms = 6;
    bool abstained = 7;
    int64 output_tokens = 8;
    string output = 9;
    optional string error_type = 10;
    map<string, string> segment = 11;
    repeated string tags = 12;
    Usage usage = 13;
    google.protobuf.DoubleValue confidence = 14;
    Answer retried = 15;
  }
  repeated Answer answers = 1;
}
"""
JSON_SCHEMA = {
    "title": "Answer",
    "type": "object",
    "properties": {"model": {"type": "string"}, "latency_ms": {"type": "number"}},
}


def compiled(folder: Path) -> Any:
    """The module of demo/answer.proto."""
    (folder / "demo").mkdir()
    for name, text in (("usage", USAGE_PROTO), ("answer", ANSWER_PROTO)):
        (folder / "demo" / f"{name}.proto").write_text(text)
    google = Path(protoc.__file__).parent / "_proto"
    files = ["demo/usage.proto", "demo/answer.proto"]
    assert protoc.main(["", f"-I{folder}", f"-I{google}", f"--python_out={folder}", *files]) == 0
    sys.path.insert(0, str(folder))
    import_module("demo.usage_pb2")
    return import_module("demo.answer_pb2")


def messages(module: Any) -> list[tuple[str, Any]]:
    """Protobuf messages: of the first of the file, and of a nested one."""
    answer = module.Log.Answer(
        model="chat", id="a", status=module.ok, latency_ms=12.5, usage={"in": 3, "out": 7},
        segment={"team": "search"}, tags=["x", "y"], retried={"model": "chat-old", "abstained": True},
    )  # fmt: skip
    answer.ts.FromDatetime(AT)
    answer.confidence.value = 0.5
    log = module.Log(answers=[answer])
    return [("nested", answer), ("first", module.Ping(note="hi")), ("second", log)]


def main() -> None:
    client = SchemaRegistryClient.new_client({"url": "mock://demo"})
    made: dict[str, str] = {}

    def keep(name: str, serializer: Any, value: Any) -> None:
        framed = serializer(value, SerializationContext(f"demo-{name}", MessageField.VALUE))
        made[name] = framed.hex()

    client.register_schema("demo-usage", Schema(json.dumps(USAGE), "AVRO"))
    reference = SchemaReference("demo.Usage", "demo-usage", 1)
    avro = AvroSerializer(client, Schema(json.dumps(ANSWER), "AVRO", [reference]))
    usage = {"in": 3, "out": 7}
    value = {
        "model": "chat", "id": "9d2cb0c6-3f0c-4c3b-8f5e-2f8a1d8c1a11", "ts": AT, "status": "ok", "latency_ms": 12.5,
        "cost_usd": Decimal("0.0125"), "segment": {"team": "search"}, "usage": usage,
    }  # fmt: skip
    keep("avro", avro, value)
    keep("json", JSONSerializer(json.dumps(JSON_SCHEMA), client), {"model": "chat", "latency_ms": 12.5})
    with tempfile.TemporaryDirectory() as folder:
        module = compiled(Path(folder))
        for name, message in messages(module):
            serializer = ProtobufSerializer(type(message), client, {"use.deprecated.format": False})
            keep(f"protobuf-{name}", serializer, message)
    used = {int(framed[2:10], 16) for framed in made.values()}
    schemas = {number: client.get_schema(number) for number in sorted(used)}
    versions = {
        f"{r.subject}/{r.version}": client.get_version(r.subject, r.version).schema
        for schema in schemas.values()
        for r in schema.references or ()
    }
    found = {
        "messages": made,
        "schemas": {str(number): answer(schema) for number, schema in schemas.items()},
        "versions": {name: answer(schema) for name, schema in versions.items()},
    }
    (HERE / "framed.json").write_text(json.dumps(found, indent=1) + "\n")


def answer(schema: Schema) -> dict[str, Any]:
    """A schema as the registry spells it; Avro is what it is where no type is given."""
    found: dict[str, Any] = {"schema": schema.schema_str}
    if schema.schema_type != "AVRO":
        found["schemaType"] = schema.schema_type
    if schema.references:
        names = ("name", "subject", "version")
        found["references"] = [{name: getattr(r, name) for name in names} for r in schema.references]
    return found


if __name__ == "__main__":
    main()
