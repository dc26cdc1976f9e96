"""An Ingest in a process of its own, to be killed: `python ingest_process.py alerts.yaml [instance]`."""

import signal
import sys
import threading
import time

from monitor.config.loading import load
from monitor.ingest import Ingest
from monitor.ledger.engine import connect


def main(path: str, instance: str | None = None) -> int:
    config = load(path, environ={})
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    ingest = Ingest(
        config,
        connect(config.store_url),
        clock=lambda: time.time_ns() // 1_000_000,
        instance=instance,
        accept_new_topic=False,
        on_checkpoint=lambda: None,
    )
    ingest.start()
    while not stop.wait(0.05) and ingest.failure() is None:
        pass
    ingest.stop(time.monotonic() + 5.0)
    return 0 if ingest.failure() is None else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
