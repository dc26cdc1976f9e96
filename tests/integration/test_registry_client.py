"""Schemas fetched from a registry: once, for as long as it takes, and never in a hot loop."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from registry_server import FRAMED, RegistryServer, message, registry_server

from monitor.config.model import SchemaRegistry
from monitor.ingest.registry import REFUSED_FOR_S, Read, Registry

UNKNOWN = b"\0" + (999).to_bytes(4, "big") + b"x"


@dataclass
class Asking:
    """A registry's client, its clock, and what it said of the registry."""

    server: RegistryServer
    now: float = 0.0
    states: list[str | None] = field(default_factory=list)

    def client(self, **settings: Any) -> Registry:
        registry = SchemaRegistry(**{"url": self.server.url} | settings)
        self.made = Registry(registry, 1_000, self.states.append, lambda: self.now)
        return self.made

    def read(self, *values: bytes | None, registry: Registry | None = None) -> Read:
        """What becomes of some values once their schemas have come."""
        registry = registry or self.client()
        polled = [(10 + i, 0, value) for i, value in enumerate(values)]
        within(lambda: isinstance(registry.read(polled), Read))
        found = registry.read(polled)
        assert isinstance(found, Read)
        return found


def within(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def asking() -> Iterator[Asking]:
    with registry_server() as server:
        made = Asking(server)
        yield made
        made.made.stop()


def test_values_of_all_three_formats_become_json_and_what_has_no_frame_stays(asking: Asking) -> None:
    read = asking.read(message("avro"), message("protobuf-nested"), message("json"), b'{"model": "m"}', None)
    assert read.refused == {}
    values = [record[2] for record in read.records]
    assert [json.loads(v)["model"] for v in values if v] == ["chat", "chat", "chat", "m"]
    assert [record[0] for record in read.records] == [10, 11, 12, 13, 14]
    assert values[4] is None


def test_a_schema_and_what_it_refers_to_are_asked_for_once(asking: Asking) -> None:
    registry = asking.client()
    for _ in range(3):
        asking.read(message("protobuf-nested"), message("avro"), registry=registry)
    subject = "/subjects/demo%2Fusage.proto/versions/1?deleted=true&format=serialized"
    number = next(n for n, s in FRAMED["schemas"].items() if s.get("schemaType") == "PROTOBUF")
    assert sorted(asking.server.asked) == sorted(
        [
            f"/schemas/ids/{number}", f"/schemas/ids/{number}?format=serialized", subject,
            "/schemas/ids/2", "/subjects/demo-usage/versions/1?deleted=true",
        ]
    )  # fmt: skip
    assert set(asking.states) == {None}


def test_keys_and_headers_stay_with_their_record(asking: Asking) -> None:
    registry = asking.client()
    polled = [(0, 5, message("json"), b"key", [("a", b"b")])]
    within(lambda: isinstance(registry.read(polled), Read))
    read = registry.read(polled)
    assert isinstance(read, Read)
    [(offset, at, _, *envelope)] = read.records
    assert (offset, at, envelope) == (0, 5, [b"key", [("a", b"b")]])


def test_an_id_that_the_registry_does_not_know_is_a_reason_to_skip_and_asked_again_a_minute_later(
    asking: Asking,
) -> None:
    registry = asking.client()
    for _ in range(5):
        read = asking.read(UNKNOWN, message("json"), registry=registry)
        assert read.refused[10].reason == "schema_unknown"
        assert read.refused.keys() == {10}
    assert asking.server.asked.count("/schemas/ids/999") == 1
    asking.now += REFUSED_FOR_S
    asking.read(UNKNOWN, registry=registry)
    assert asking.server.asked.count("/schemas/ids/999") == 2


def test_a_registry_that_does_not_answer_is_asked_until_it_does_and_nothing_is_skipped(
    asking: Asking,
) -> None:
    asking.server.trouble = (503, "busy")
    registry = asking.client()
    polled = [(0, 0, message("avro"))]
    assert registry.read(polled) == frozenset({2})
    assert not registry.knows({2})
    within(lambda: len(asking.server.asked) >= 2)
    assert registry.read(polled) == frozenset({2})
    where = f"The schema registry at {asking.server.url}"
    assert asking.states[0] == f"{where} answers /schemas/ids/2 with HTTP 503: it is asked again"
    asking.server.trouble = None
    within(lambda: registry.knows({2}))
    assert isinstance(registry.read(polled), Read)
    assert asking.states[-1] is None


@pytest.mark.parametrize(
    ("trouble", "advice"),
    [
        ((404, "<html></html>"), "is source.schema_registry.url the address of a registry?"),
        (
            (404, '{"error_code": 404, "message": "HTTP 404 Not Found"}'),
            "is source.schema_registry.url the address",
        ),
        ((200, '{"name": "something else"}'), "is source.schema_registry.url the address of a registry?"),
        ((302, ""), "is source.schema_registry.url the address of a registry?"),
        ((429, ""), "it is asked again"),
    ],
)
def test_an_answer_that_is_none_of_a_registry_skips_nothing(
    asking: Asking, trouble: tuple[int, str], advice: str
) -> None:
    asking.server.trouble = trouble
    registry = asking.client()
    registry.read([(0, 0, message("avro"))])
    within(lambda: asking.states)
    assert advice in str(asking.states[0])
    assert not registry.knows({2})


def test_it_logs_in_and_says_so_where_it_is_not_let_in(asking: Asking) -> None:
    asking.server.login = ("tocsin", "secret")
    asking.client(username="tocsin", password="wrong").read([(0, 0, message("avro"))])
    within(lambda: asking.states)
    assert "check username and password of source.schema_registry" in str(asking.states[0])
    assert "wrong" not in str(asking.states[0])
    asking.made.stop()
    right = asking.client(username="tocsin", password="secret")
    assert asking.read(message("avro"), registry=right).refused == {}


def test_a_registry_without_serialized_schemas_and_a_value_of_another_schema_are_reasons_to_skip(
    asking: Asking,
) -> None:
    registry = asking.client()
    avro = message("avro")
    read = asking.read(avro[:-3], registry=registry)
    assert read.refused[10].reason == "not_of_its_schema"
    asking.server.trouble = (501, '{"error_code": 501, "message": "Unsupported format"}')
    read = asking.read(message("protobuf-first"), registry=registry)
    assert read.refused[10].reason == "schema_unreadable"


def test_what_is_too_large_is_left_to_be_skipped_as_such(asking: Asking) -> None:
    large = message("json")[:5] + b'{"model": "' + b"x" * 2_000 + b'"}'
    read = asking.read(large)
    assert (read.records[0][2], read.refused) == (large, {})
