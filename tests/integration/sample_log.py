"""Records on their way into a ledger by ingest's own checkpoints, which store samples too."""

import json
from typing import Any
from uuid import uuid4

from sql_log import AT, Log
from sqlalchemy.dialects.postgresql import insert

from monitor.ingest.checkpoint import Checkpoint, store
from monitor.ledger.counted import topic_partition
from monitor.records.decode import RawBatch


class SampleLog(Log):
    """A `Log` of one partition that ingest owns; its next record has the offset `next_offset`."""

    def restart(self) -> None:
        self.next_offset = 0 if not self.seq else self.next_offset
        self.owner = uuid4()
        with self.engine.begin() as connection:
            row = insert(topic_partition).values(
                topic="predictions", **AT, owner=self.owner, next_offset=self.next_offset
            )
            ours = {"owner": self.owner}
            connection.execute(row.on_conflict_do_update(index_elements=["topic_id", "partition"], set_=ours))
        super().restart()
        self.aggregator = self.measuring.aggregator("predictions", 0, self.next_offset, None)

    def take(self, *records: dict[str, Any], clock_ms: int = 0) -> None:
        """Store one checkpoint of the records, of model `chat` and in the first pane unless told."""
        now_ms = clock_ms or self.clock_ms
        values = [json.dumps({"model": "chat", "ts": self.start_ms} | fields).encode() for fields in records]
        offsets = range(self.next_offset, self.next_offset + len(values))
        self.aggregator.add(RawBatch(offsets, [now_ms] * len(values), values), now_ms)
        intake = self.aggregator.take()
        checkpoint = Checkpoint(
            topic="predictions",
            topic_id=str(AT["topic_id"]),
            partition=0,
            owner=self.owner,
            intake=intake,
            max_event_ms=intake.max_event_ms,
            max_kafka_ms=intake.max_kafka_ms,
            last_record_ms=now_ms if records else None,
            end_offset=offsets.stop,
            caught_up=True,
            clock_ms=now_ms,
        )
        store(self.engine, checkpoint, self.measuring.translate)
        self.next_offset, self.seq = offsets.stop, self.seq + 1

    def rest(self, until_ms: int) -> None:
        """Nothing comes any more; judge until event time has come to `until_ms` at least."""
        self.judged(clock_ms=until_ms)
        self.judged(clock_ms=2 * until_ms - self.start_ms + 20_000)

    def judged(self, *records: dict[str, Any], clock_ms: int = 0) -> None:
        """As `take`, and judge it."""
        self.take(*records, clock_ms=clock_ms)
        while self.judges.tick()[1]:
            pass
