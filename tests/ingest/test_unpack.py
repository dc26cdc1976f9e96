"""Batches are unpacked quickly, and into what kafka-python itself would unpack them."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from monitor.ingest.batches import unpacked
from monitor.ingest.unpack import Polled

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
LARGE = 1 << 20
HEADER = DefaultRecordBatch.HEADER_STRUCT
ATTRIBUTES, COUNT = 5, 12

Record = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]

texts = st.none() | st.binary(max_size=40) | st.binary(min_size=100, max_size=20_000)
headers = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=70)), max_size=2)
records = st.lists(st.tuples(st.integers(0, 1 << 42), texts, texts, headers), min_size=1, max_size=8)


def batch_of(rows: list[Record], codec: int = NONE, base: int = 0, magic: int = 2) -> bytes:
    builder = MemoryRecordsBuilder(magic, codec, LARGE)
    for row in rows:
        builder.append(*row)
    builder.close()
    return struct.pack(">q", base) + bytes(builder.buffer())[8:]


def read(batch: Any) -> list[Polled]:
    """As kafka-python reads it."""
    return [(r.offset, r.timestamp, r.value) for r in batch]


def changed(batch: bytes, field: int, value: int) -> bytes:
    header = list(HEADER.unpack_from(batch))
    header[field] = value
    return bytes(HEADER.pack(*header)) + batch[HEADER.size :]


@given(records, st.sampled_from([NONE, GZIP, SNAPPY, LZ4, ZSTD]), st.integers(0, 1 << 40))
def test_a_batch_holds_what_kafka_python_says(rows: list[Record], codec: int, base: int) -> None:
    batch = batch_of(rows, codec, base)

    assert unpacked(DefaultRecordBatch(batch)) == read(DefaultRecordBatch(batch))


@given(records, st.sampled_from([NONE, ZSTD]), st.integers(0, 1 << 40))
def test_keys_and_headers_are_read_where_they_are_asked_for(
    rows: list[Record], codec: int, base: int
) -> None:
    batch = batch_of(rows, codec, base)
    whole = [(r.offset, r.timestamp, r.value, r.key, r.headers) for r in DefaultRecordBatch(batch)]

    assert unpacked(DefaultRecordBatch(batch), enveloped=True) == whole


def test_compacted_offsets_and_the_brokers_time_are_kept() -> None:
    builder = DefaultRecordBatchBuilder(2, NONE, 0, -1, -1, -1, LARGE)
    for offset in (3, 4, 900):
        builder.append(offset, 1_000 + offset, None, b"{}", [])
    batch = bytes(builder.build())
    by_broker = changed(batch, ATTRIBUTES, DefaultRecordBatch.TIMESTAMP_TYPE_MASK)

    assert unpacked(DefaultRecordBatch(batch)) == [(o, 1_000 + o, b"{}") for o in (3, 4, 900)]
    assert unpacked(DefaultRecordBatch(by_broker)) == [(o, 1_900, b"{}") for o in (3, 4, 900)]


def test_old_formats_are_read_by_kafka_python() -> None:
    legacy = MemoryRecords(batch_of([(7, b"k", b"v", [])], magic=1)).next_batch()

    assert unpacked(legacy) == [(0, 7, b"v")]


@given(records, st.booleans(), st.data())
def test_hazard_1_no_damage_is_read_beyond_the_batch(
    rows: list[Record], enveloped: bool, data: st.DataObject
) -> None:
    """Should a checksum hold by chance or malice, it ends with an error or with values of the batch's length."""
    batch = bytearray(batch_of(rows))
    at = data.draw(st.integers(HEADER.size, len(batch) - 1))
    batch[at] = data.draw(st.integers(0, 255))
    try:
        found = unpacked(DefaultRecordBatch(bytes(batch)), enveloped=enveloped)
    except CorruptRecordError:
        return
    assert len(found) == len(rows)
    assert sum(len(record[2] or b"") for record in found) <= len(batch)


@pytest.mark.parametrize("cut", [1, 5, 40, 700])
def test_hazard_1_a_batch_that_was_cut_off_is_corrupt(cut: int) -> None:
    batch = batch_of([(7, None, b"x" * 300, [])] * 3)

    with pytest.raises(CorruptRecordError):
        unpacked(DefaultRecordBatch(batch[:-cut]))


def test_hazard_1_bytes_after_the_last_record_are_corrupt() -> None:
    batch = batch_of([(7, None, b"x" * 300, [])] * 3)

    with pytest.raises(CorruptRecordError, match="left over"):
        unpacked(DefaultRecordBatch(changed(batch, COUNT, 2)))
