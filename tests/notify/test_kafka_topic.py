"""The Kafka topic, against a real Kafka: where it stands, who reads it, what is final."""

import json
import socket
from dataclasses import replace

import pytest
from kafka import KafkaConsumer
from test_receivers import message, refusal

from monitor.notify import kafka_topic
from monitor.notify.kafka_topic import KafkaTopic

pytestmark = pytest.mark.usefixtures("no_socket_left")


@pytest.fixture
def written(kafka, topic):
    name = topic(max_message_bytes=20_000)
    sender = KafkaTopic({"topic": name, "bootstrap_servers": kafka.bootstrap_servers}, "prod")
    yield name, sender
    sender.close()


def records(kafka, name):
    consumer = KafkaConsumer(
        name,
        bootstrap_servers=kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=3_000,
        group_id=None,
    )
    found = list(consumer)
    consumer.close()
    return found


def test_an_incidents_messages_stand_in_order_under_its_id(kafka, written):
    name, sender = written
    assert sender.send(message("hook")).response == f"{name}, partition 0, offset 0"
    sender.send(message("hook", "resolved"))
    opened, resolved = records(kafka, name)
    assert opened.key == resolved.key == b"k3v9q2m7ab"
    assert [json.loads(r.value)["type"] for r in (opened, resolved)] == [
        "incident.opened",
        "incident.resolved",
    ]
    assert dict(opened.headers) == {"webhook-id": b"abcdefghij2345672345", "type": b"incident.opened"}


def test_a_message_that_kafka_will_never_take_is_final(kafka, topic):
    tiny = topic(max_message_bytes=100)
    sender = KafkaTopic({"topic": tiny, "bootstrap_servers": kafka.bootstrap_servers}, "prod")
    refused = refusal(sender, message("hook"))
    assert refused.permanent
    assert "MESSAGE_SIZE_TOO_LARGE" in str(refused).upper() or "MessageSizeTooLarge" in str(refused)
    sender.close()


def test_a_kafka_that_is_not_there_or_says_nothing_passes_within_the_claims_time(monkeypatch):
    monkeypatch.setattr(kafka_topic, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (silent.getsockname()[1], 9):
            settings = {"topic": "t", "bootstrap_servers": f"127.0.0.1:{port}"}
            refused = refusal(KafkaTopic(settings, "prod"), message("hook"))
            assert not refused.permanent
            assert str(refused).startswith("not written: ")


def test_a_password_is_in_nothing_that_is_said():
    settings = {"topic": "t", "bootstrap_servers": "127.0.0.1:9", "sasl_plain_password": "kafka-hunter2"}
    sender = KafkaTopic(settings, "prod")
    said = sender._writer.refusal(OSError("login kafka-hunter2 failed"))
    assert str(said) == "not written: login *** failed"
    assert "hunter2" not in repr(sender)


def test_a_message_about_a_switch_alone_has_the_kills_id_as_its_key(kafka, written):
    name, sender = written
    sender.send(replace(message("hook"), incident_id=None, kill_id="kill1"))
    assert [r.key for r in records(kafka, name)] == [b"kill1"]
