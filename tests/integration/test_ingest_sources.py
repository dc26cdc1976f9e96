"""Several sources in one daemon: topics of different formats, of labels, and of two clusters."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ingest_bench import Bench, bench_of, clock_ms, record, until
from kafka import KafkaAdminClient

from monitor.config.loading import load
from monitor.ingest import Ingest
from monitor.ledger.engine import connect
from monitor.local.kafka import KafkaServer, local_kafka

Topic = Callable[..., str]

ALERTS = """
name: test
source: {sources}
labels: {{join: 2h}}
store: {{url: "{url}"}}
receivers: {{default: {{slack: {{url: "http://127.0.0.1:9/"}}}}}}
rules:
  - {{name: accuracy, signal: incorrect, above: 10%}}
"""


@dataclass
class Several:
    """A ledger, and an alerts.yaml of several sources."""

    bench: Bench

    @contextmanager
    def reading(self, *sources: dict[str, Any]) -> Iterator[Ingest]:
        path = self.bench.folder / "alerts.yaml"
        path.write_text(ALERTS.format(sources=json.dumps(sources), url=self.bench.url))
        engine = connect(self.bench.url)
        ingest = Ingest(
            load(path, environ={}),
            engine,
            clock=clock_ms,
            instance=None,
            accept_new_topic=False,
            on_checkpoint=lambda: None,
        )
        ingest.start()
        try:
            yield ingest
        finally:
            assert ingest.stop(time.monotonic() + 10.0)
            engine.dispose()

    def progress(self) -> dict[str, tuple[int, int]]:
        """Counted and skipped by topic."""
        query = "SELECT topic, sum(counted)::int, sum(skipped)::int FROM tocsin.progress GROUP BY 1"
        return {topic: (counted, skipped) for topic, counted, skipped in self.bench.rows(query)}


@pytest.fixture
def several(kafka: KafkaServer, ledger_url: str, tmp_path: Path) -> Iterator[Several]:
    with bench_of(kafka.bootstrap_servers, ledger_url, tmp_path) as bench:
        yield Several(bench)


def source(servers: str, topic: str, **more: Any) -> dict[str, Any]:
    return {"bootstrap_servers": servers, "topic": topic, "group": topic, "start": "earliest"} | more


def values(messages: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(message).encode() for message in messages]


def test_topics_of_one_cluster_are_each_read_in_their_own_way_by_one_consumer(
    several: Several, topic: Topic
) -> None:
    bench, own, other, labels = several.bench, topic(partitions=2), topic(), topic()
    bench.produce(own, [record(i, prediction="x", version="v1") for i in range(40)])
    bench.produce(other, values([{"scorer": "fraud", "request": i, "said": "x"} for i in range(30)] + [{}]))
    group = {"group": own}
    with several.reading(
        source(bench.servers, own),
        source(bench.servers, other, map={"model": "scorer", "id": "request", "prediction": "said"}) | group,
        source(bench.servers, labels, type="label", map={"id": "of"}) | group,
    ) as ingest:
        until(lambda: bench.accounted() == 71)
        # Ids of the first topic are texts, of the second numbers: 39 is of the first alone.
        told = [{"of": i, "model": "fraud", "label": "y"} for i in range(20)]
        bench.produce(labels, values([*told, {"of": "39", "label": "x"}, {"of": "none", "label": "x"}]))
        until(lambda: bench.accounted() == 93)
        assert several.progress() == {own: (40, 0), other: (30, 1), labels: (21, 1)}
        until(lambda: ingest.status().labels == {"judged": 21, "unmatched": 0})
        assert {p.topic for p in ingest.status().partitions} == {own, other, labels}
        assert ingest.status().records[labels, "no_model"] == 1
    streams = "SELECT key FROM tocsin_ledger.stream WHERE key <> '(other)' ORDER BY 1"
    assert bench.rows(streams) == [("chat",), ("fraud",)]
    bench.check_chain()


def test_after_a_pause_labels_wait_for_their_predictions(several: Several, topic: Topic) -> None:
    """Hazard: a label that is read before its prediction is skipped for good, and its topic is soon read."""
    bench, name, labels, n = several.bench, topic(), topic(), 20_000
    bench.produce(name, [record(i, prediction="x") for i in range(n)])
    bench.produce(labels, values([{"id": str(i), "label": "y"} for i in range(n)]))
    sources = (source(bench.servers, name), source(bench.servers, labels, type="label", group=name))
    with several.reading(*sources) as ingest:
        until(lambda: bench.accounted() == 2 * n, 60)
        assert several.progress() == {name: (n, 0), labels: (n, 0)}
        until(lambda: ingest.status().labels == {"judged": n, "unmatched": 0})
    bench.check_chain()


def test_labels_of_another_cluster_find_the_predictions_of_the_first(
    several: Several, topic: Topic, tmp_path: Path
) -> None:
    bench, name = several.bench, topic()
    bench.produce(name, [record(i, prediction="x") for i in range(20)])
    with (
        local_kafka(data_dir=tmp_path / "second") as second,
        bench_of(second.bootstrap_servers, bench.url, tmp_path) as there,
        several.reading(
            source(bench.servers, name), source(second.bootstrap_servers, "verdicts", type="label")
        ) as ingest,
    ):
        until(lambda: bench.accounted() == 20)
        with closing(KafkaAdminClient(bootstrap_servers=second.bootstrap_servers)) as admin:
            admin.create_topics(
                {"verdicts": {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True
            )
        there.produce("verdicts", values([{"id": str(i), "label": "y"} for i in range(15)]))
        until(lambda: bench.accounted() == 35)
        assert ingest.status().ready
        until(lambda: ingest.status().labels == {"judged": 15, "unmatched": 0})
    bench.check_chain()


def test_each_of_two_replicas_reads_the_labels_of_its_own_predictions(several: Several, topic: Topic) -> None:
    bench, name, labels = several.bench, topic(partitions=4), topic(partitions=4)
    sources = (source(bench.servers, name), source(bench.servers, labels, type="label", group=name))
    with several.reading(*sources) as first, several.reading(*sources) as second:

        def shared() -> bool:
            owned = [{(p.topic, p.partition) for p in each.status().partitions} for each in (first, second)]
            return all(len(partitions) == 4 for partitions in owned)

        until(shared, 40)
        for partition in range(4):
            bench.produce(name, [record(10 * partition + i, prediction="x") for i in range(10)], partition)
        until(lambda: bench.accounted() == 40)
        for partition in range(4):
            bench.produce(
                labels, values([{"id": str(10 * partition + i), "label": "x"} for i in range(10)]), partition
            )
        until(lambda: bench.accounted() == 80)
        assert several.progress() == {name: (40, 0), labels: (40, 0)}
        until(lambda: sum(each.status().labels["judged"] for each in (first, second)) == 40)
        assert all(each.status().labels["judged"] for each in (first, second))
    bench.check_chain()
