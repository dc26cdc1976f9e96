"""How fetched batches become records: a bad one must not stop its partition (hazard 1), and good ones go fast.

After an exception inside `poll` kafka-python 3.0.12 keeps the dead generator of the batch in line, finds it truthy
and loops in `poll` for ever. `guard` gives one consumer a parser that lets go of a bad batch and says which it was,
so that the caller can seek past it; and that makes plain tuples of records, not an object of 13 fields for each.
"""

from collections.abc import Collection
from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, KafkaError, UnsupportedCodecError
from kafka.protocol.consumer import IsolationLevel
from kafka.structs import TopicPartition

from monitor.ingest.unpack import Polled, unpack

BAD_BATCH = "bad_batch"
UNSUPPORTED_CODEC = "unsupported_codec"
DETAIL_CHARS = 300

_V2 = 2


class BadBatchError(KafkaError):  # type: ignore[misc]
    """Offsets `first` to `last` of `tp` cannot be read; the records before `first` were returned."""

    def __init__(self, tp: TopicPartition, first: int, last: int, cause: Exception) -> None:
        self.tp = tp
        self.first = first
        self.last = max(first, last)
        self.reason = UNSUPPORTED_CODEC if isinstance(cause, UnsupportedCodecError) else BAD_BATCH
        self.detail = f"{type(cause).__name__}: {cause}"[:DETAIL_CHARS]
        super().__init__(f"{tp.topic}[{tp.partition}] offsets {first} to {self.last}: {self.detail}")


class FetchedRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """What one fetch brought of one partition: `take` gives its records as tuples.

    Of the class that it stands in for it keeps the bookkeeping: position, transactions, metrics, end.
    """

    enveloped: frozenset[str] = frozenset()
    """Topics whose records are wanted with their keys and headers."""

    def __init__(self, fetch_offset: int, tp: TopicPartition, records: Any, **options: Any) -> None:
        super().__init__(fetch_offset, tp, records, **options)
        self._enveloped = tp.topic in self.enveloped
        self._batches = records
        self._batch: Any = None
        self._records: list[Polled] = []
        self._at = 0

    def take(self, n: int | None = None) -> list[Polled]:
        """Up to `n` records from `next_fetch_offset` on; raises BadBatchError for the batch that is there."""
        taken: list[Polled] = []
        while n is None or len(taken) < n:
            if self._at == len(self._records) and not self._next(at_start=not taken):
                break
            part = self._records[self._at : None if n is None else self._at + n - len(taken)]
            self._move(part)
            taken += part
        self.records_read += len(taken)
        return taken

    def _move(self, part: list[Polled]) -> None:
        self._at += len(part)
        if part:
            self.next_fetch_offset = part[-1][0] + 1
        if self._at == len(self._records):
            # Version 2 says where its batch ends, also when compaction removed the last records.
            self.next_fetch_offset = max(self.next_fetch_offset, self._end_of_batch())

    def _end_of_batch(self) -> int:
        return int(self._batch.next_offset) if self._batch.magic == _V2 else self.next_fetch_offset

    def _next(self, *, at_start: bool) -> bool:
        """Go to the next batch; False after the last one, and before a bad one that is not the first of a `take`."""
        self._batch = None
        try:
            self._batch = self._batches.next_batch()
            if self._batch is not None:
                self._records, self._at = self._readable(self._batch), 0
                self.bytes_read += self._batch.size_in_bytes
                return True
        except Exception as error:
            self.drain()
            if at_start:
                raise self._bad(error) from error
            # What was taken is returned, and the bad batch comes again with the next fetch.
            return False
        self.drain()
        return False

    def _bad(self, error: Exception) -> BadBatchError:
        last = int(getattr(self._batch, "last_offset", self.next_fetch_offset))
        return BadBatchError(self.topic_partition, self.next_fetch_offset, last, error)

    def _readable(self, batch: Any) -> list[Polled]:
        if not batch.validate_crc():
            raise CorruptRecordError(f"the checksum of the batch at offset {batch.base_offset} is wrong")
        if batch.magic == _V2:
            self.leader_epoch = batch.leader_epoch
            if self._is_aborted(batch) or batch.is_control_batch:
                return []
        polled = unpacked(batch, enveloped=self._enveloped)
        if polled and polled[0][0] < self.fetch_offset:
            # The fetch began in the middle of a batch.
            return [record for record in polled if record[0] >= self.fetch_offset]
        return polled

    def _is_aborted(self, batch: Any) -> bool:
        """Whether the batch is of an aborted transaction (rule 11); markers that end one are noted."""
        if self.isolation_level != IsolationLevel.READ_COMMITTED or not batch.has_producer_id():
            return False
        self._consume_aborted_transactions_up_to(batch.last_offset)
        if self._contains_abort_marker(batch):
            self.aborted_producer_ids.discard(batch.producer_id)
            return False
        return bool(self._is_batch_aborted(batch))


def unpacked(batch: Any, *, enveloped: bool = False) -> list[Polled]:
    """The records of any batch. Raises kafka-python's errors, and those of the codecs, for a bad one."""
    if batch.magic != _V2:
        if enveloped:
            return [(r.offset, r.timestamp, r.value, r.key, r.headers) for r in batch]
        return [(record.offset, record.timestamp, record.value) for record in batch]
    batch._maybe_uncompress()
    fixed_ms = batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else None
    return unpack(
        bytes(batch._buffer),
        batch._pos,
        batch.records_count,
        batch.base_offset,
        batch.first_timestamp,
        fixed_ms,
        enveloped=enveloped,
    )


def guard(consumer: Any, enveloped: Collection[str] = ()) -> None:
    """Make `consumer.poll` return tuples, raise BadBatchError once for each bad batch, and stay usable.

    Records of the topics `enveloped` come with their keys and headers.
    """
    kind = type("FetchedRecords", (FetchedRecords,), {"enveloped": frozenset(enveloped)})
    consumer._fetcher.PartitionRecords = kind
