"""Kill evidence: level-triggered, on 1 s slots, with its incident (rule 5; detection.md, section 4)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judging import errors, plan_of, slot

from monitor.config.rule import Severity
from monitor.judge import core, killing
from monitor.judge.kill import SERVING, Switch
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Decision, Trip, Verdict

RULES = """
reference: {learn: 1000, at_least: 0s}
rules:
  - {name: errors, signal: error, match: {model: chat-eu}, above: {warning: 2x, critical: 10%}, kill: chat}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, RULES)


def fed(
    plan: Plan, slots: list[tuple[int, int, int]], state: JudgeState, switch: Switch = SERVING
) -> tuple[JudgeState, list[Decision]]:
    decisions: list[Decision] = []
    for number, n, k in slots:
        state, found = killing.kill_step(state, slot(number, n, k), plan, {("chat", ""): switch})
        decisions += found
    return state, decisions


def calm(seconds: int, n: int = 20, rate: float = 0.01) -> list[tuple[int, int, int]]:
    draws = np.random.default_rng(3).binomial(n, rate, seconds)
    return [(i, n, int(k)) for i, k in enumerate(draws)]


def test_a_total_failure_trips_after_about_ten_seconds(plan: Plan) -> None:
    state, quiet = fed(plan, calm(600), JudgeState())
    assert quiet == []
    _, decisions = fed(plan, [(600 + i, 20, 20) for i in range(15)], state)
    first = next(d for d in decisions if isinstance(d, Trip))
    assert 8 <= first.detected_ms // 1000 - 600 <= 11
    assert first.n >= 10


def test_no_glitch_shorter_than_the_slots_it_takes_can_kill(plan: Plan) -> None:
    glitch = [(600 + i, 10_000, 10_000) for i in range(5)]
    _, decisions = fed(plan, calm(600) + glitch + [(700 + i, 20, 0) for i in range(60)], JudgeState())
    assert decisions == []


def test_no_kill_without_an_incident_at_critical(plan: Plan) -> None:
    _, decisions = fed(plan, [(i, 20, 20) for i in range(12)], JudgeState())
    assert isinstance(decisions[0], Verdict)
    assert (decisions[0].what, decisions[0].severity) == ("opened", Severity.CRITICAL)
    assert isinstance(decisions[1], Trip)


def test_a_trip_escalates_the_open_incident_of_its_rule(plan: Plan) -> None:
    state = JudgeState()
    for p in range(60):
        state, _ = core.pane_step(state, errors(p, 100, 1), plan)
    for p in range(60, 200):
        state, moves = core.pane_step(state, errors(p, 100, 7), plan)
        if moves:
            break
    assert [m.what for m in moves if isinstance(m, Verdict)] == ["opened"]
    _, decisions = fed(plan, [(2000 + i, 20, 20) for i in range(15)], state)
    grown = [d for d in decisions if isinstance(d, Verdict)]
    assert [(v.what, v.severity) for v in grown] == [("escalated", Severity.CRITICAL)]


def test_the_condition_trips_again_while_it_holds_and_the_switch_serves(plan: Plan) -> None:
    _, decisions = fed(plan, [(i, 20, 20) for i in range(20)], JudgeState())
    assert sum(isinstance(d, Trip) for d in decisions) > 5


def test_nothing_is_collected_while_the_switch_is_tripped(plan: Plan) -> None:
    state, _ = fed(plan, [(i, 20, 20) for i in range(5)], JudgeState())
    after, decisions = fed(plan, [(5 + i, 20, 20) for i in range(30)], state, Switch(True, 7))
    assert decisions == []
    assert np.isneginf(after.kills["errors/error"].rows.log_m).all()


def test_rule_5_a_release_resets_the_evidence(plan: Plan) -> None:
    state, first = fed(plan, [(i, 20, 20) for i in range(12)], JudgeState())
    assert any(isinstance(d, Trip) for d in first)
    _, again = fed(plan, [(12 + i, 20, 20) for i in range(7)], state, Switch(False, 2))
    assert again == []


def test_rule_5_seconds_before_a_release_never_kill_however_late_they_are_judged(plan: Plan) -> None:
    """A judge that is behind sees the release before the failures that led to the kill."""
    released = Switch(False, 2, since_ms=30_000)
    state, late = fed(plan, [(i, 20, 20) for i in range(30)], JudgeState(), released)
    assert late == []
    _, decisions = fed(plan, [(30 + i, 20, 20) for i in range(12)], state, released)
    first = next(d for d in decisions if isinstance(d, Trip))
    assert 38 <= first.detected_ms // 1000 <= 41
    assert first.onset_ms >= 30_000


def test_what_was_calm_before_the_kill_in_the_same_block_is_no_recovery(tmp_path: Path) -> None:
    """The block goes on after the trip, and its switch pauses the panes that fail."""
    rules = RULES.replace("warning: 2x, ", "").replace("kill: chat", "kill: chat, clear_for: 30s")
    plan, state = plan_of(tmp_path, rules), JudgeState()
    for pane in range(63):
        state, _ = core.pane_step(state, errors(pane, 100, 1), plan)
    (block,) = set(state.watches["errors/error"].rows.block.tolist())
    assert (63 % block, block) == (3, 6)
    state, found = fed(plan, [(630 + i, 20, 20) for i in range(10)], state)
    assert any(isinstance(d, Trip) for d in found)
    for pane in range(63, 90):
        failing = replace(errors(pane, 100, 90), paused=frozenset({1}))
        state, moves = core.pane_step(state, failing, plan)
        assert moves == []


def test_ten_spikes_in_an_hour_of_retries_never_kill(plan: Plan) -> None:
    """Clusters of five failures within a second on a healthy service."""
    slots = [(i, 7, 5) if i % 300 == 0 else (i, 2, 0) for i in range(3600)]
    assert fed(plan, slots, JudgeState())[1] == []


def test_false_kills_stay_within_their_budget_at_the_limit(tmp_path: Path) -> None:
    """p = m exactly, A = 1000 slots, 20,000 slots: at most 20 trips are promised, with room for chance."""
    budget = plan_of(
        tmp_path, RULES + "false_alarms: {warning: 1 per 30d, critical: 1 per 90d, kill: 1 per 1000s}"
    )
    assert budget.kill_threshold == pytest.approx(1000)
    trips, state, sequence = 0, JudgeState(), 0
    draws = np.random.default_rng(5).binomial(20, 0.10, 20_000)
    for i, k in enumerate(draws):
        state, found = killing.kill_step(
            state, slot(i, 20, int(k)), budget, {("chat", ""): Switch(False, sequence)}
        )
        if any(isinstance(d, Trip) for d in found):
            trips, sequence = trips + 1, sequence + 1
    assert trips <= 20 + 3 * 20**0.5
