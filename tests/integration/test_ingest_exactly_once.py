"""Invariant 1 on real servers: a record counts exactly once, whatever is killed and whenever."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from ingest_bench import Bench, bench_of, process, record, records, until
from kafka import KafkaAdminClient, KafkaProducer
from sqlalchemy import select

from monitor.ledger.counted import checkpoint
from monitor.local.kafka import KafkaServer
from monitor.records.codec import decode

Topic = Callable[..., str]


@pytest.fixture
def bench(kafka: KafkaServer, ledger_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(kafka.bootstrap_servers, ledger_url, tmp_path) as made:
        yield made


@contextmanager
def traffic(bench: Bench, topic: str, n: int, partitions: int, per_s: float) -> Iterator[None]:
    """`n` records over all partitions at about `per_s`, produced while the block runs."""

    def send() -> None:
        with closing(KafkaProducer(bootstrap_servers=bench.servers, linger_ms=5)) as producer:
            for i in range(n):
                producer.send(topic, record(i), partition=i % partitions)
                if i % 100 == 99:
                    time.sleep(100 / per_s)
            producer.flush()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        sender.join()


def requests_counted(bench: Bench) -> int:
    """Records by the checkpoints' cells, which is what the judge sees."""
    with bench.engine.begin() as connection:
        blobs = connection.execute(select(checkpoint.c.deltas).where(checkpoint.c.deltas.is_not(None)))
        cells = [decode(bytes(blob)).cells for (blob,) in blobs]
    return sum(int(c.count[(c.signal == 0) & (c.slice == 0)].sum()) for c in cells)


def test_every_record_is_counted_once_and_checkpoints_join_without_a_gap(bench: Bench, topic: Topic) -> None:
    name = topic(partitions=2)
    bench.produce(name, records(3_000), 0)
    bench.produce(name, records(2_000), 1)
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 5_000)
    assert bench.totals() == (5_000, 0)
    assert requests_counted(bench) == 5_000
    bench.check_chain()
    offsets = bench.rows("SELECT partition, next_offset FROM tocsin_ledger.topic_partition ORDER BY 1")
    assert offsets == [(0, 3_000), (1, 2_000)]


def test_stopping_in_order_stores_what_is_in_memory(
    bench: Bench, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.ingest.holdings.DATA_S", 60.0)
    name = topic()
    bench.produce(name, records(300))
    with bench.ingesting(name) as ingest:
        until(lambda: any(p.caught_up and p.end_offset == 300 for p in ingest.status().partitions))
        assert bench.accounted() == 0
    assert bench.totals() == (300, 0)


def test_the_next_process_goes_on_where_the_last_one_stopped(bench: Bench, topic: Topic) -> None:
    name = topic()
    for round_ in (1, 2):
        bench.produce(name, records(300))
        with bench.ingesting(name):
            until(lambda n=300 * round_: bench.accounted() == n)
    assert requests_counted(bench) == 600
    bench.check_chain()


def test_hazard_3_a_rebalance_in_full_traffic_counts_nothing_twice_and_loses_nothing(
    bench: Bench, topic: Topic
) -> None:
    name = topic(partitions=4)
    with bench.ingesting(name) as first, traffic(bench, name, 12_000, 4, per_s=3_000):
        until(lambda: bench.accounted() > 0)
        with bench.ingesting(name) as second:
            until(lambda: len(second.status().partitions) == 2 and len(first.status().partitions) == 2)
        until(lambda: len(first.status().partitions) == 4)
        until(lambda: bench.accounted() == 12_000)
        assert first.failure() is second.failure() is None
    assert requests_counted(bench) == 12_000
    bench.check_chain()


def test_rule_12_sigkill_in_mid_stream_and_a_restart_count_every_record_exactly_once(
    bench: Bench, topic: Topic
) -> None:
    name = topic(partitions=2)
    alerts = bench.alerts(name)
    with traffic(bench, name, 12_000, 2, per_s=3_000):
        with process(alerts, "replica-0") as daemon:
            until(lambda: bench.accounted() > 1_000)
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
        with process(alerts, "replica-0"):
            until(lambda: bench.accounted() == 12_000, 30)
    assert requests_counted(bench) == 12_000
    bench.check_chain()


def test_rule_12_with_two_replicas_one_killed_the_other_has_all_its_partitions_within_8_s(
    bench: Bench, topic: Topic
) -> None:
    name = topic(partitions=4)
    with bench.ingesting(name) as survivor, traffic(bench, name, 12_000, 4, per_s=1_000):
        with process(bench.alerts(name)) as killed:
            until(lambda: len(survivor.status().partitions) == 2)
            until(lambda: bench.one("SELECT count(DISTINCT owner) FROM tocsin_ledger.topic_partition") >= 3)
            killed.send_signal(signal.SIGKILL)
        until(lambda: len(survivor.status().partitions) == 4, 8)
        until(lambda: bench.accounted() == 12_000, 30)
    assert requests_counted(bench) == 12_000
    bench.check_chain()


def test_rules_3_and_11_a_partition_added_with_records_in_it_is_read_from_its_beginning(
    bench: Bench, topic: Topic, kafka_admin: KafkaAdminClient
) -> None:
    name = topic()
    bench.produce(name, records(100))
    with bench.ingesting(name, source={"start": "latest"}):
        until(lambda: bench.rows("SELECT 1 FROM tocsin_ledger.checkpoint"))
        kafka_admin.create_partitions({name: 2})
        bench.produce(name, records(150), partition=1)
        until(lambda: bench.accounted() == 150)
    assert bench.rows("SELECT partition, counted FROM tocsin_ledger.topic_partition ORDER BY 1") == [
        (0, 0),
        (1, 150),
    ]


def test_rules_3_and_11_aborted_records_never_count_and_control_records_are_passed_over(
    bench: Bench, topic: Topic
) -> None:
    name = topic()
    producer = KafkaProducer(bootstrap_servers=bench.servers, transactional_id=f"tx-{name}")
    producer.init_transactions()
    for n, finish in ((50, producer.commit_transaction), (70, producer.abort_transaction)) * 2:
        producer.begin_transaction()
        for value in records(n):
            producer.send(name, value, partition=0)
        producer.flush()
        finish()
    producer.close()
    with bench.ingesting(name):
        # 240 records and 4 markers.
        until(lambda: bench.one("SELECT max(next_offset) FROM tocsin_ledger.topic_partition") == 244)
        until(lambda: bench.one("SELECT bool_and(caught_up) FROM tocsin_ledger.topic_partition"))
    assert bench.totals() == (100, 0)
    assert requests_counted(bench) == 100
