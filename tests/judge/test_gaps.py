"""An empty stretch that is leapt over comes to what every one of its panes would have come to."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from judging import errors, pane, plan_of

from monitor.judge import core, gaps
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.traffic import KEPT, STRETCH_PANES, Week
from monitor.judge.verdicts import Decision

DAY = 8_640
RULES = """
reference: {learn: 4000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: {warning: 2x, critical: 30%}}
  - {name: silence, absent: 1m}
"""
TRAFFIC = "  - {name: traffic, signal: requests, below: 0.5x, min_n: 100, clear_for: 20m}\n"
TOTALS = "  - {name: spoken, signal: requests, total: 2h, below: 100, clear_for: 20m}\n"
OBJECTIVE = "  - {name: slo, signal: error, objective: 99%, over: 7d, clear_for: 20m}\n"


def story(state: JudgeState, plan: Plan, gap: int, *, leaping: bool) -> tuple[JudgeState, list[Decision]]:
    """Calm and an outage while the reference is provisional, an empty gap, and calm again."""
    told: list[Decision] = []
    begun = state.next_pane or 0
    before = [errors(begun + p, 20, 1 if p < 57 else 19) for p in range(127)]
    after = [errors(begun + 127 + gap + p, 20, 1) for p in range(200)]
    for block in before:
        state, found = core.pane_step(state, block, plan)
        told += found
    first, end = begun + 127, begun + 127 + gap
    empties = gaps.closed_in(first, end, plan) if leaping else ((p, True) for p in range(first, end))
    for number, whole in empties:
        step = core.pane_step if whole else core.traffic_step
        state, found = step(state, pane(number, {}), plan)
        told += found
    for block in after:
        state, found = core.pane_step(state, block, plan)
        told += found
    return state, told


@pytest.mark.parametrize(
    ("rules", "gap"),
    [
        *product([RULES, RULES + TRAFFIC, RULES + TOTALS], [1, 200, 700, DAY // 2 + 77]),
        (RULES + OBJECTIVE, 3 * DAY + 777),
    ],
)
def test_a_leap_changes_no_decision(tmp_path: Path, rules: str, gap: int) -> None:
    plan = plan_of(tmp_path, rules)
    # Last week requests came by day only, so that silence becomes news in the middle of a gap.
    daily = np.where(np.arange(KEPT) % 144 < 72, 1_000, 0)
    week = {1: Week(100, daily)}
    begun = JudgeState(next_pane=(100 + KEPT) * STRETCH_PANES, weeks=week)
    state, told = story(begun, plan, gap, leaping=True)
    slowly, wanted = story(begun, plan, gap, leaping=False)
    assert [repr(d) for d in told] == [repr(d) for d in wanted]
    assert {type(d).__name__ for d in told} == {"Verdict", "Learned"}
    assert state.next_pane == slowly.next_pane
    assert repr(replace(state, streams={})) == repr(replace(slowly, streams={}))


def test_of_a_long_gap_few_panes_are_looked_at(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES)
    end = 500 + 30 * DAY + 7
    looked = list(gaps.closed_in(500, end, plan))
    assert len(looked) < 2 * gaps.patience(plan)
    assert looked[0] == (500, True)
    assert looked[-1] == (end - 1, True)
