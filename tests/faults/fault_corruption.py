"""A batch in Kafka's log that nobody can read, though its checksum is right: damaged before anybody read it."""

import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from crc32c import crc32c
from fault_load import Load
from fault_wire import Manner, Wire
from kafka import KafkaProducer

from monitor.local.feed import now_ms
from monitor.local.kafka import KafkaServer

RECORDS: Final = 20
# Record batch v2 of the Kafka protocol: where what stands in it.
CRC_AT, CHECKED_AT, CODEC_AT, RECORDS_AT = 17, 21, 22, 61
NO_CODEC: Final = 7


@dataclass(slots=True)
class Corruption:
    """Spoils batches; `reasons` says by partition and offset what Tocsin is to say of their records.

    A wrong checksum is not among it: at its next start after a crash Kafka would cut the log off there.
    """

    kafka: KafkaServer
    wire: Wire
    topic: str
    load: Load
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)
    _whole: list[tuple[Path, int, bytes]] = field(default_factory=list)

    def spoil(self, luck: float, *, codec: bool) -> None:
        """Write one batch while no replica reaches Kafka, and spoil it: an unknown codec, or a record without end."""
        self.wire.bend(Manner.CUT)
        try:
            partition, first = self._write(luck)
            log = self.kafka.home / "data" / f"{self.topic}-{partition}" / f"{0:020}.log"
            at, batch = next(found for found in _batches(log) if _base(found[1]) == first)
            self._whole.append((log, at, batch))
            _overwrite(log, at, _spoilt(batch, codec=codec))
        finally:
            self.wire.bend(Manner.OPEN)
        reason = "unsupported_codec" if codec else "bad_batch"
        self.reasons |= {(partition, first + n): reason for n in range(RECORDS)}

    def mend(self) -> None:
        """Put back what was written, for whoever reads the topic to know what it was."""
        for log, at, batch in self._whole:
            _overwrite(log, at, batch)

    def _write(self, luck: float) -> tuple[int, int]:
        """The partition and the first offset of a batch of its own."""
        options = {"linger_ms": 60_000, "batch_size": 1 << 20}
        with closing(KafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers, **options)) as producer:
            partitions = sorted(producer.partitions_for(self.topic))
            partition, at_ms = partitions[int(luck * len(partitions))], now_ms()
            sent = []
            for one in self.load.reserve(RECORDS):
                body, key = self.load.body(one, at_ms), b"%d" % one.number
                sent.append(
                    (one, producer.send(self.topic, body, key, partition=partition, timestamp_ms=at_ms))
                )
            producer.flush(timeout=30)
            offsets = [future.get(30).offset for _, future in sent]
        for (one, _), offset in zip(sent, offsets, strict=True):
            self.load.taken(one.number, partition, offset)
        return partition, offsets[0]


def _batches(log: Path) -> Iterator[tuple[int, bytes]]:
    """Each batch and where it begins."""
    data, at = log.read_bytes(), 0
    while at + 12 <= len(data) and (length := int(struct.unpack_from(">i", data, at + 8)[0])) > 0:
        yield at, data[at : at + 12 + length]
        at += 12 + length


def _base(batch: bytes) -> int:
    return int(struct.unpack_from(">q", batch)[0])


def _spoilt(batch: bytes, *, codec: bool) -> bytes:
    data = bytearray(batch)
    if codec:
        data[CODEC_AT] = NO_CODEC
    else:
        # The first record is a megabyte long, by what it says.
        data[RECORDS_AT : RECORDS_AT + 3] = b"\xff\xff\x7f"
    struct.pack_into(">I", data, CRC_AT, crc32c(bytes(data[CHECKED_AT:])))
    return bytes(data)


def _overwrite(log: Path, at: int, batch: bytes) -> None:
    with log.open("r+b") as file:
        file.seek(at)
        file.write(batch)
