"""An incident that is older than the rows it would recover by: it ends all the same."""

from pathlib import Path

from bench_of_checkpoints import drained, prepared, settings_of
from judging import errors, plan_of, slot
from sqlalchemy import Engine
from test_telling import CALM, FIRING, PATIENT, RULE

from monitor.judge import core, killing
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Trip, Verdict

KILLING = """
rules: [{name: errors, signal: error, match: {model: chat-eu}, above: {critical: 20%}, kill: chat}]
"""


def test_a_kill_before_the_first_pane_has_closed_leaves_an_incident_that_can_end(tmp_path: Path) -> None:
    plan, state, found = plan_of(tmp_path, KILLING), JudgeState(), []
    for second in range(20):
        state, decisions = killing.kill_step(state, slot(second, 20, 20), plan, {})
        found += decisions
    assert any(isinstance(d, Trip) for d in found)
    for pane in range(2, 60):
        state, decisions = core.pane_step(state, errors(pane, 200, 0), plan)
        found += decisions
    assert [d.what for d in found if isinstance(d, Verdict)] == ["opened", "resolved"]
    assert state.references or state.learners


def test_a_limit_that_changes_during_an_incident_leaves_one_that_can_end(
    engine: Engine, tmp_path: Path
) -> None:
    ledger = prepared(engine, settings_of(tmp_path, RULE, PATIENT), age_s=2_400)
    judge = ledger.session()
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING[:40])
    drained(judge)
    judge.reconfigure(settings_of(tmp_path, RULE.replace("5%", "8%"), PATIENT))
    ledger.store_errors(100, [(100, 0)] * 90)
    drained(judge)
    assert ledger.rows("SELECT state FROM tocsin.incidents WHERE rule = 'errors'") == [("resolved",)]


def test_a_window_whose_rule_changes_forgets_what_it_counted_by_the_old_one(tmp_path: Path) -> None:
    old = "rules: [{name: hot, signal: error, window: 10s, above: 50%}]"
    new = old.replace("window", "match: {model: chat-us}, window").replace(
        "50%", "{warning: 50%, critical: 90%}"
    )
    state = JudgeState()
    for second in range(6):
        state, _ = core.slot_step(state, slot(second, 20, 20 if second > 3 else 0), plan_of(tmp_path, old))
    assert not state.incidents
    for second in range(6, 9):
        state, decisions = core.slot_step(state, slot(second, 20, 20), plan_of(tmp_path, new))
        assert decisions == []
