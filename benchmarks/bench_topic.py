"""The benchmark's topics: made and filled once, read by everybody."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Final

from kafka import KafkaAdminClient, KafkaProducer

from monitor.local.load import Batch, bench_records

PARTITIONS: Final = 4
PER_SECOND: Final = 2_000
CODEC: Final = "lz4"
LINGER_MS: Final = 20


def create_topic(servers: str, topic: str) -> None:
    """Make a topic of four partitions."""
    with closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
        settings = {"num_partitions": PARTITIONS, "replication_factor": 1}
        admin.create_topics({topic: settings}, wait_for_metadata=True)


def fill(servers: str, topic: str, records: int, streams: int, sent: Callable[[int], None]) -> float:
    """Write records whose event time ends about now. Returns bytes a record; `sent` is told how many are written."""
    start_ms = time.time_ns() // 1_000_000 - records * 1_000 // PER_SECOND
    return write(
        servers,
        topic,
        bench_records(records, start_ms, per_second=PER_SECOND, streams=streams),
        streams,
        sent,
    )


def write(
    servers: str, topic: str, batches: Iterable[Batch], streams: int, sent: Callable[[int], None]
) -> float:
    """Write records with their event time as Kafka's. Returns bytes a record.

    Streams come in turn, each on all partitions. `sent` is told how many have been written so far.
    """
    n = size = 0
    with closing(
        KafkaProducer(bootstrap_servers=servers, compression_type=CODEC, linger_ms=LINGER_MS)
    ) as producer:
        for batch in batches:
            for ts_ms, key, value in zip(batch.ts_ms.tolist(), batch.keys, batch.values, strict=True):
                partition = n // streams % PARTITIONS
                producer.send(topic, value, key, partition=partition, timestamp_ms=ts_ms)
                n += 1
                size += len(value)
            sent(n)
        producer.flush()
    return size / n
