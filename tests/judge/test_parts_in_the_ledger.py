"""Parts of streams in a real ledger: `each: version` from checkpoints to incidents, also after a take-over."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_of_checkpoints import ERROR, Ledger, errors, prepared, settings_of
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import insert

from monitor.ledger.counted import slice_
from monitor.ledger.engine import connect
from monitor.records import fold
from monitor.records.delta import Cells

RULES = """
reference: {learn: 1000, at_least: 0s}
rules:
  - {name: canary, signal: error, above: {warning: 2x, critical: 30%}, each: version}
"""


@pytest.fixture
def ledger(ledger_url: str, tmp_path: Path) -> Iterator[Ledger]:
    engine: Engine = connect(ledger_url)
    made = prepared(engine, settings_of(tmp_path, RULES), age_s=3_600)
    with engine.begin() as conn:
        for version in ("v41", "v42"):
            conn.execute(insert(slice_).values(stream_id=1, field="version", value=version))
    yield made
    engine.dispose()


def store(ledger: Ledger, first: int, panes: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """Panes from number `first` on, each (n, k) of v41 and of v42."""
    begin = ledger.start_ms + first * 10_000
    whole = errors(begin, [(a[0] + b[0], a[1] + b[1]) for a, b in panes])
    rows = [
        (1, slice_id, ERROR, begin // 10_000 + i, begin // 10_000 + i, bucket, count)
        for i, versions in enumerate(panes)
        for slice_id, (n, k) in enumerate(versions, start=1)
        for bucket, count in ((0, n - k), (1, k))
        if count
    ]
    sliced = Cells(*np.array(rows, np.int64).T)
    cells = fold.fold_cells(fold.concat([whole.cells, sliced], Cells))
    n = sum(a[0] + b[0] for a, b in panes)
    ledger.store(replace(whole, cells=cells), begin + len(panes) * 10_000 - 1, n)


def judged(ledger: Ledger) -> None:
    """By a session of its own, as after a take-over."""
    session = ledger.session()
    while session.tick()[1]:
        pass
    session.resign()


def test_a_canary_is_named_as_the_cause_and_in_the_labels(ledger: Ledger) -> None:
    store(ledger, 0, [((100, 1), (0, 0))] * 60)
    judged(ledger)
    store(ledger, 60, [((95, 1), (5, 5))] * 30)
    judged(ledger)
    store(ledger, 90, [((95, 1), (5, 5))] * 30)
    judged(ledger)
    found = ledger.rows("SELECT rule, stream, labels, cause_field, cause_value, state FROM tocsin.incidents")
    assert found == [
        ("canary", "chat-eu", {"model": "chat-eu", "version": "v42"}, "version", "v42", "firing")
    ]
    assert ledger.rows("SELECT summary FROM tocsin.incidents") == [
        ("chat-eu version v42: 100% of requests fail, was 1%",)
    ]


def test_two_versions_that_fail_in_the_same_pane_have_two_incidents(ledger: Ledger) -> None:
    store(ledger, 0, [((100, 1), (0, 0))] * 60)
    # Blocks fall otherwise on every clock: long enough for either.
    store(ledger, 60, [((95, 90), (50, 50))] * 60)
    judged(ledger)
    found = ledger.rows("SELECT cause_value, state FROM tocsin.incidents ORDER BY 1")
    assert found == [("v41", "firing"), ("v42", "firing")]
