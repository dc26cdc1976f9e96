"""`tocsin inspect --topic` on messages of a schema registry: read where it is named, and told where it is not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka import KafkaProducer
from registry_server import message, registry_server

from monitor.cli import cli
from monitor.errors import RegistryUnavailable, UsageError
from monitor.local.kafka import KafkaServer

ALERTS = """
source: {{bootstrap_servers: "{servers}", topic: {topic}, schema_registry: {{url: "{url}"}}}}
rules: [{{name: silence, absent: 2m}}]
receivers: {{default: {{log: {{}}}}}}
"""


@pytest.fixture
def framed(kafka: KafkaServer, topic: Callable[..., str]) -> str:
    name = topic()
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    for value in [message("avro"), message("protobuf-nested")] * 30:
        producer.send(name, value=value)
    producer.flush()
    producer.close()
    return name


def inspect(*options: str) -> str:
    return CliRunner().invoke(cli, ["inspect", "--json", "--topic", *options], catch_exceptions=False).stdout


def test_avro_and_protobuf_are_read_by_the_registry_of_alerts_yaml(
    kafka: KafkaServer, framed: str, tmp_path: Path
) -> None:
    alerts = tmp_path / "alerts.yaml"
    with registry_server() as registry:
        text = ALERTS.format(servers=kafka.bootstrap_servers, topic=framed, url=registry.url)
        alerts.write_text(text)
        found = json.loads(inspect("-c", str(alerts)))
    assert (found["messages"], found["records"], found["refused"]) == (60, 60, {})


def test_a_registry_that_is_away_is_told_by_the_deadline(
    kafka: KafkaServer, framed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monitor.cli.inspect import topic as of_topic

    monkeypatch.setattr(of_topic.from_topic, "__defaults__", (4.0,))
    alerts = tmp_path / "alerts.yaml"
    with registry_server() as registry:
        registry.trouble = (503, "busy")
        alerts.write_text(ALERTS.format(servers=kafka.bootstrap_servers, topic=framed, url=registry.url))
        with pytest.raises(RegistryUnavailable, match=f"The schema registry at {registry.url} answers"):
            inspect("-c", str(alerts))


def test_without_a_registry_it_says_that_one_is_needed(kafka: KafkaServer, framed: str) -> None:
    with pytest.raises(
        UsageError, match=r"are framed by a schema registry .*60 binary.*schema_registry: \{url"
    ):
        inspect(framed, "--bootstrap-servers", kafka.bootstrap_servers)
