"""References that came without panes find their block on live traffic."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from judging import errors, plan_of

from detectors.base_rates import NO_PANES
from monitor.judge import adopting, core
from monitor.judge.plan import Plan
from monitor.judge.reference import Correlation, Reference
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Chosen, Decision, Learned
from monitor.records.signals import BY_NAME

ERROR = BY_NAME["error"].code
RULES = """
reference: {learn: 30000, at_least: LONG}
rules:
  - {name: errors, signal: error, above: {warning: 2x, critical: 30%}}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, RULES.replace("LONG", "1h"))


def imported(block_s: int | None = None) -> Learned:
    counts = np.array([9_900, 100], np.int64)
    found = Correlation(block_s)
    return Learned(
        1, ERROR, Reference(7, False, 10_000, 0, 0, np.arange(2), counts, found, "imported", NO_PANES)
    )


def adopted(plan: Plan, given: Learned) -> JudgeState:
    return adopting.adopt(JudgeState(), [given], plan, 0)[0]


def judged(
    plan: Plan, state: JudgeState, failures: Sequence[int], first: int = 0
) -> tuple[JudgeState, list[Decision]]:
    found: list[Decision] = []
    for p, k in enumerate(failures):
        state, decisions = core.pane_step(state, errors(first + p, 100, int(k)), plan)
        found += decisions
    return state, found


def independent(count: int) -> list[int]:
    return np.random.default_rng(3).binomial(100, 0.01, count).tolist()


def test_an_imported_reference_finds_its_block_after_as_much_traffic_as_a_learned_one_takes(
    plan: Plan,
) -> None:
    state, decisions = judged(plan, adopted(plan, imported()), independent(360))
    assert not state.watches["errors/error"].rows.guaranteed.any()
    assert state.references[1, ERROR].correlation.block_s is None
    state, more = judged(plan, state, independent(1), first=360)
    (chosen,) = [d for d in more if isinstance(d, Chosen)]
    assert (chosen.reference_id, chosen.correlation.block_s) == (7, 10)
    assert state.references[1, ERROR].correlation.block_s == 10
    assert state.references[1, ERROR].reference_id == 7
    assert state.trials == {}
    assert state.watches["errors/error"].rows.guaranteed.all()
    assert decisions == []


def test_evidence_against_an_absolute_limit_outlives_the_choice_of_a_block(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LONG", "1h").replace("{warning: 2x, critical: 30%}", "5%"))
    above = np.random.default_rng(4).binomial(100, 0.055, 361).tolist()
    state, _ = judged(plan, adopted(plan, imported()), above[:360])
    before = state.watches["errors/error"].rows
    assert before.log_m.max() > 3
    assert before.block.tolist() == [6]
    state, found = judged(plan, state, above[360:], first=360)
    after = state.watches["errors/error"].rows
    assert [type(d) for d in found] == [Chosen]
    assert after.block.tolist() == [1]
    assert after.log_m.max() == pytest.approx(before.log_m.max(), abs=1)


def test_too_little_traffic_chooses_nothing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LONG", "1h").replace("30000", "40000"))
    state, decisions = judged(plan, adopted(plan, imported()), independent(361))
    assert decisions == []
    assert list(state.trials) == [ERROR]


def test_traffic_too_bursty_for_any_block_stays_without_guarantee_and_on_trial(plan: Plan) -> None:
    state, decisions = judged(plan, adopted(plan, imported()), [0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2] * 31)
    assert [d for d in decisions if isinstance(d, Chosen)] == []
    assert list(state.trials) == [ERROR]
    assert not state.watches["errors/error"].rows.guaranteed.any()


def test_a_given_reference_that_knows_its_block_is_not_tried(plan: Plan) -> None:
    assert adopted(plan, imported(60)).trials == {}


def test_a_reference_given_later_ends_the_trial_of_the_one_before(plan: Plan) -> None:
    state, _ = judged(plan, adopted(plan, imported()), independent(100))
    assert adopting.adopt(state, [imported(60)], plan, 0)[0].trials == {}
