"""`tocsin run` on what Kafka carries beside the values: headers, keys, timestamps, and the topic's name."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ingest_bench import Bench, bench_of, clock_ms, until
from kafka import KafkaProducer

from monitor.local.kafka import KafkaServer
from monitor.local.ports import free_ports

FIXTURES = Path(__file__).parents[1] / "records" / "formats"
ALERTS = """
name: test
source:
  - {{bootstrap_servers: "{servers}", topic: {cloudevents}, group: {cloudevents}, start: earliest, format: kserve}}
  - topic: {keyed}
    start: earliest
    map:
      model: "kafka:key"
      version: ["header:release", "const:none"]
      ts: "kafka:timestamp"
      latency_ms: took
      segment: {{topic: "kafka:topic"}}
streams: {{slices: [segment.topic, segment.namespace]}}
store: {{url: "{url}"}}
http: {{port: {port}}}
receivers: {{default: {{log: {{}}}}}}
rules:
  - {{name: errors, signal: error, above: 10%}}
"""


@pytest.fixture
def bench(kafka: KafkaServer, ledger_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(kafka.bootstrap_servers, ledger_url, tmp_path) as made:
        yield made


@contextmanager
def running(alerts: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "monitor.cli", "run", "-c", str(alerts)]
    with alerts.with_suffix(".log").open("wb") as log:
        daemon = subprocess.Popen(command, stderr=log)
    try:
        yield
    finally:
        daemon.kill()
        daemon.wait()


def captured() -> Iterator[tuple[bytes, list[tuple[str, bytes]]]]:
    """KServe's messages in binary mode, of now."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    for line in (FIXTURES / "kserve.jsonl").read_text().splitlines():
        message: dict[str, Any] = json.loads(line)
        headers = message["headers"] | {"ce_time": now}
        yield json.dumps(message["value"]).encode(), [(k, v.encode()) for k, v in headers.items()]


def test_cloudevents_and_keyed_messages_are_counted_by_what_stands_beside_their_values(
    bench: Bench, topic: Callable[..., str]
) -> None:
    cloudevents, keyed = topic(), topic(partitions=2)
    then_ms = (clock_ms() - 60_000) // 10_000 * 10_000
    with closing(KafkaProducer(bootstrap_servers=bench.servers)) as producer:
        for value, headers in captured():
            producer.send(cloudevents, value, headers=headers)
        for i in range(10):
            release = [("release", b"v1"), ("release", b"v2")] if i % 2 else []
            value = json.dumps({"took": 5}).encode()
            producer.send(keyed, value, key=b"scorer", headers=release, timestamp_ms=then_ms, partition=i % 2)
        producer.send(keyed, b"{}", partition=0)
        producer.flush()
    (port,) = free_ports(1)
    alerts = bench.folder / "alerts.yaml"
    alerts.write_text(
        ALERTS.format(servers=bench.servers, cloudevents=cloudevents, keyed=keyed, url=bench.url, port=port)
    )
    with running(alerts):
        until(lambda: bench.accounted() == 15, 60)
        until(lambda: bench.one("SELECT coalesce(sum(n), 0) FROM tocsin.panes") == 13, 30)
    assert bench.rows("SELECT stream, version, n FROM tocsin.versions ORDER BY 1, 2") == [
        ("fraud", "7", 1),
        ("fraud", "default", 2),
        ("scorer", "none", 5),
        ("scorer", "v2", 5),
    ]
    panes = "SELECT extract(epoch FROM pane_start)::bigint * 1000 FROM tocsin.panes WHERE stream = 'scorer'"
    assert bench.rows(panes) == [(then_ms,)]
    slices = "SELECT DISTINCT field, value FROM tocsin.rates_by WHERE field LIKE 'segment%' ORDER BY 1"
    assert bench.rows(slices) == [("segment.namespace", "prod"), ("segment.topic", keyed)]
    # The request of the CloudEvents is none of ours; a message without a key has no model.
    assert bench.skipped() == [(0, 5, 5, "no_model")]
