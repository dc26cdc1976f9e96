"""A judge and two notifiers on a ledger with a virtual clock, moved by hand: no thread, no sleep."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import numpy as np
from alert_parties import Answer, Parties
from sqlalchemy import Engine, Row, insert, select, text
from virtual_clock import emptied, set_clock

from monitor import config, crash_points
from monitor.config.model import Config
from monitor.judge.session import Session
from monitor.killswitch import switches
from monitor.ledger import announcements, silences
from monitor.ledger.counted import checkpoint, stream, topic_partition
from monitor.ledger.decided import delivery, incident, kill_switch
from monitor.ledger.facts import INTERNAL_STREAM
from monitor.notify.delivery import Delivery
from monitor.notify.worker import Notifier
from monitor.records.codec import encode
from monitor.records.delta import EVENT_CLOCK, KAFKA_CLOCK, Cells, Delta, Slots
from monitor.records.signals import BY_NAME

START_MS = 1_767_600_000_000
TOPIC = "00000000-0000-0000-0000-000000000001"
REQUESTS, ERROR = BY_NAME["requests"].code, BY_NAME["error"].code
MODELS = ("a", "b")
A_SECOND = 20
FAILING = {"calm": 0, "warm": 12, "bad": 20}
"""Of `A_SECOND` requests."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOT = (
    "{name: hot, signal: error, window: 10s, above: {warning: 50%, critical: 80%}, "
    "notify: {critical: [team, boss, pager]}}"
)
ALERTS = """
name: test
source: {{bootstrap_servers: "localhost:9092", topic: predictions}}
store: {{url: "postgresql://localhost/none"}}
streams: {{by: [model]}}
defaults: {{notify: [team], min_n: 10, clear_for: 30s}}
rules:
  - {HOT}
  - {{name: held, signal: error, window: 5s, above: 50%, for: 20s, severity: critical, notify: [boss]}}
  - {{name: trial, signal: error, window: 5s, above: 50%, dry_run: true}}
  - {{name: errors, signal: error, above: {{critical: 20%}}, kill: chat, notify: [team, pager]}}
  - {{name: silence, absent: 1m, notify: [team, boss]}}
receivers:
  team: {{webhook: {{url: "http://127.0.0.1:9/team", secret: {SECRET}}}}}
  boss: {{webhook: {{url: "http://127.0.0.1:9/boss", secret: {SECRET}}}}}
  pager: {{pagerduty: {{routing_key: 0123456789abcdef0123456789abcdef, url: "http://127.0.0.1:9/pager"}}}}
kill_switches:
  chat:
    per: [model]
    webhook: {{url: "http://127.0.0.1:9/service", secret: {SECRET}}}
    guard: {{at_most: 1, within: 5m, min_n: 10, fresh: 60s}}
"""
VARIANTS: Mapping[str, str] = {
    "as it was": HOT,
    "removed": "{name: other, signal: error, window: 10s, above: 99%, min_n: 100000}",
    "renamed": HOT.replace("name: hot", "name: hotter"),
    "milder": HOT.replace("warning: 50%", "warning: 40%"),
    "of one model": HOT.replace("window", "match: {model: a}, window"),
    "a dry run": HOT.replace("window", "dry_run: true, window"),
}


class Crash(BaseException):
    """The process dies here."""


class ByHand(Notifier):
    """A notifier that is given no time of its own: what it has claimed waits in `claimed` until it is sent."""

    def __init__(self, engine: Engine, settings: Config) -> None:
        super().__init__(engine, settings)
        self.claimed: list[Delivery] = []

    def claim(self) -> None:
        """One look into the outbox."""
        self._claim()

    def send(self, number: int) -> None:
        """Bring one of what was claimed to its receiver, and record what came of it."""
        self._deliver(self.claimed.pop(number % len(self.claimed)))

    def _dispatch(self, delivery: Delivery) -> None:
        with self._idle:
            self._busy[(delivery.kind == "kill", delivery.receiver)] += 1
        self.claimed.append(delivery)


def loaded(folder: Path) -> dict[str, Config]:
    """Every variant of alerts.yaml."""
    found = {}
    for name, rule in VARIANTS.items():
        path = folder / "alerts.yaml"
        path.write_text(ALERTS.format(HOT=rule, SECRET=SECRET))
        found[name] = config.load(path, environ={})
    return found


@dataclass
class World:
    """All that alerts pass through. `clock_ms` is the database's and everybody's clock but for what ingest adds."""

    engine: Engine
    configs: Mapping[str, Config]
    parties: Parties = field(default_factory=Parties)
    clock_ms: int = START_MS
    fed_ms: int = START_MS
    seq: int = 0
    variant: str = "as it was"
    ingest_ms: int = START_MS
    newest_ms: int | None = None
    heard_ms: int | None = None

    def __post_init__(self) -> None:
        emptied(self.engine, START_MS)
        with self.engine.begin() as conn:
            rows = [{"key": m, "labels": {"model": m}} for m in MODELS]
            made = conn.execute(
                insert(stream).returning(stream.c.stream_id, sort_by_parameter_order=True), rows
            )
            self.streams = dict(zip(MODELS, made.scalars(), strict=True))
        self.judge = self._judge()
        self.notifiers = [ByHand(self.engine, self.settings) for _ in range(2)]

    @property
    def settings(self) -> Config:
        return self.configs[self.variant]

    def _judge(self) -> Session:
        return Session(self.settings, self.engine, uuid4())

    def pass_time(self, seconds: int) -> None:
        """The clock goes on."""
        self.clock_ms += seconds * 1000
        set_clock(self.engine, self.clock_ms)

    def feed(self, how: Mapping[str, str], seconds: int, skew_ms: int = 0) -> None:
        """Some seconds of requests of each model, and the checkpoint that tells of them."""
        self.pass_time(seconds)
        delta = _delta(
            {self.streams[m]: FAILING[h] for m, h in how.items() if h in FAILING}, self.fed_ms, self.clock_ms
        )
        self.store(delta, skew_ms)
        self.fed_ms = self.clock_ms

    def store(self, delta: Delta, skew_ms: int = 0) -> None:
        """A checkpoint as ingest commits it, by a clock that is off by `skew_ms`."""
        self.seq += 1
        heard = len(delta.cells.stream) > 0
        if heard:
            self.newest_ms, self.heard_ms = self.clock_ms - 1, self.clock_ms + skew_ms
        self.ingest_ms = max(self.ingest_ms, self.clock_ms + skew_ms)
        at = {"topic_id": TOPIC, "partition": 0, "seq": self.seq, "next_offset": self.seq}
        with self.engine.begin() as conn:
            counted = {"next_offset": self.seq, "seq": self.seq, "counted": self.seq}
            conn.execute(text("DELETE FROM tocsin_ledger.topic_partition"))
            conn.execute(
                insert(topic_partition).values(topic_id=TOPIC, partition=0, topic="predictions", **counted)
            )
            conn.execute(
                insert(checkpoint).values(
                    **at,
                    from_offset=self.seq - 1,
                    max_event_ms=self.newest_ms,
                    max_kafka_ms=self.newest_ms,
                    last_record_ms=self.heard_ms,
                    clock_ms=self.clock_ms + skew_ms,
                    caught_up=True,
                    counted=1,
                    skipped=0,
                    deltas=encode(delta),
                )
            )

    def tick(self, dies_at: str | None = None) -> bool:
        """One tick of the judge, which may die on the way; False where it did or nobody leads."""
        try:
            with self._dying(dies_at):
                while self.judge.tick()[1]:
                    pass
        except Crash:
            self.judge.drop()
            self.judge = self._judge()
            return False
        return self.judge.leads

    def reload(self, variant: str) -> None:
        """Everybody takes up another alerts.yaml."""
        self.variant = variant
        self.judge.reconfigure(self.settings)
        for notifier in self.notifiers:
            notifier.reload(self.settings)

    def restart_notifier(self, number: int) -> None:
        """A notifier dies with what it had claimed."""
        self.notifiers[number] = ByHand(self.engine, self.settings)

    def send(self, worker: int, number: int, answer: Answer, dies: bool = False) -> None:
        """One claimed message meets `answer`; the notifier may die before that is recorded."""
        notifier = self.notifiers[worker]
        if not notifier.claimed:
            return
        self.parties.answer = answer
        try:
            with self._dying("notify.before_record" if dies else None):
                notifier.send(number)
        except Crash:
            self.restart_notifier(worker)

    @contextmanager
    def _dying(self, at: str | None) -> Iterator[None]:
        def reached(step: str) -> None:
            if step == at:
                raise Crash

        with patch.object(crash_points, "reached", reached):
            yield

    def silence(self, match: Mapping[str, tuple[str, ...]], seconds: int) -> str:
        with self.engine.begin() as conn:
            return silences.add(conn, match, for_ms=seconds * 1000, author="ana", reason="we deploy")

    def unsilence(self, silence_id: str) -> None:
        with self.engine.begin() as conn:
            silences.expire(conn, silence_id, "ben")

    def acknowledge(self, number: int) -> None:
        found = self.incidents()
        if found:
            with self.engine.begin() as conn:
                announcements.acknowledge(conn, found[number % len(found)].incident_id, "ana")

    def switch(self, model: str, *, trip: bool) -> None:
        """A person trips or releases."""
        switch = self.settings.kill_switches["chat"]
        with self.engine.begin() as conn:
            if trip:
                switches.trip(conn, switch, stream=model, reason="by hand", actor="ana")
            else:
                switches.release(conn, switch, stream=model, reason="mended", actor="ana")

    def incidents(self) -> list[Row]:
        """All but Tocsin's own."""
        with self.engine.begin() as conn:
            mine = select(incident).where(incident.c.stream != INTERNAL_STREAM)
            return list(conn.execute(mine.order_by(incident.c.opened_at, incident.c.incident_id)))

    def deliveries(self) -> list[Row]:
        with self.engine.begin() as conn:
            return list(conn.execute(select(delivery).order_by(delivery.c.position)))

    def switch_states(self) -> list[Row]:
        with self.engine.begin() as conn:
            return list(conn.execute(select(kill_switch)))


def _delta(failing: Mapping[int, int], since_ms: int, until_ms: int) -> Delta:
    """`A_SECOND` requests a second, of which so many fail, by stream."""
    slots: list[tuple[int, ...]] = []
    panes: dict[tuple[int, ...], int] = {}
    for second in range(since_ms // 1000, until_ms // 1000):
        for stream_id, k in failing.items():
            for bucket, count in ((0, A_SECOND - k), (1, k)):
                if count:
                    slots += [
                        (clock, stream_id, ERROR, second, bucket, count)
                        for clock in (EVENT_CLOCK, KAFKA_CLOCK)
                    ]
                    key = (stream_id, 0, ERROR, second // 10, second // 10, bucket)
                    panes[key] = panes.get(key, 0) + count
            key = (stream_id, 0, REQUESTS, second // 10, second // 10, 0)
            panes[key] = panes.get(key, 0) + A_SECOND
    cells = np.array([(*key, n) for key, n in sorted(panes.items())], np.int64).reshape(-1, 7).T
    return Delta(cells=Cells(*cells), slots=Slots(*np.array(sorted(slots), np.int64).reshape(-1, 6).T))
