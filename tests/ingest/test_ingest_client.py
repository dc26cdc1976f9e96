"""The consumer's settings and what is refused before anything connects."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from monitor.config.model import Source
from monitor.errors import KafkaUnavailable, UsageError
from monitor.ingest import client, knock


def source(servers: str = "localhost:9092", **settings: str | bool) -> Source:
    return Source(servers, ("predictions",), "tocsin", "latest", 3_000, 1 << 20, settings)


def test_every_setting_is_one_that_kafka_python_knows() -> None:
    settings = client.consumer_settings(source(security_protocol="SSL", ssl_cafile="/ca.pem"), "a")
    assert set(settings) <= set(KafkaConsumer.DEFAULT_CONFIG)


def test_hazard_6_where_to_start_is_never_left_to_the_library() -> None:
    settings = client.consumer_settings(source(), None)
    assert settings["auto_offset_reset"] == "none"
    assert settings["enable_auto_commit"] is False


def test_hazard_1_no_deserializers() -> None:
    assert not {"key_deserializer", "value_deserializer"} & set(client.consumer_settings(source(), None))


def test_rule_11_aborted_records_are_not_read_and_topics_never_made() -> None:
    settings = client.consumer_settings(source(), None)
    assert settings["isolation_level"] == "read_committed"
    assert settings["allow_auto_create_topics"] is False


def test_rule_12_a_killed_process_is_noticed_within_6_s_and_an_instance_is_a_static_member() -> None:
    settings = client.consumer_settings(source(), "tocsin-0")
    assert (settings["session_timeout_ms"], settings["heartbeat_interval_ms"]) == (6_000, 1_500)
    assert settings["group_instance_id"] == "tocsin-0"
    assert "group_instance_id" not in client.consumer_settings(source(), None)


def test_rule_3_metadata_is_at_most_10_s_old() -> None:
    assert client.consumer_settings(source(), None)["metadata_max_age_ms"] <= 10_000


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_hazard_7_empty_credentials_are_refused(mechanism: str) -> None:
    with pytest.raises(UsageError, match=f"sasl_plain_password is empty, and {mechanism} needs it"):
        client.check_source(
            source(sasl_mechanism=mechanism, sasl_plain_username="alice", sasl_plain_password="")
        )
    with pytest.raises(UsageError, match="sasl_plain_username is empty"):
        client.check_source(source(sasl_mechanism=mechanism))


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"source.ssl_cafile: there is no file .*/ca.pem"):
        client.check_source(source(ssl_cafile=str(tmp_path / "ca.pem")))


def test_good_credentials_pass() -> None:
    client.check_source(source(sasl_mechanism="PLAIN", sasl_plain_username="a", sasl_plain_password="b"))


def test_hazard_5_the_installed_libraries_have_every_codec_and_the_c_crc32c() -> None:
    client.check_libraries()


def test_hazard_5_a_missing_codec_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafka.codec.zstd", None)
    with pytest.raises(UsageError, match="kafka-python lacks zstandard"):
        client.check_libraries()


@contextmanager
def deaf_server() -> Iterator[str]:
    """Something that takes TCP connections and never says a word of Kafka's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "{}:{}".format(*server.getsockname())


def test_tcp_without_kafka_behind_it_names_credentials_mechanism_and_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short: dict[str, Any] = {**client.SETTINGS, "bootstrap_timeout_ms": 300}
    monkeypatch.setattr(client, "SETTINGS", short)
    monkeypatch.setattr(knock, "KNOCK_MS", 200)
    before = threading.active_count()
    # The first time may have passed in a process that was frozen, which ended as it woke.
    first: list[str] = []
    with deaf_server() as servers, pytest.raises(KafkaUnavailable) as refused:
        client.connect(
            source(servers, sasl_mechanism="SCRAM-SHA-256"),
            None,
            threading.Event(),
            first.append,
            patient=False,
        )
    sentence = str(refused.value)
    assert len(first) == 1
    assert servers in sentence
    assert "sasl_plain_username" in sentence
    assert "sasl_mechanism is SCRAM-SHA-256" in sentence
    assert "security_protocol is PLAINTEXT" in sentence
    assert refused.value.exit_code == 3
    assert threading.active_count() == before


def test_nobody_at_the_address_is_tried_again_until_stopped() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = "{}:{}".format(*server.getsockname())
    stopping, reasons = threading.Event(), list[str]()

    def unreachable(reason: str) -> None:
        reasons.append(reason)
        if len(reasons) == 2:
            stopping.set()

    assert client.connect(source(free), None, stopping, unreachable, patient=False) is None
    assert len(reasons) == 2
    assert f"Kafka does not answer at {free}" in reasons[0]
