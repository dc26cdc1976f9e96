"""Where reading starts and goes on: topics made anew, retention, offsets out of range (hazard 6, rule 11)."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ingest_bench import Bench, bench_of, clock_ms, record, records, until
from kafka import KafkaAdminClient, KafkaProducer
from kafka.structs import TopicPartition

from monitor.errors import KafkaUnavailable, TopicChanged
from monitor.ingest import Ingest
from monitor.local.kafka import KafkaServer

Topic = Callable[..., str]


@pytest.fixture
def bench(kafka: KafkaServer, ledger_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(kafka.bootstrap_servers, ledger_url, tmp_path) as made:
        yield made


def make_anew(admin: KafkaAdminClient, name: str) -> None:
    admin.delete_topics([name])
    deadline = time.monotonic() + 20
    while name in admin.list_topics():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)


def count(bench: Bench, name: str, n: int, **options: object) -> None:
    """Produce `n` records and ingest until they are all counted."""
    before = bench.accounted()
    bench.produce(name, records(n))
    with bench.ingesting(name, **options):
        until(lambda: bench.accounted() == before + n)


def ends_with(ingest: Ingest, within_s: float = 20.0) -> Exception:
    found: Exception = until(ingest.failure, within_s)
    return found


def test_start_latest_counts_only_what_comes_after(bench: Bench, topic: Topic) -> None:
    name = topic(partitions=2)
    bench.produce(name, records(50))
    with bench.ingesting(name, source={"start": "latest"}):
        until(lambda: bench.rows("SELECT 1 FROM tocsin_ledger.topic_partition"))
        bench.produce(name, records(30), 0)
        bench.produce(name, records(20), 1)
        until(lambda: bench.accounted() == 50)
    assert bench.rows("SELECT partition, counted FROM tocsin_ledger.topic_partition ORDER BY 1") == [
        (0, 30),
        (1, 20),
    ]


def test_a_relative_start_is_found_by_kafkas_timestamps(bench: Bench, topic: Topic) -> None:
    name = topic(partitions=2)
    producer = KafkaProducer(bootstrap_servers=bench.servers)
    for minutes in range(120, 0, -1):
        producer.send(name, record(minutes), partition=0, timestamp_ms=clock_ms() - minutes * 60_000 + 1_000)
    producer.flush()
    producer.close()
    with bench.ingesting(name, source={"start": "-30m"}):
        until(lambda: bench.accounted() == 30)
        bench.produce(name, records(5), 1)
        until(lambda: bench.accounted() == 35)


def test_rule_11_a_topic_made_anew_stops_with_one_sentence(
    bench: Bench, topic: Topic, kafka_admin: KafkaAdminClient
) -> None:
    name = topic()
    count(bench, name, 100)
    make_anew(kafka_admin, name)
    bench.produce(name, records(150))
    with bench.ingesting(name) as ingest:
        failure = ends_with(ingest)
    assert isinstance(failure, TopicChanged)
    assert f"Topic {name} was made anew" in str(failure)
    assert "--accept-new-topic" in str(failure)
    assert failure.exit_code == 3
    assert bench.totals() == (100, 0)


def test_rule_11_with_leave_a_topic_made_anew_is_read_from_its_beginning(
    bench: Bench, topic: Topic, kafka_admin: KafkaAdminClient
) -> None:
    name = topic()
    count(bench, name, 100)
    make_anew(kafka_admin, name)
    bench.produce(name, records(150))
    with bench.ingesting(name, source={"start": "latest"}, accept_new_topic=True):
        until(lambda: bench.accounted() == 250)


def test_rule_11_a_topic_made_anew_while_it_is_read_stops_too(
    bench: Bench, topic: Topic, kafka_admin: KafkaAdminClient
) -> None:
    name = topic()
    bench.produce(name, records(100))
    with bench.ingesting(name, accept_new_topic=True) as ingest:
        until(lambda: bench.accounted() == 100)
        make_anew(kafka_admin, name)
        bench.produce(name, records(150))
        failure = ends_with(ingest)
    assert isinstance(failure, TopicChanged)
    assert bench.totals() == (100, 0)


def test_hazard_6_offsets_above_the_end_stop_with_one_sentence(bench: Bench, topic: Topic) -> None:
    name = topic()
    count(bench, name, 20)
    bench.run("UPDATE tocsin_ledger.topic_partition SET next_offset = 1000")
    with bench.ingesting(name) as ingest:
        failure = ends_with(ingest)
    assert isinstance(failure, TopicChanged)
    assert f"{name}[0] ends at offset 20, but offsets up to 999 have been counted" in str(failure)


def test_hazard_6_what_retention_deleted_is_an_incident_with_the_number_and_reading_goes_on(
    bench: Bench, topic: Topic, kafka_admin: KafkaAdminClient
) -> None:
    name = topic()
    count(bench, name, 100)
    bench.produce(name, records(500))
    kafka_admin.delete_records({TopicPartition(name, 0): 350})
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 600)
    assert bench.totals() == (350, 250)
    assert bench.skipped() == [(0, 100, 349, "offsets_lost")]
    assert bench.rows("SELECT rule, stream, state, summary FROM tocsin.incidents") == [
        (
            "tocsin.offsets_lost",
            "(tocsin)",
            "firing",
            f"250 records of {name}[0] were deleted before Tocsin read them",
        )
    ]
    assert bench.rows("SELECT receiver, event, state FROM tocsin.deliveries") == [
        ("default", "opened", "pending")
    ]
    bench.check_chain()


def test_hazard_6_retention_that_overtakes_a_running_ingest_is_noticed(
    bench: Bench, topic: Topic, kafka_admin: KafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    monkeypatch.setattr("monitor.ingest.pressure.Pressure.update", lambda *_: held.is_set())
    name = topic()
    bench.produce(name, records(10))
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 10)
        held.set()
        time.sleep(0.3)
        bench.produce(name, records(100))
        kafka_admin.delete_records({TopicPartition(name, 0): 60})
        held.clear()
        until(lambda: bench.accounted() == 110)
    assert bench.skipped() == [(0, 10, 59, "offsets_lost")]


def test_a_topic_that_is_not_there_is_named_and_never_made(
    bench: Bench, kafka_admin: KafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.ingest.catalog.MISSING_S", 2.0)
    with bench.ingesting("nobody-made-this") as ingest:
        failure = ends_with(ingest)
    assert isinstance(failure, KafkaUnavailable)
    assert "There is no topic nobody-made-this" in str(failure)
    assert failure.exit_code == 3
    assert "nobody-made-this" not in kafka_admin.list_topics()
