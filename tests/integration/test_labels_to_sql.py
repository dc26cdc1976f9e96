"""Labels that come later, from their records to rates, calibration, coverage and the message of an incident."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sql_log import Log

from monitor.ledger.facts import facts_of
from monitor.notify.story import covered

ALERTS = """
reference: {learn: 1000, at_least: 0s}
labels: {join: 2h}
defaults: {min_n: 20}
rules:
  - {name: accuracy, signal: incorrect, above: 2x}
"""


@pytest.fixture
def log(ledger_url: str, tmp_path: Path) -> Iterator[Log]:
    made = Log(ledger_url, tmp_path, ALERTS)
    yield made
    made.engine.dispose()


def test_labels_are_joined_over_checkpoints_and_the_unmatched_are_counted(log: Log) -> None:
    log.judge(
        {"id": "1", "prediction": "a", "confidence": 0.97, "version": "v1"},
        {"id": "2", "prediction": "b", "confidence": 0.62, "version": "v2"},
    )
    log.judge(*({"type": "label", "id": name, "label": "a"} for name in ("1", "2", "3")))
    assert log.rates("incorrect", "confidently_wrong") == {"incorrect": (1, 2), "confidently_wrong": (0, 2)}
    by_version = "SELECT value, k, n FROM tocsin.rates_by WHERE signal = 'incorrect' ORDER BY value"
    assert log.read(by_version) == [("v1", 0, 1), ("v2", 1, 1)]
    assert log.read("SELECT n, unmatched FROM tocsin.labels") == [(3, 1)]
    assert log.read("SELECT n, of FROM tocsin.coverage WHERE signal = 'incorrect'") == [(2, 2)]
    assert log.read("SELECT confidence_from, correct, n FROM tocsin.calibration ORDER BY 1") == [
        (0.6, 0, 1),
        (0.95, 1, 1),
    ]
    assert log.read("SELECT counted FROM tocsin.progress") == [(5,)]


def test_a_process_that_started_anew_knows_no_prediction_of_before_and_says_so(log: Log) -> None:
    log.judge({"id": "1", "prediction": "a"})
    log.restart()
    log.judge({"type": "label", "id": "1", "label": "a"})
    assert log.rates("incorrect") == {}
    assert log.read("SELECT n, unmatched FROM tocsin.labels") == [(1, 1)]


def test_an_incident_on_accuracy_says_for_how_many_answers_there_were_labels(log: Log) -> None:
    log.judge(*answers(log, 0, 200, labelled=10, wrong=1))
    log.judge(*answers(log, 200, 400, labelled=5, wrong=4))
    [(facts,)] = log.read("SELECT facts FROM tocsin_ledger.incident WHERE rule = 'accuracy'")
    assert covered(facts_of(facts)) == " Labels for 20% of answers, was 40%."


def answers(log: Log, first: int, last: int, *, labelled: int, wrong: int) -> list[dict[str, Any]]:
    """Panes of 25 answers each, of which some are labelled."""
    return [
        {
            "ts": log.start_ms - 4_000_000 + 10_000 * pane + 100 * i,
            "prediction": "a",
            **({"label": "b" if i < wrong else "a"} if i < labelled else {}),
        }
        for pane in range(first, last)
        for i in range(25)
    ]
