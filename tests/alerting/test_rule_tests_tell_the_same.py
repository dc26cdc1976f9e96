"""The same decisions come to the same incidents, messages and kills in a ledger and in `tocsin test`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, select
from virtual_clock import emptied, set_clock, with_virtual_clock

from monitor import config
from monitor.cli.testing.desk import Desk
from monitor.cli.testing.story import Story
from monitor.config.model import Config
from monitor.config.rule import Severity
from monitor.judge import effects, moving
from monitor.judge.compiling import compile_plan
from monitor.judge.history import MemoryHistory
from monitor.judge.ledger_incidents import LedgerIncidents
from monitor.judge.scene import Scene
from monitor.judge.verdicts import Trip, Verdict
from monitor.ledger.decided import delivery, incident, kill_event
from monitor.notify import lanes, outcome
from monitor.notify.delivery import Taken

START_MS = 1_767_600_000_000
MODELS = {1: "a", 2: "b"}
ALERTS = """
name: test
source: {bootstrap_servers: "localhost:9092", topic: predictions}
store: {url: "postgresql://localhost/none"}
streams: {by: [model]}
defaults: {notify: [team], clear_for: 2m, renotify: 10m}
rules:
  - {name: one, absent: 2m, notify: {critical: [team, boss]}}
  - {name: two, absent: 3m, notify: [boss], clear_for: 5m}
  - {name: trial, absent: 4m, dry_run: true}
mutes:
  - {name: early, match: {rule: one, model: b}, during: "08:10-08:30"}
receivers:
  team: {log: {}}
  boss: {log: {}}
kill_switches:
  each: {per: [model], webhook: {url: "https://k.example/x", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}
"""
Step = tuple[int, list[Verdict | Trip]]


@pytest.fixture
def engine(ledger_url: str) -> Iterator[Engine]:
    made = with_virtual_clock(ledger_url)
    emptied(made, START_MS)
    yield made
    made.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    (tmp_path / "alerts.yaml").write_text(ALERTS)
    return config.load(tmp_path / "alerts.yaml", environ={})


class Names:
    """The two streams, by their numbers."""

    def stream_key(self, stream: int) -> str:
        return MODELS[stream]

    def labels(self, stream: int) -> dict[str, str]:
        return {"model": MODELS[stream]}


def verdict(what: str, rule: str, stream: int, severity: Severity, at_ms: int) -> Verdict:
    return Verdict(what, rule, None, stream, severity, at_ms - 60_000, at_ms, rule)


def trip(stream: int, at_ms: int) -> Trip:
    pulled = ("each", "one", None, stream, "one", at_ms - 9_000, at_ms, at_ms)
    return Trip(*pulled, k=9.0, n=10.0, m=0.5, value=MODELS[stream])


def story(seed: int, settings: Config) -> list[Step]:
    """Every half minute something happens to some of the incidents, in the order that the judge keeps."""
    rng, open_now = np.random.default_rng(seed), dict[tuple, Severity]()
    watches = list(compile_plan(settings).rules)
    steps: list[Step] = []
    for step in range(1, 120):
        at_ms, moves = START_MS + 30_000 * step, list[Verdict | Trip]()
        for key in [(w, s) for w in watches for s in MODELS if rng.random() < 0.15]:
            was = open_now.get(key)
            severity = Severity.CRITICAL if rng.random() < 0.4 else Severity.WARNING
            what = "opened" if was is None else "escalated" if severity.rank > was.rank else "resolved"
            open_now |= {key: severity}
            if what == "resolved":
                del open_now[key]
            moves.append(verdict(what, *key, severity, at_ms))
        moves += [trip(s, at_ms) for s in MODELS if ("one", s) in open_now and rng.random() < 0.05]
        steps.append((at_ms, moves))
    return steps


def confirm_kills(conn: Connection, settings: Config) -> None:
    """Webhooks take what was tripped at once, as in a test."""
    for sent in lanes.claim(conn, {}, most_each=1_000):
        outcome.delivered(conn, settings, sent, Taken("HTTP 200"))


def in_the_ledger(engine: Engine, settings: Config, steps: list[Step]) -> tuple[list, list, list]:
    plan, history = compile_plan(settings), MemoryHistory(Names())
    for at_ms, moves in steps:
        set_clock(engine, at_ms)
        with engine.begin() as conn:
            scene = Scene(LedgerIncidents(conn), settings, plan, history, at_ms)
            effects.apply(conn, scene, moves)
            confirm_kills(conn, settings)
            moving.remind(scene)
    with engine.begin() as conn:
        sent = select(delivery).where(delivery.c.kind == "log", delivery.c.state != "suppressed")
        news = [
            (row.receiver, row.event, one["rule"], one["stream"])
            for row in conn.execute(sent.order_by(delivery.c.position))
            for one in (row.payload, *row.payload.get("also", ()))
            if "rule" in one
        ]
        states = [tuple(r) for r in conn.execute(select(incident.c.incident_id, incident.c.state))]
        kills = [tuple(r) for r in conn.execute(select(kill_event.c.value, kill_event.c.action))]
    return news, sorted(states), sorted(kills)


def in_a_test(settings: Config, steps: list[Step]) -> tuple[list, list, list]:
    found = Story()
    desk = Desk(settings, compile_plan(settings), MemoryHistory(Names()), found)
    for at_ms, moves in steps:
        desk.take(moves)
        desk.remind(at_ms)
    news = [(n.receiver, n.event, n.rule) for n in found.news]
    states = [(i, "firing" if one.steps[-1][1] else "resolved") for i, one in found.incidents.items()]
    return news, sorted(states), sorted((key[1], state) for _, key, state in found.kills)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_is_told_and_tripped(engine: Engine, settings: Config, seed: int) -> None:
    steps = story(seed, settings)
    news, states, kills = in_the_ledger(engine, settings, steps)
    told = in_a_test(settings, steps)
    assert told[1:] == (states, kills)
    assert sorted(told[0]) == sorted((receiver, event, rule) for receiver, event, rule, _ in news)
    assert {event for _, event, _, _ in news} == {"opened", "escalated", "resolved", "tripped"}
