"""Bad input stops no partition: what is no record is skipped with its reason, neighbours count (rule 8)."""

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from crc32c import crc32c
from ingest_bench import Bench, bench_of, clock_ms, record, records, until
from kafka import KafkaConsumer
from kafka.errors import CorruptRecordError

from monitor.local.kafka import KafkaServer

Topic = Callable[..., str]


@pytest.fixture
def bench(kafka: KafkaServer, ledger_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(kafka.bootstrap_servers, ledger_url, tmp_path) as made:
        yield made


def log_of(kafka: KafkaServer, topic: str) -> Path:
    return kafka.home / "data" / f"{topic}-0" / f"{0:020}.log"


def batches_of(log: Path) -> list[tuple[int, int, int]]:
    """Position, length and base offset of every batch (record batch v2 of the Kafka protocol)."""
    data, at, found = log.read_bytes(), 0, []
    while at + 12 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        if length <= 0:
            break
        found.append((at, 12 + length, base))
        at += 12 + length
    return found


def spoil(kafka: KafkaServer, topic: str, batch: int) -> None:
    """Flip a byte in the last record of a batch, as a bad disk would."""
    log = log_of(kafka, topic)
    at, length, _ = batches_of(log)[batch]
    with log.open("r+b") as file:
        file.seek(at + length - 3)
        byte = file.read(1)[0]
        file.seek(at + length - 3)
        file.write(bytes([byte ^ 0xFF]))


def set_codec(kafka: KafkaServer, topic: str, batch: int, codec: int) -> None:
    """Say that a batch is compressed with a codec that nobody has, under a correct checksum."""
    log = log_of(kafka, topic)
    at, length, _ = batches_of(log)[batch]
    with log.open("r+b") as file:
        file.seek(at)
        data = bytearray(file.read(length))
        data[22] = codec
        struct.pack_into(">I", data, 17, crc32c(bytes(data[21:])))
        file.seek(at)
        file.write(data)


def produce_batches(bench: Bench, topic: str, n: int, size: int) -> None:
    """`n` batches of `size` records each, as nothing is sent before the flush."""
    for _ in range(n):
        bench.produce(topic, records(size), batch_size=1 << 20, linger_ms=60_000)


POISON: dict[str, tuple[bytes | None, str | None]] = {
    "not JSON": (b"{nonsense", "not_json"),
    "Avro or Protobuf": (b"\x00\x01nonsense", "binary"),
    "JSON but no object": (b"[1, 2, 3]", "not_an_object"),
    "no model": (b'{"id": "x"}', "no_model"),
    "invalid UTF-8": (b'{"model": "\xff\xfe"}', "invalid_utf8"),
    "tombstone": (None, "tombstone"),
    "1970": (record(1, ts=10.0), "too_old"),
    "NaN": (b'{"model": "chat", "latency_ms": NaN}', None),
    "negative latency": (record(1, latency_ms=-5), None),
    "2100": (record(1, ts="2100-01-01T00:00:00Z"), None),
    "NUL in the model": (b'{"model": "a\\u0000"}', None),
    "lone surrogate in the version": (b'{"model": "chat", "version": "\\ud800"}', None),
    "a model name of 4 kB": (record(1, model="m" * 4_000), None),
    "2^64-1": (record(1, output_tokens=2**64 - 1), None),
    "NUL in a text": (record(1, status="error", error_message="a\x00b", output="\x00"), None),
    "a deep nest": (b'{"model": "chat", "features": ' + b'{"a":' * 900 + b"1" + b"}" * 901, None),
}


def test_rule_8_each_sort_of_poison_is_skipped_or_mended_and_its_neighbours_count(
    bench: Bench, topic: Topic
) -> None:
    name = topic()
    values: list[bytes | None] = [record(0)]
    for value, _ in POISON.values():
        values += [value, record(1)]
    bench.produce(name, values)
    with bench.ingesting(name) as ingest:
        until(lambda: bench.accounted() == len(values) or ingest.failure())
        assert ingest.failure() is None
    reasons = [reason for _, reason in POISON.values()]
    expected = [(0, 1 + 2 * i, 1 + 2 * i, reason) for i, reason in enumerate(reasons) if reason]
    assert bench.skipped() == expected
    assert bench.totals() == (len(values) - len(expected), len(expected))


def test_rule_8_a_record_of_5_mb_is_skipped(bench: Bench, topic: Topic) -> None:
    name = topic(max_message_bytes=8 << 20)
    values = [record(0), record(1, output="x" * (5 << 20)), record(2)]
    bench.produce(name, values, max_request_size=8 << 20)
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 3)
    assert bench.skipped() == [(0, 1, 1, "too_large")]


@pytest.mark.parametrize(
    ("limit", "compression"),
    [(64 << 20, None), (1 << 20, "zstd")],
)
def test_rule_8_a_record_of_50_mb_is_skipped_also_where_it_is_small_on_the_wire(
    bench: Bench, topic: Topic, limit: int, compression: str | None
) -> None:
    """A broker's limit is on the compressed batch, so that a record may be as large as it likes."""
    name = topic(max_message_bytes=limit)
    values = [record(0), record(1, output="x" * (50 << 20)), record(2)]
    bench.produce(name, values, max_request_size=64 << 20, compression_type=compression)
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 3)
    assert bench.skipped() == [(0, 1, 1, "too_large")]


def test_rule_15_a_broken_producer_makes_one_range_and_the_view_shows_every_offset(
    bench: Bench, topic: Topic
) -> None:
    name = topic()
    with bench.ingesting(name):
        for n in (100, 200, 300):
            bench.produce(name, [b"broken"] * 100)
            until(lambda n=n: bench.accounted() == n)
    assert bench.skipped() == [(0, 0, 299, "not_json")]
    assert bench.one("SELECT count(*) FROM tocsin.skipped_records") == 300


def test_hazard_1_kafka_python_itself_never_returns_after_a_corrupt_batch(
    kafka: KafkaServer, bench: Bench, topic: Topic
) -> None:
    """Should this fail, kafka-python has mended the hazard and `batches.py` may go."""
    name = topic()
    produce_batches(bench, name, 2, 10)
    spoil(kafka, name, 0)
    consumer = KafkaConsumer(name, bootstrap_servers=bench.servers, auto_offset_reset="earliest")
    with pytest.raises(CorruptRecordError):
        consumer.poll(10_000)

    def poll_again() -> None:
        with suppress(Exception):
            consumer.poll(100)

    wedged = threading.Thread(target=poll_again, daemon=True)
    wedged.start()
    wedged.join(2.0)
    still_there = wedged.is_alive()
    # The dead generator is what it turns around: without it the thread ends.
    consumer._fetcher._next_partition_records.drain()
    wedged.join(5.0)
    consumer.close()
    assert still_there
    assert not wedged.is_alive()


def test_hazard_1_a_corrupt_batch_is_skipped_and_all_others_count(
    kafka: KafkaServer, bench: Bench, topic: Topic
) -> None:
    name = topic()
    produce_batches(bench, name, 5, 100)
    spoil(kafka, name, 1)
    spoil(kafka, name, 4)
    with bench.ingesting(name) as ingest:
        until(lambda: bench.accounted() == 500)
        bench.produce(name, records(50))
        until(lambda: bench.accounted() == 550)
        assert ingest.failure() is None
    assert bench.skipped() == [(0, 100, 199, "bad_batch"), (0, 400, 499, "bad_batch")]
    assert bench.totals() == (350, 200)
    bench.check_chain()


def test_hazard_1_a_batch_in_a_codec_that_nobody_has_is_skipped(
    kafka: KafkaServer, bench: Bench, topic: Topic
) -> None:
    name = topic()
    produce_batches(bench, name, 3, 100)
    set_codec(kafka, name, 1, 6)
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 300)
    assert bench.skipped() == [(0, 100, 199, "unsupported_codec")]


def test_hazard_1_a_batch_that_does_not_decompress_is_skipped(
    kafka: KafkaServer, bench: Bench, topic: Topic
) -> None:
    name = topic()
    produce_batches(bench, name, 3, 100)
    zstd = 4
    set_codec(kafka, name, 1, zstd)
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 300)
    assert bench.skipped() == [(0, 100, 199, "bad_batch")]


def test_hazard_1_a_poisoned_partition_does_not_hold_up_its_neighbour(
    kafka: KafkaServer, bench: Bench, topic: Topic
) -> None:
    name = topic(partitions=2)
    produce_batches(bench, name, 3, 100)
    bench.produce(name, records(1_000), 1)
    for batch in range(3):
        spoil(kafka, name, batch)
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 1_300)
    assert bench.skipped() == [(0, 0, 299, "bad_batch")]
    assert bench.totals() == (1_000, 300)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_of_kafka_is_read(bench: Bench, topic: Topic, codec: str) -> None:
    name = topic()
    bench.produce(name, records(1_000), compression_type=codec)
    started = clock_ms()
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 1_000)
    assert bench.totals() == (1_000, 0)
    assert bench.one("SELECT max_kafka_ms FROM tocsin_ledger.topic_partition") <= started
