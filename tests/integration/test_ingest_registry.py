"""Avro, Protobuf and JSON Schema out of a real topic, by a schema registry that is away at first."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ingest_bench import Bench, bench_of, record, until
from registry_server import RegistryServer, message, registry_server

from monitor.local.kafka import KafkaServer

UNKNOWN = b"\0" + (999).to_bytes(4, "big") + b"x"
FRAMED = [message(name) for name in ("avro", "json", "protobuf-nested")]


@pytest.fixture
def bench(kafka: KafkaServer, ledger_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(kafka.bootstrap_servers, ledger_url, tmp_path) as made:
        yield made


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with registry_server() as server:
        yield server


def test_nothing_is_skipped_while_the_registry_is_away_and_all_is_counted_once_it_answers(
    bench: Bench, registry: RegistryServer, topic: Callable[..., str]
) -> None:
    name = topic(partitions=2)
    registry.trouble = (503, "busy")
    bench.produce(name, [record(i) for i in range(10)])
    bench.produce(name, [*FRAMED * 20, UNKNOWN, FRAMED[0][:-2], b'{"model": "chat"}'])
    bench.produce(name, [record(i) for i in range(10)], partition=1)
    # The messages are of 2024: their times are left out, else they were too old to count.
    source = {"schema_registry": {"url": registry.url}, "map": {"ts": "/none", "latency_ms": "latency_ms"}}
    with bench.ingesting(name, source=source) as ingest:
        until(lambda: bench.accounted() == 10)
        until(lambda: ingest.status().registries)
        (dependency,) = ingest.status().registries.values()
        assert (ingest.status().ready, dependency.ok) == (False, False)
        assert f"The schema registry at {registry.url} answers /schemas/ids/" in dependency.why
        assert bench.skipped() == []
        assert bench.rows("SELECT counted FROM tocsin.progress ORDER BY partition") == [(0,), (10,)]
        waits = "SELECT partition, caught_up FROM tocsin_ledger.topic_partition ORDER BY 1"
        until(lambda: bench.rows(waits) == [(0, False), (1, True)])
        registry.trouble = None
        until(lambda: bench.accounted() == 83)
        assert ingest.status().ready
        assert ingest.failure() is None
    assert bench.totals() == (81, 2)
    assert bench.skipped() == [(0, 70, 70, "schema_unknown"), (0, 71, 71, "not_of_its_schema")]
    assert len([path for path in registry.asked if path == "/schemas/ids/999"]) == 1
    bench.check_chain()
