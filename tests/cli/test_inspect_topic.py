"""`tocsin inspect --topic`: the newest of a topic, read by nobody's group."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaProducer

from monitor import config
from monitor.cli import cli
from monitor.cli.enveloped import unpacked
from monitor.errors import KafkaUnavailable, UsageError
from monitor.local.ports import free_ports

if TYPE_CHECKING:
    from monitor.local.kafka import KafkaServer
    from tests.conftest import TopicFactory

FIXTURES = Path(__file__).parents[1] / "records" / "formats"


def inspect(*options: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["inspect", "--json", *options], catch_exceptions=False)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def produce(servers: str, topic: str, messages: list[tuple[bytes | None, list[tuple[str, bytes]]]]) -> None:
    producer = KafkaProducer(bootstrap_servers=servers)
    for i, (value, headers) in enumerate(messages):
        producer.send(
            topic, key=b"k", value=value, headers=headers, timestamp_ms=1_763_000_000_000 + i, partition=i % 3
        )
    producer.flush()
    producer.close()


def test_the_newest_records_of_all_partitions_are_read_and_no_group_is_left(
    kafka: "KafkaServer", kafka_admin: KafkaAdminClient, topic: "TopicFactory"
) -> None:
    name = topic(partitions=3)
    record = b'{"model": "chat", "status": "ok", "output_tokens": %d}'
    produce(kafka.bootstrap_servers, name, [(record % i, []) for i in range(3_000)] + [(None, [])])
    before = set(map(str, kafka_admin.list_groups()))
    found = inspect("--topic", name, "--bootstrap-servers", kafka.bootstrap_servers, "--records", "300")
    assert (found["messages"], found["records"], found["whole"]) == (299, 299, False)
    tokens = next(s for s in found["signals"] if s["signal"] == "output_tokens")
    assert tokens["quantiles"]["0"] >= 2_690
    assert found["times"]["last"].startswith("2025-11-13T02:13:22")
    assert set(map(str, kafka_admin.list_groups())) == before


def test_headers_come_with_the_messages_of_a_topic(kafka: "KafkaServer", topic: "TopicFactory") -> None:
    name = topic(partitions=3)
    values, headers = unpacked((FIXTURES / "kserve.jsonl").read_bytes().splitlines())
    produce(kafka.bootstrap_servers, name, list(zip(values, headers, strict=True)))
    found = inspect("--topic", name, "--bootstrap-servers", kafka.bootstrap_servers)
    assert found["source"] == {"format": "kserve"}
    assert (found["records"], found["ignored"], found["whole"]) == (3, 1, True)


def test_the_topic_and_the_connection_of_alerts_yaml_are_used(
    kafka: "KafkaServer", topic: "TopicFactory", tmp_path: Path
) -> None:
    name = topic(partitions=3)
    produce(kafka.bootstrap_servers, name, [(b'{"model": "chat"}', [])] * 9)
    path = tmp_path / "alerts.yaml"
    path.write_text(
        f'source: {{bootstrap_servers: "{kafka.bootstrap_servers}", topic: {name}}}\n'
        "rules: [{name: silence, absent: 2m}]\nreceivers: {default: {log: {}}}\n"
    )
    assert inspect("--topic", "-c", str(path))["streams"] == {"chat": 9}


def test_init_writes_the_topic_and_where_it_is(
    kafka: "KafkaServer", topic: "TopicFactory", tmp_path: Path
) -> None:
    name = topic(partitions=3)
    produce(kafka.bootstrap_servers, name, [(b'{"model": "chat", "status": "ok"}', [])] * 30)
    alerts = tmp_path / "alerts.yaml"
    where = ["--topic", name, "--bootstrap-servers", kafka.bootstrap_servers]
    CliRunner().invoke(cli, ["init", *where, "-o", str(alerts)], catch_exceptions=False)
    loaded = config.load(alerts, environ={}, need={"source"})
    source = loaded.source
    assert (source.topics, source.bootstrap_servers) == ((name,), kafka.bootstrap_servers)
    assert "GUESSED" not in alerts.read_text()
    # The newest messages span no time, and the topic goes on.
    assert (loaded.learning.learn, loaded.learning.at_least_ms) == (10_000, 86_400_000)


def test_a_topic_that_is_not_there_is_one_sentence(kafka: "KafkaServer", topic: "TopicFactory") -> None:
    name = topic()
    with pytest.raises(UsageError, match=f"there is no topic {name}x at .*{name}"):
        inspect("--topic", f"{name}x", "--bootstrap-servers", kafka.bootstrap_servers)
    with pytest.raises(UsageError, match=f"topic {name} has no messages"):
        inspect("--topic", name, "--bootstrap-servers", kafka.bootstrap_servers)


def test_a_broker_that_is_not_there_is_told_by_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    from monitor.cli.inspect import topic as of_topic

    nobody = f"localhost:{free_ports(1)[0]}"
    monkeypatch.setattr(of_topic.from_topic, "__defaults__", (2.0,))
    begun = time.monotonic()
    with pytest.raises(KafkaUnavailable, match=f"Kafka does not answer at {nobody}"):
        inspect("--topic", "t", "--bootstrap-servers", nobody)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give a FILE, - for stdin, or --topic"),
        (["-", "--topic", "t"], "give a FILE, - for stdin, or --topic"),
        (["--bootstrap-servers", "k:1", "--topic"], "--bootstrap-servers needs the name of a topic"),
    ],
)
def test_what_to_study_is_said_once(options: list[str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        inspect(*options)
    assert said in str(refused.value)
