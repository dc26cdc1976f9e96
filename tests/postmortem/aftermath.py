"""An incident that production code makes of records, from their bytes to what receivers confirmed."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, insert, text

from monitor import config
from monitor.cli.chores import keep_lag, note_config
from monitor.ingest.checkpoint import Checkpoint, store
from monitor.ingest.measuring import Measuring
from monitor.judge.session import Session
from monitor.killswitch import switches
from monitor.ledger import tables
from monitor.ledger.counted import topic_partition
from monitor.ledger.incidents import acknowledge
from monitor.ledger.moments import moment
from monitor.ledger.signal_rows import register_all
from monitor.notify.worker import Notifier
from monitor.records.decode import RawBatch

HOSTILE = "</script><script>alert(1)</script><b>&\"'"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALERTS = """
name: prod
source: {{bootstrap_servers: "k:9092", topic: predictions}}
store: {{url: "postgresql://u:p@h/d"}}
reference: {{learn: 1000, at_least: 0s}}
defaults: {{min_n: 10, clear_for: 2m, notify: [desk]}}
rules:
  - {{name: errors, signal: error, match: {{model: chat}}, above: {{critical: 10%}}, kill: chat}}
receivers:
  desk: {{webhook: {{url: "{url}/desk", secret: {SECRET}}}}}
kill_switches:
  chat: {{webhook: {{url: "{url}/kill", secret: {SECRET}}}, mode: disable, guard: {{fresh: 10m}}}}
"""
TOPIC_ID = "00000000-0000-0000-0000-000000000001"
A_SECOND = 10
CALM_S, BAD_S, PAUSE_S, MENDED_S = 600, 60, 60, 240
"""v41 fails at 1%; then nine of ten requests are of v42, and fail, until about now; then, by a clock
that is ahead of the database's, v41 alone again."""


@contextmanager
def answering(answers: Callable[[str], int]) -> Iterator[str]:
    """The address of a receiver that answers a path with a status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(answers(self.path))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Aftermath:
    """A ledger in which an incident opened, killed, was taken, released and ended; `incident` is its id.

    Where it `goes_on`, it still fires, its switch is tripped, and nobody has taken it.
    """

    engine: Engine
    folder: Path
    alerts: str = ALERTS
    refusals: list[str] = field(default_factory=lambda: ["/desk"])
    incident: str = ""
    goes_on: bool = False
    sent: int = 0
    onset_ms: int = 0

    def __post_init__(self) -> None:
        with answering(self._answer) as url:
            path = self.folder / "alerts.yaml"
            path.write_text(self.alerts.format(url=url, SECRET=SECRET))
            self.settings = config.load(path, environ={})
            self._play()

    def _answer(self, path: str) -> int:
        """The desk is busy once."""
        if path in self.refusals:
            self.refusals.remove(path)
            return 503
        return 204

    def _begin(self) -> Session:
        """A ledger that is ready, one partition, and its judge."""
        tables.ensure_partitions(self.engine)
        register_all(self.engine, self.settings.signals)
        note_config(self.engine, self.settings, "judge-1")
        self.owner, self.measuring = uuid4(), Measuring(self.settings, self.engine)
        self.aggregator = self.measuring.aggregator("predictions", 0, 0, None)
        with self.engine.begin() as conn:
            row = {"topic_id": TOPIC_ID, "partition": 0, "topic": "predictions", "next_offset": 0}
            conn.execute(insert(topic_partition).values(**row, owner=self.owner, end_offset=3))
        return Session(self.settings, self.engine, uuid4())

    def _play(self) -> None:
        judge = self._begin()
        now_ms = time.time_ns() // 1_000_000
        # At half past a minute, so that blocks of a minute fall alike in every run.
        self.onset_ms = self.clock_ms = (now_ms - 1000 * BAD_S - 30_000) // 60_000 * 60_000 + 30_000
        start_ms = self.onset_ms - 1000 * CALM_S
        self._judged(judge, _traffic(start_ms, CALM_S, bad=False))
        for second in range(0, BAD_S, 10):
            self.clock_ms = self.onset_ms + 1000 * (second + 10)
            self._judged(judge, _traffic(self.clock_ms - 10_000, 10, bad=True))
        self._judged(judge, [(self.clock_ms, b"no JSON")])
        self.incident = self._one("SELECT incident_id FROM tocsin.incidents")
        notifier = Notifier(self.engine, self.settings)
        notifier.start()
        try:
            self._until_told(2)
            if self.goes_on:
                return
            with self.engine.begin() as conn:
                acknowledge(conn, self.incident, "ann")
                switches.release(
                    conn,
                    self.settings.kill_switches["chat"],
                    stream="chat",
                    reason="v42 is gone",
                    actor="ann",
                )
            keep_lag(self.engine)
            mended_ms = self.onset_ms + 1000 * (BAD_S + PAUSE_S)
            self.clock_ms = mended_ms + 1000 * MENDED_S
            self._judged(judge, _traffic(mended_ms, MENDED_S, bad=False))
            self._until_told(4)
        finally:
            notifier.stop()

    def _judged(self, judge: Session, records: Iterable[tuple[int, bytes]]) -> None:
        """A checkpoint of records with their Kafka times, and the ticks that it takes."""
        times, values = zip(*records, strict=True)
        batch = RawBatch(range(self.sent, self.sent + len(values)), list(times), list(values))
        self.sent += len(values)
        self.aggregator.add(batch, self.clock_ms)
        intake = self.aggregator.take()
        store(
            self.engine,
            Checkpoint(
                topic="predictions", topic_id=TOPIC_ID, partition=0, owner=self.owner, intake=intake,
                max_event_ms=intake.max_event_ms, max_kafka_ms=intake.max_kafka_ms, last_record_ms=self.clock_ms,
                end_offset=self.sent, caught_up=True, clock_ms=self.clock_ms,
            ),
            self.measuring.translate,
        )  # fmt: skip
        while judge.tick()[1]:
            pass

    def _until_told(self, deliveries: int) -> None:
        """Until at least that many messages are delivered, and none waits."""
        until = time.monotonic() + 20
        count = (
            "SELECT count(*) FILTER (WHERE state = 'delivered'), count(*) FILTER (WHERE state = 'pending') "
        )
        while (found := self.read(count + "FROM tocsin.deliveries")[0])[0] < deliveries or found[1]:
            if time.monotonic() > until:
                raise TimeoutError(self.read("SELECT * FROM tocsin.deliveries"))
            time.sleep(0.02)

    def mended_before(self, at: datetime) -> int:
        """How many requests of after the pause are in panes that begin before `at`."""
        since = moment(self.onset_ms + 1000 * (BAD_S + PAUSE_S))
        return 10 * A_SECOND * max(0, -((since - at) // timedelta(seconds=10)))

    def _one(self, sql: str) -> Any:
        return self.read(sql)[0][0]

    def read(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        with self.engine.begin() as conn:
            return [tuple(row) for row in conn.execute(text(sql), values)]


def _traffic(start_ms: int, seconds: int, *, bad: bool) -> Iterator[tuple[int, bytes]]:
    """`A_SECOND` requests a second of 25 users, 0.002 USD each; while `bad`, nine of ten are v42 and fail."""
    for number in range(seconds * A_SECOND):
        failing = number % 10 > 0 if bad else number % 100 == 0
        at_ms = start_ms + number * 1000 // A_SECOND
        record = {
            "model": "chat", "version": "v42" if bad and failing else "v41", "id": f"r{start_ms}-{number}",
            "trace_id": f"t-{number}", "ts": at_ms, "user": f"u{number % 25}",
            "status": "error" if failing else "ok", "cost_usd": 0.002, "output_tokens": 100, "input_tokens": 50,
            "latency_ms": 2_000 if failing else 400,
        }  # fmt: skip
        if failing:
            record |= {"error_type": "Overloaded", "error_message": HOSTILE}
        yield at_ms, json.dumps(record).encode()
