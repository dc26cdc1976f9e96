"""Ingest in its consumer group, and without a Kafka to be had."""

import gc
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ingest_bench import Bench, bench_of, process, records, until
from kafka import KafkaAdminClient
from kafka.structs import TopicPartition

from monitor.config.loading import load
from monitor.errors import KafkaUnavailable
from monitor.ingest.reader import Reader
from monitor.local.kafka import KafkaServer, local_kafka
from monitor.local.ports import free_ports

Topic = Callable[..., str]

# kafka-python 3.0.12 leaves the sockets of connections that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def failed_connections_end_with_their_test() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def bench(kafka: KafkaServer, ledger_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(kafka.bootstrap_servers, ledger_url, tmp_path) as made:
        yield made


def test_rule_12_a_second_process_of_the_same_instance_ends_the_first_with_one_sentence(
    bench: Bench, topic: Topic
) -> None:
    name = topic()
    bench.produce(name, records(10))
    with bench.ingesting(name, instance="replica-0") as first:
        until(lambda: bench.accounted() == 10)
        with bench.ingesting(name, instance="replica-0") as second:
            failure = until(first.failure)
            bench.produce(name, records(10))
            until(lambda: bench.accounted() == 20)
            assert second.failure() is None
    assert isinstance(failure, KafkaUnavailable)
    assert "as instance replica-0 (FENCED_INSTANCE_ID)" in str(failure)
    assert "TOCSIN_INSTANCE" in str(failure)


def test_kafka_not_there_at_start_is_waited_for_and_status_says_so(
    ledger_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    with bench_of(f"127.0.0.1:{port}", ledger_url, tmp_path) as bench, bench.ingesting("late") as ingest:
        until(lambda: f"Kafka does not answer at 127.0.0.1:{port}" in ingest.status().kafka.why)
        until(lambda: ingest.status().postgres.ok)
        assert not ingest.status().ready
        with local_kafka(port=port) as server:
            with closing(KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)) as admin:
                admin.create_topics({"late": {"num_partitions": 1, "replication_factor": 1}})
            bench.produce("late", records(100))
            until(lambda: bench.accounted() == 100, 30)
            assert ingest.status().ready
            assert ingest.failure() is None
            ingest.stop(time.monotonic() + 5.0)
    assert capsys.readouterr().out.count("kafka unreachable") == 1


def test_rule_9_a_process_that_was_stopped_and_resumes_takes_nothing_from_the_owner(
    bench: Bench, topic: Topic
) -> None:
    name = topic()
    bench.produce(name, records(1_000))
    owner = "SELECT owner FROM tocsin_ledger.topic_partition"
    with process(bench.alerts(name)) as stopped:
        until(lambda: bench.accounted() == 1_000)
        stopped.send_signal(signal.SIGSTOP)
        with bench.ingesting(name) as heir:
            until(lambda: heir.status().partitions, 15)
            bench.produce(name, records(1_000))
            until(lambda: bench.accounted() == 2_000)
            stopped.send_signal(signal.SIGCONT)
            bench.produce(name, records(1_000))
            until(lambda: bench.accounted() == 3_000)
            owners = {bench.one(owner) for _ in range(20) if not time.sleep(0.1)}
            # Back in the group it may be given the partition, but in turn: nobody steals it back and forth.
            assert len(owners) <= 2
    bench.check_chain()


def test_a_broker_that_restarts_is_waited_for(ledger_url: str, tmp_path: Path) -> None:
    with (
        local_kafka(data_dir=tmp_path / "kafka") as server,
        bench_of(server.bootstrap_servers, ledger_url, tmp_path) as bench,
        closing(KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)) as admin,
    ):
        admin.create_topics({"t": {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        bench.produce("t", records(100))
        with bench.ingesting("t") as ingest:
            until(lambda: bench.accounted() == 100)
            server.restart()
            bench.produce("t", records(100))
            until(lambda: bench.accounted() == 200, 30)
            assert ingest.failure() is None
        bench.check_chain()


def test_hazard_10_a_partition_that_stands_still_gets_a_new_consumer_and_goes_on(
    bench: Bench, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    barked = threading.Event()

    def bark_once(*_: object) -> bool:
        first = not barked.is_set()
        barked.set()
        return first

    monkeypatch.setattr("monitor.ingest.watchdog.Watchdog.stuck", bark_once)
    name = topic()
    bench.produce(name, records(100))
    with bench.ingesting(name) as ingest:
        until(barked.is_set)
        until(lambda: bench.accounted() == 100)
        bench.produce(name, records(100))
        until(lambda: bench.accounted() == 200)
        assert ingest.failure() is None
    bench.check_chain()


def test_rule_9_a_heartbeat_is_confirmed_only_by_a_member_of_the_current_generation(
    bench: Bench, topic: Topic
) -> None:
    name = topic()
    reader = Reader(load(bench.alerts(name), environ={}).sources, None, threading.Event(), print)
    reader.open(patient=True)
    assert not reader.membership.confirm()
    until(lambda: reader.poll(100) or reader.assigned(), within_s=60)
    assert reader.membership.confirm()
    assert reader.membership.generation() is not None
    reader.membership._coordinator._generation.generation_id += 1
    assert not reader.membership.confirm()
    reader.close()


def test_a_new_partition_is_held_until_it_is_placed(bench: Bench, topic: Topic) -> None:
    name = topic()
    bench.produce(name, records(10))
    reader = Reader(load(bench.alerts(name), environ={}).sources, None, threading.Event(), print)
    reader.open(patient=True)
    until(lambda: reader.poll(100) or reader.assigned())
    assert not reader.poll(500)
    tp = TopicPartition(name, 0)
    reader.seek(tp, 4)
    reader.read_only({tp})
    polled = until(lambda: reader.poll(100))
    assert [offset for offset, _, _ in polled[tp]] == [4, 5, 6, 7, 8, 9]
    assert reader.position(tp) == 10
    reader.close()
