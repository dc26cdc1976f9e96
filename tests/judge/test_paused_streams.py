"""While a value of a switch with `per` is tripped, drift and absent rules of its stream pause, and of no other."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bench_of_checkpoints import REQUESTS, Ledger, prepared, settings_of
from judging import HEAD
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import insert

from monitor.judge.session import Session
from monitor.killswitch import switches
from monitor.ledger.counted import stream
from monitor.ledger.engine import connect
from monitor.records.delta import Cells, Delta
from monitor.records.signals import BY_NAME

TRUNCATED = BY_NAME["truncated"].code
RULES = """
reference: {learn: 1000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: {critical: 10%}, kill: chat}
  - {name: truncated, signal: truncated, drift: up, tolerance: 2x}
  - {name: silence, absent: 2m}
"""
EU, US, STEADY = 1, 2, 3
NAMES = {EU: "chat-eu", US: "chat-us", STEADY: "steady"}


@pytest.fixture
def ledger(ledger_url: str, tmp_path: Path) -> Iterator[Ledger]:
    engine: Engine = connect(ledger_url)
    head = HEAD.replace("    release: manual\n", "    release: manual\n    per: [model]\n")
    made = prepared(engine, settings_of(tmp_path, RULES, head), age_s=3_600)
    with engine.begin() as conn:
        for name in (NAMES[US], NAMES[STEADY]):
            conn.execute(insert(stream).values(key=name, labels={"model": name}))
    yield made
    engine.dispose()


def store(ledger: Ledger, first: int, panes: int, truncated: dict[int, int]) -> None:
    """Panes with 100 requests of each of these streams, of which so many are truncated."""
    rows = []
    for p in range(ledger.start_ms // 10_000 + first, ledger.start_ms // 10_000 + first + panes):
        for each, k in truncated.items():
            rows += [(each, 0, REQUESTS, p, p, 0, 100)]
            rows += [(each, 0, TRUNCATED, p, p, 0, 100 - k), (each, 0, TRUNCATED, p, p, 1, k)]
    cells = Cells(*np.array(rows, np.int64).T)
    until_ms = ledger.start_ms + (first + panes) * 10_000 - 1
    ledger.store(Delta(cells=cells), until_ms, 100 * panes * len(truncated))


def judged(ledger: Ledger, judge: Session) -> set[tuple[object, ...]]:
    """What fires after everything stored has been judged."""
    while judge.tick()[1]:
        pass
    return set(ledger.rows("SELECT rule, stream FROM tocsin.incidents WHERE state = 'firing'"))


def test_the_rules_on_the_tripped_value_pause_until_its_release_and_the_others_go_on(ledger: Ledger) -> None:
    chat, judge = ledger.settings.kill_switches["chat"], ledger.session()
    store(ledger, 0, 60, {EU: 1, US: 1, STEADY: 1})
    assert judged(ledger, judge) == set()
    with ledger.engine.begin() as conn:
        switches.trip(conn, chat, stream=NAMES[EU], reason="it lies", actor="ann")
    store(ledger, 60, 60, {EU: 60, US: 60, STEADY: 1})
    assert judged(ledger, judge) == {("truncated", NAMES[US])}
    store(ledger, 120, 20, {STEADY: 1})
    assert judged(ledger, judge) == {("truncated", NAMES[US]), ("silence", NAMES[US])}
    with ledger.engine.begin() as conn:
        switches.release(conn, chat, stream=NAMES[EU], reason="mended", actor="ann")
    store(ledger, 140, 5, {STEADY: 1})
    assert ("silence", NAMES[EU]) in judged(ledger, judge)
    store(ledger, 145, 60, {EU: 60, US: 60, STEADY: 1})
    assert ("truncated", NAMES[EU]) in judged(ledger, judge)
