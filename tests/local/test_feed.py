"""The feed writes a scenario's records to a real Kafka when their time has come."""

import json
import time

import pytest
from kafka import KafkaConsumer, TopicPartition

from monitor.errors import KafkaUnavailable
from monitor.local.feed import Feed, now_ms
from monitor.local.scenario import Scenario, scenario
from monitor.local.traffic import Drift, Phase

pytestmark = pytest.mark.timeout(120)


def read_all(servers: str, topic: str) -> list:
    consumer = KafkaConsumer(bootstrap_servers=servers)
    partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    records = []
    while len(records) < sum(ends.values()):
        records += [r for batch in consumer.poll(1_000).values() for r in batch]
    consumer.close()
    return records


def test_records_bear_their_event_time_as_kafka_timestamp_and_none_comes_early(kafka, topic):
    name = topic(partitions=4)
    plot = scenario(now_ms())
    feed = Feed(kafka.bootstrap_servers, name, plot)
    feed.start()
    time.sleep(1.5)
    feed.stop()
    come = plot.event_ms(now_ms())
    feed.check()
    records = read_all(kafka.bootstrap_servers, name)
    assert len(records) == feed.sent > 300
    assert all(json.loads(r.value)["ts"] == r.timestamp <= come for r in records)
    assert {r.timestamp_type for r in records} == {0}
    assert len({r.partition for r in records}) == 4
    for partition in range(4):
        times = [r.timestamp for r in records if r.partition == partition]
        assert times == sorted(times)


def test_the_clock_is_noted_when_the_first_record_of_a_drift_is_sent(kafka, topic):
    start = now_ms()
    phases = (Phase(start - 60_000, start - 1_000), Phase(start - 1_000, start + 200, Drift.SLOW))
    feed = Feed(kafka.bootstrap_servers, topic(), Scenario(start, phases))
    feed.start()
    time.sleep(1.0)
    feed.stop()
    assert feed.began.keys() == {Drift.SLOW}
    assert start <= feed.began[Drift.SLOW] <= now_ms()


def test_the_present_follows_at_the_clocks_speed_and_fails_from_the_moment_it_is_told_to(kafka, topic):
    start, name = now_ms(), topic()
    feed = Feed(kafka.bootstrap_servers, name, Scenario(start, (Phase(start - 1_000, start),)))
    feed.start()
    time.sleep(3.0)
    asked_ms = now_ms()
    feed.fail()
    time.sleep(2.0)
    feed.stop()
    feed.check()
    present = [r for r in read_all(kafka.bootstrap_servers, name) if r.timestamp >= start]
    failing = [r for r in present if r.timestamp >= feed.failing_since_ms]
    assert abs(feed.failing_since_ms - asked_ms) < 1_000
    assert feed.failing_since_ms <= feed.began[Drift.ERRORS] <= now_ms()
    assert {json.loads(r.value)["status"] for r in failing} <= {"timeout", "error", "ok"}
    assert sum(json.loads(r.value)["status"] == "timeout" for r in failing) > 0.8 * len(failing) > 3
    assert sum(json.loads(r.value)["status"] == "ok" for r in present) >= len(present) - len(failing) - 1


def test_records_that_cannot_be_written_are_told_in_one_sentence(kafka):
    feed = Feed(kafka.bootstrap_servers, "never-made", scenario(now_ms()))
    feed.start()
    feed.join(timeout_s=30)
    with pytest.raises(KafkaUnavailable, match="traffic cannot be written to Kafka"):
        feed.check()
