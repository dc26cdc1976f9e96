"""`run`, `backtest` and `replay` come to the same verdicts on the same log."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from kafka import KafkaProducer
from sqlalchemy import Connection, Engine, text

from monitor import cli, config
from monitor.cli.daemon import Daemon
from monitor.cli.found import Found
from monitor.judge import effects
from monitor.judge.history import History
from monitor.judge.verdicts import Verdict
from monitor.local.kafka import KafkaServer
from monitor.local.ports import free_ports
from monitor.local.texts import answers

MODELS = ("failing", "short", "german", "silent")
MINUTE_MS = 60_000
EVERY_MS = 3_000
ALERTS = """
name: three
source: {{bootstrap_servers: "{servers}", topic: {topic}, start: earliest}}
store: {{url: "{url}"}}
http: {{port: {port}}}
reference: {{learn: 800, at_least: 0s}}
defaults: {{min_n: 20}}
rules:
  - {{name: errors,   signal: error,           above: {{warning: 2x, critical: 30%}}}}
  - {{name: length,   signal: output_tokens,   drift: both, tolerance: 1.5x}}
  - {{name: language, signal: output_language, drift: both, tolerance: 2x}}
  - {{name: slow,     signal: latency_ms,      quantile: p99, above: 1.5x}}
  - {{name: silence,  absent: 2m}}
  - {{name: outage,   signal: error, window: 60s, above: 30%, min_n: 10}}
receivers: {{default: {{slack: {{url: "http://127.0.0.1:9/"}}}}}}
"""

Told = tuple[str, str, str, str | None, str, int, int]


def log_from(begin_ms: int) -> list[tuple[int, bytes]]:
    """(ts, record) in order over 5.5 hours of four models, a record of each about every three seconds.

    Nobody speaks from 0:15 to 1:05. From 2:30 to 3:30 one model fails, one answers short and one German; the fourth
    is silent from 4:00 to 4:12.
    """
    rng = np.random.default_rng(44)
    english, german = (answers(language).chars(np.arange(500), 80) for language in ("en", "de"))
    records = []
    for model in MODELS:
        times = np.arange(0, 330 * MINUTE_MS, EVERY_MS) + rng.integers(
            0, EVERY_MS, 330 * MINUTE_MS // EVERY_MS
        )
        for at in times.tolist():
            minute = at / MINUTE_MS
            if 15 <= minute < 65 or (model == "silent" and 240 <= minute < 252):
                continue
            changed = 150 <= minute < 210
            failed = rng.random() < (0.45 if model == "failing" and changed else 0.01)
            prose = german if model == "german" and changed and rng.random() < 0.5 else english
            one = {
                "model": model,
                "version": "v2" if changed else "v1",
                "ts": begin_ms + at,
                "status": "error" if failed else "ok",
                "output": prose[rng.integers(500)],
                "expected_language": "en",
                "output_tokens": round(rng.lognormal(5, 0.5) * (0.3 if model == "short" and changed else 1)),
                "latency_ms": round(rng.lognormal(6, 0.4)),
            }
            records.append((begin_ms + at, msgspec.json.encode(one)))
    return sorted(records)


@contextmanager
def running(path: Path) -> Iterator[None]:
    """The daemon in a thread of its own."""
    daemon = Daemon(config.load(path), instance=None, accept_new_topic=False)
    stopping = threading.Event()
    thread = threading.Thread(target=daemon.run, args=(stopping, threading.Event()))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        daemon.stop(10.0)


class Tap:
    """Every move of an incident that passes by, with what it is told by in all three."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._moves: list[Told] = []
        apply, add = effects.apply, Found.add

        def applied(conn: Connection, scene: effects.Scene, decisions):
            for decision in decisions:
                self._note(decision, scene.history)
            return apply(conn, scene, decisions)

        def added(found: Found, verdict: Verdict) -> None:
            self._note(verdict, found.history)
            add(found, verdict)

        monkeypatch.setattr(effects, "apply", applied)
        monkeypatch.setattr(Found, "add", added)

    def _note(self, decision: object, history: History) -> None:
        if isinstance(decision, Verdict):
            v = decision
            stream, severity = history.stream_key(v.stream), str(v.severity)
            self._moves.append((v.what, v.rule, stream, v.signal, severity, v.onset_ms, v.detected_ms))

    def take(self) -> list[Told]:
        moves, self._moves = sorted(self._moves, key=lambda t: (t[-1], t[1:4])), []
        return moves


def tocsin(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, list(arguments), catch_exceptions=False, standalone_mode=False)


def produce(servers: str, topic: str, log: list[tuple[int, bytes]]) -> None:
    with closing(KafkaProducer(bootstrap_servers=servers, linger_ms=20)) as producer:
        for at_ms, value in log:
            producer.send(topic, value, timestamp_ms=at_ms, partition=0)
        producer.flush()


def judged(engine: Engine, records: int) -> bool:
    with engine.begin() as conn:
        row = conn.execute(text("SELECT counted, judged_offset FROM tocsin.progress")).one_or_none()
    return row is not None and tuple(row) == (records, records)


def test_run_backtest_and_replay_come_to_the_same_verdicts(
    kafka: KafkaServer,
    topic,
    engine: Engine,
    ledger_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tap = Tap(monkeypatch)
    name, path, file = topic(), tmp_path / "alerts.yaml", tmp_path / "log.jsonl"
    values = {"servers": kafka.bootstrap_servers, "topic": name, "url": ledger_url}
    path.write_text(ALERTS.format(port=free_ports(1)[0], **values))
    log = log_from((time.time_ns() // 1_000_000 // 3_600_000 - 12) * 3_600_000)
    file.write_bytes(b"\n".join(value for _, value in log))
    produce(kafka.bootstrap_servers, name, log)

    with running(path):
        deadline = time.monotonic() + 120
        while not judged(engine, len(log)):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    by_run = tap.take()
    tocsin("replay", str(file), "-c", str(path))
    by_replay = tap.take()
    backtest = tocsin("backtest", "-c", str(path))
    by_backtest = tap.take()

    found = {(what, rule, stream) for what, rule, stream, *_ in by_run}
    assert {
        ("opened", "errors", "failing"),
        ("escalated", "errors", "failing"),
        ("opened", "length", "short"),
        ("opened", "language", "german"),
        ("opened", "silence", "silent"),
        ("opened", "outage", "failing"),
    } <= found
    assert by_replay == by_run
    assert "not judged: outage" in backtest.stderr
    assert by_backtest == [told for told in by_run if told[1] != "outage"]
