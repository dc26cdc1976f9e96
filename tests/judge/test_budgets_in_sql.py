"""Error budgets in SQL: written with what the judge decides, and taken away with their rule."""

from pathlib import Path

import pytest
from bench_of_checkpoints import Ledger, prepared, settings_of
from sqlalchemy import Engine

OTHER = "rules: [{name: errors, signal: error, above: 30%}]"
SLO = "  - {name: slo, signal: error, objective: 99%, over: 30d}"


@pytest.fixture
def ledger(engine: Engine, tmp_path: Path) -> Ledger:
    return prepared(engine, settings_of(tmp_path, f"rules:\n{SLO}\n"), age_s=600)


def judged(ledger: Ledger) -> None:
    judge = ledger.session()
    while judge.tick()[1]:
        pass
    judge.resign()


def slos(ledger: Ledger) -> list[tuple[object, ...]]:
    return ledger.rows("SELECT rule, stream, objective, good, total, budget_left FROM tocsin.slos")


def test_a_budget_is_there_as_soon_as_a_pane_has_closed(ledger: Ledger) -> None:
    ledger.store_errors(0, [(400, 1)] * 10)
    judged(ledger)
    ((rule, stream, objective, good, total, left),) = slos(ledger)
    assert (rule, stream, objective, total - good) == ("slo", "chat-eu", 0.99, total // 400)
    assert total >= 3_600
    assert left == pytest.approx(0.75)


def test_another_judge_goes_on_from_it(ledger: Ledger) -> None:
    ledger.store_errors(0, [(400, 0)] * 10)
    judged(ledger)
    ledger.store_errors(10, [(400, 6)] * 12)
    judged(ledger)
    ((_, _, _, good, total, left),) = slos(ledger)
    assert (total - good) * 100 == pytest.approx(total * (1 - left))
    assert 0.2 < left < 0.3


def test_an_outage_of_a_young_stream_is_told_with_the_rate_at_which_it_burns(ledger: Ledger) -> None:
    ledger.store_errors(0, [(400, 0)] * 20)
    ledger.store_errors(20, [(400, 400)] * 20)
    judged(ledger)
    rows = ledger.rows(
        "SELECT rule, severity, quantity, tolerance, guaranteed, summary LIKE "
        "'chat-eu: error budget burns % times too fast (%requests fail in 6 h, objective 99%)' FROM tocsin.incidents"
    )
    assert rows == [("slo", "critical", "rate", "6x in 6h/30m", False, True)]


def test_the_budget_of_a_removed_rule_is_gone(ledger: Ledger, tmp_path: Path) -> None:
    ledger.store_errors(0, [(400, 0)] * 10)
    judged(ledger)
    assert len(slos(ledger)) == 1
    ledger.settings = settings_of(tmp_path, OTHER)
    ledger.store_errors(10, [(400, 0)] * 10)
    judged(ledger)
    assert slos(ledger) == []
