"""A broker that wants credentials: the right ones work, the wrong ones end with one sentence (hazard 7)."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ingest_bench import Bench, bench_of, records, until
from kafka import KafkaAdminClient

from monitor.errors import KafkaUnavailable
from monitor.ingest import client
from monitor.local.kafka import KafkaServer, local_kafka
from monitor.local.ports import HOST, free_ports

LOGIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required"
    ' username="broker" password="inside" user_broker="inside" user_alice="wonderland";'
)
ALICE = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "PLAIN",
    "sasl_plain_username": "alice",
    "sasl_plain_password": "wonderland",
}

# kafka-python 3.0.12 leaves the sockets of connections that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def failed_connections_end_with_their_test() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def guarded_kafka() -> Iterator[KafkaServer]:
    broker, controller = free_ports(2)
    properties = {
        "listeners": f"SASL_PLAINTEXT://{HOST}:{broker},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"SASL_PLAINTEXT://{HOST}:{broker}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": LOGIN,
    }
    with local_kafka(properties=properties, port=broker) as server:
        with closing(KafkaAdminClient(bootstrap_servers=server.bootstrap_servers, **ALICE)) as admin:
            admin.create_topics({"t": {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        yield server


@pytest.fixture
def bench(guarded_kafka: KafkaServer, ledger_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(guarded_kafka.bootstrap_servers, ledger_url, tmp_path) as made:
        yield made


def test_with_the_right_password_records_are_counted(bench: Bench) -> None:
    bench.produce("t", records(100), **ALICE)
    with bench.ingesting("t", source=ALICE):
        until(lambda: bench.accounted() == 100)


def test_hazard_7_a_wrong_password_ends_with_a_sentence_that_says_where_to_look(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    short: dict[str, Any] = {**client.SETTINGS, "bootstrap_timeout_ms": 1_500}
    monkeypatch.setattr(client, "SETTINGS", short)
    with bench.ingesting("t", source=ALICE | {"sasl_plain_password": "looking-glass"}) as ingest:
        failure = until(ingest.failure)
    assert isinstance(failure, KafkaUnavailable)
    assert "check credentials (sasl_plain_username, sasl_plain_password)" in str(failure)
    assert "sasl_mechanism is PLAIN" in str(failure)
    assert "looking-glass" not in str(failure)
