"""A batch that cannot be read must not stop its partition (hazard 1).

After an exception inside `poll` kafka-python 3.0.12 keeps the dead generator of the batch in line, finds it
truthy and loops in `poll` for ever. `guard` gives one consumer a parser that lets go of it and says which
batch it was, so that the caller can seek past it; the batches around it are read as ever.
"""

from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.errors import KafkaError, UnsupportedCodecError
from kafka.structs import TopicPartition

BAD_BATCH = "bad_batch"
UNSUPPORTED_CODEC = "unsupported_codec"
DETAIL_CHARS = 300


class BadBatchError(KafkaError):  # type: ignore[misc]
    """Offsets `first` to `last` of `tp` cannot be read; the records before `first` were returned."""

    def __init__(self, tp: TopicPartition, first: int, last: int, cause: Exception) -> None:
        self.tp = tp
        self.first = first
        self.last = max(first, last)
        self.reason = UNSUPPORTED_CODEC if isinstance(cause, UnsupportedCodecError) else BAD_BATCH
        self.detail = f"{type(cause).__name__}: {cause}"[:DETAIL_CHARS]
        super().__init__(f"{tp.topic}[{tp.partition}] offsets {first} to {self.last}: {self.detail}")


class _Watched:
    """The batches of one fetch, remembering the one that was handed out last."""

    def __init__(self, records: Any) -> None:
        self._records = records
        self.current: Any = None

    def next_batch(self) -> Any:
        self.current = None
        self.current = self._records.next_batch()
        return self.current

    def last_offset(self, otherwise: int) -> int:
        return int(getattr(self.current, "last_offset", otherwise))


class _Releasing(Fetcher.PartitionRecords):  # type: ignore[misc]
    """Parsed records of one partition that are out of the way once they have raised."""

    def __init__(self, fetch_offset: int, tp: TopicPartition, records: Any, **options: Any) -> None:
        self._watched = _Watched(records)
        super().__init__(fetch_offset, tp, self._watched, **options)

    def take(self, n: int | None = None) -> list[Any]:
        try:
            taken: list[Any] = super().take(n)
        except Exception as error:
            self.drain()
            last = self._watched.last_offset(self.next_fetch_offset)
            raise BadBatchError(self.topic_partition, self.next_fetch_offset, last, error) from error
        return taken


def guard(consumer: Any) -> None:
    """Make `consumer.poll` raise BadBatchError, once for each bad batch, and stay usable."""
    consumer._fetcher.PartitionRecords = _Releasing
