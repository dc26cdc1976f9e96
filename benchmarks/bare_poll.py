"""The yardstick, as a process of its own: read a topic to its end by kafka-python's `poll` and do nothing with it.

Prints one JSON object. Settings are kafka-python's but for `max_poll_records`, where more is a little faster.
"""

import json
import sys
import time
import uuid
from contextlib import closing
from typing import Any, Final

from kafka import KafkaConsumer

MOST_RECORDS: Final = 5_000
POLL_MS: Final = 200
SILENT_S: Final = 30.0


def read_all(servers: str, topic: str, records: int) -> dict[str, float]:
    """Seconds, and CPU seconds of this process, from joining a new group until `records` were read.

    Raises TimeoutError when nothing comes for 30 s.
    """
    settings = {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "max_poll_records": MOST_RECORDS,
    }
    with closing(KafkaConsumer(bootstrap_servers=servers, group_id=uuid.uuid4().hex, **settings)) as consumer:
        began, cpu_began, seen, came = time.perf_counter(), time.process_time(), 0, time.monotonic()
        consumer.subscribe([topic])
        while seen < records:
            polled = sum(map(len, consumer.poll(POLL_MS).values()))
            came = time.monotonic() if polled else came
            seen += polled
            if time.monotonic() - came > SILENT_S:
                raise TimeoutError(_silence(consumer, topic, seen, records))
        return {
            "records": seen,
            "seconds": time.perf_counter() - began,
            "cpu_s": time.process_time() - cpu_began,
        }


def _silence(consumer: Any, topic: str, seen: int, records: int) -> str:
    """Why nothing comes, as far as the consumer shows it."""
    where = {tp.partition: consumer.position(tp, timeout_ms=POLL_MS) for tp in consumer.assignment()}
    last = f"it has partitions at offsets {where}" if where else "it was assigned no partition"
    return f"{seen} of {records} records of {topic} came, then none for {SILENT_S:.0f} s; {last}"


if __name__ == "__main__":
    print(json.dumps(read_all(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
