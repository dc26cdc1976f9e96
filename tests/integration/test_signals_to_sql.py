"""From a record's bytes to the views: signals that rules ask for, the user's own, and labels that come later."""

from pathlib import Path

import pytest
from sql_log import Log

ALERTS = """
signals:
  income: {kind: distribution, field: /features/income_eur}
  declined: {kind: rate, field: prediction, when: [DECLINE]}
  job: {kind: category, field: /features/job}
rules:
  - {name: caches, signal: stale_cache, above: 2x}
  - {name: flips, signal: inconsistent, above: 2x}
  - {name: nulls, signal: [missing.output, missing.user], above: +1pp}
  - {name: accuracy, signal: incorrect, above: 2x}
  - {name: own, signal: [declined, missing.income], above: 2x}
  - {name: inputs, signal: [income, job], drift: both}
"""


@pytest.fixture
def log(ledger_url: str, tmp_path: Path):
    made = Log(ledger_url, tmp_path, ALERTS)
    yield made
    made.engine.dispose()


def test_signals_that_rules_ask_for(log: Log) -> None:
    hit = {"version": "v2", "cache_hit": True, "input": "a", "output": "b"}
    log.judge(
        hit | {"cached_version": "v1", "user": "ada"},
        hit | {"cached_version": "v2", "output": "c"},
        {"version": "v2", "input": "a"},
    )
    assert log.rates("stale_cache", "inconsistent", "missing.output", "missing.user", "missing.input") == {
        "stale_cache": (1, 2),
        "inconsistent": (1, 1),
        "missing.output": (1, 3),
        "missing.user": (2, 3),
    }
    assert "ada" not in str(log.read("SELECT record FROM tocsin.samples"))


def test_signals_of_the_user(log: Log) -> None:
    log.judge(
        {"prediction": "DECLINE", "features": {"income_eur": 30_000, "job": "nurse"}},
        {"prediction": "APPROVE", "features": {"income_eur": 50_000, "job": "nurse"}},
        {"prediction": "APPROVE", "features": {"job": "cook"}},
        {"status": "error", "prediction": "DECLINE"},
    )
    assert log.rates("declined", "missing.income") == {"declined": (1, 3), "missing.income": (1, 3)}
    [(n, median)] = log.read("SELECT n, p50 FROM tocsin.quantiles WHERE signal = 'income'")
    assert (n, median) == (2, pytest.approx(30_000, rel=0.01))
    jobs = log.read("SELECT category, n FROM tocsin.categories WHERE signal = 'job' ORDER BY n DESC")
    assert jobs == [("nurse", 2), ("cook", 1)]
    assert log.read("SELECT name FROM tocsin_ledger.category WHERE signal > 1000 ORDER BY 1") == [
        ("cook",),
        ("nurse",),
    ]


def test_a_label_that_comes_later_beside_the_share_that_has_none(log: Log) -> None:
    log.judge(
        {"prediction": "a", "label": "a"},
        {"prediction": "a"},
        {"prediction": "b"},
        {"type": "label", "id": "1", "prediction": "a", "label": "b"},
    )
    assert log.rates("incorrect", "missing.label") == {"incorrect": (1, 2), "missing.label": (2, 3)}
    assert log.read("SELECT sum(n) FROM tocsin.panes") == [(3,)]
    assert log.read("SELECT counted FROM tocsin.progress") == [(4,)]
