"""The pure core: learning, alarms, escalation, recovery, silence, quarantine."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judging import LABELS, errors, pane, plan_of

from monitor.config.rule import Severity
from monitor.judge import core
from monitor.judge.block import PaneBlock
from monitor.judge.codec import decode, encode_core, encode_evidence
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Decision, Learned, Quarantined, Verdict
from monitor.judge.watermark import Progress

RULES = """
reference: {learn: 30000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: {warning: 2x, critical: 30%}}
"""


def judged(
    plan: Plan, blocks: Iterable[PaneBlock], state: JudgeState | None = None
) -> tuple[JudgeState, list[Decision]]:
    state, decisions = state or JudgeState(), []
    for block in blocks:
        state, found = core.pane_step(state, block, plan)
        decisions += found
    return state, decisions


def verdicts(decisions: Iterable[Decision]) -> list[Verdict]:
    return [d for d in decisions if isinstance(d, Verdict)]


def stationary(panes: range, n: int, rate: float, seed: int = 11) -> list[PaneBlock]:
    draws = np.random.default_rng(seed).binomial(n, rate, len(panes))
    return [errors(p, n, int(k)) for p, k in zip(panes, draws, strict=True)]


def stored(state: JudgeState) -> tuple[bytes, bytes]:
    return encode_core(state, Progress(3_000), ()), encode_evidence(state)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, RULES)


def test_a_reference_is_provisional_after_a_tenth_and_learned_after_all_of_it(plan: Plan) -> None:
    _, decisions = judged(plan, stationary(range(320), 100, 0.01))
    learned = [d.reference for d in decisions if isinstance(d, Learned)]
    assert [(r.provisional, r.learned) for r in learned] == [(True, 3_000), (False, 30_000)]


def test_a_rate_of_forty_percent_that_falls_to_nothing_is_found(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("above: {warning: 2x, critical: 30%}", "below: 0.5x"))
    assert verdicts(judged(plan, stationary(range(320), 100, 0.4))[1]) == []
    moves = verdicts(
        judged(plan, stationary(range(320), 100, 0.4) + stationary(range(320, 900), 100, 0.02))[1]
    )
    assert [v.what for v in moves if v.what != "worsened"] == ["opened"]


def test_what_stays_within_the_tolerance_never_alarms(plan: Plan) -> None:
    calm = stationary(range(320), 100, 0.01) + stationary(range(320, 2000), 100, 0.018, seed=8)
    assert verdicts(judged(plan, calm)[1]) == []


def test_a_change_opens_one_incident_that_escalates_and_resolves(plan: Plan) -> None:
    story = (
        stationary(range(320), 100, 0.01)
        + stationary(range(320, 370), 100, 0.10)
        + stationary(range(370, 430), 100, 0.90)
        + stationary(range(430, 530), 100, 0.01)
    )
    moves = verdicts(judged(plan, story)[1])
    assert [v.what for v in moves if v.what != "worsened"] == ["opened", "escalated", "resolved"]
    opened = moves[0]
    assert abs(opened.onset_ms - 3_200_000) <= 20_000
    assert opened.severity is Severity.WARNING
    assert opened.alarm is not None
    assert opened.alarm.guaranteed
    assert {v.onset_ms for v in moves} == {opened.onset_ms}
    assert moves[-1].severity is Severity.CRITICAL


def test_a_drift_that_goes_to_its_other_side_has_turned_once(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        RULES.replace("above: {warning: 2x, critical: 30%}", "drift: both, tolerance: 2x, clear_for: 1h"),
    )
    phases = [(0, 320, 0.4), (320, 400, 0.01), (400, 480, 0.99), (480, 560, 0.01), (560, 640, 0.99)]
    story = [block for a, b, rate in phases for block in stationary(range(a, b), 100, rate)]
    moves = [
        (v.what, v.detected_ms // 10_000) for v in verdicts(judged(plan, story)[1]) if v.what != "worsened"
    ]
    assert [what for what, _ in moves] == ["opened", "turned"]
    assert 320 < moves[0][1] < 400 < moves[1][1] < 480


def test_a_provisional_reference_alarms_without_guarantee(tmp_path: Path) -> None:
    slow = plan_of(tmp_path, RULES.replace("at_least: 0s", "at_least: 24h"))
    story = stationary(range(150), 100, 0.01) + stationary(range(150, 250), 100, 0.4)
    opened = verdicts(judged(slow, story)[1])[0]
    assert opened.reference is not None
    assert opened.reference.provisional
    assert opened.alarm is not None
    assert not opened.alarm.guaranteed


def test_one_persistent_change_opens_one_incident_in_a_day(plan: Plan) -> None:
    story = stationary(range(320), 100, 0.01) + stationary(range(320, 320 + 8640), 100, 0.10)
    assert [v.what for v in verdicts(judged(plan, story)[1]) if v.what != "worsened"] == ["opened"]


def test_no_data_is_never_a_recovery(plan: Plan) -> None:
    story = stationary(range(320), 100, 0.01) + stationary(range(320, 390), 100, 0.2)
    empty = [PaneBlock(p, {}, LABELS) for p in range(390, 1390)]
    moves = verdicts(judged(plan, story + empty)[1])
    assert "resolved" not in {v.what for v in moves}


def test_silence_opens_and_the_next_record_resolves(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "rules: [{name: silence, absent: 2m}]")
    story = [errors(0, 10, 0), *(PaneBlock(p, {}, LABELS) for p in range(1, 20)), errors(20, 10, 0)]
    moves = verdicts(judged(plan, story)[1])
    assert [(v.what, v.detected_ms) for v in moves] == [("opened", 140_000), ("resolved", 210_000)]
    assert moves[0].onset_ms == 10_000


def test_rule_3_silence_is_no_news_while_a_partition_is_behind(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "rules: [{name: silence, absent: 2m}]")
    blind = [PaneBlock(p, {}, LABELS, blind=True) for p in range(1, 60)]
    assert verdicts(judged(plan, [errors(0, 10, 0), *blind])[1]) == []


def test_rule_8_a_rule_that_raises_is_quarantined_and_the_others_go_on(tmp_path: Path) -> None:
    rules = RULES + "  - {name: late, signal: timeout, above: 5%}\n"
    plan = plan_of(tmp_path, rules)
    state, _ = judged(plan, stationary(range(320), 100, 0.01))
    broken = state.watches["errors/error"]
    poisoned = replace(broken, rows=replace(broken.rows, m=broken.rows.m * np.nan))
    state = replace(state, watches={**state.watches, "errors/error": poisoned})
    counts = {"requests": {1: {0: 50}}, "error": {1: {0: 50}}, "timeout": {1: {0: 50}}}
    after, decisions = judged(plan, [pane(p, counts) for p in range(320, 332)], state)
    assert [type(d) for d in decisions if not isinstance(d, Learned)] == [Quarantined]
    assert np.isnan(after.watches["errors/error"].rows.m).all()
    assert after.watches["late/timeout"].rows.onset.n_since.sum() > 0


def test_the_core_does_not_change_the_state_it_was_given(plan: Plan) -> None:
    state, _ = judged(plan, stationary(range(320), 100, 0.01))
    before = stored(state)
    core.pane_step(state, errors(320, 100, 90), plan)
    assert stored(state) == before


def test_the_stored_state_judges_on_as_the_one_in_memory(plan: Plan) -> None:
    state, _ = judged(plan, stationary(range(320), 100, 0.01) + stationary(range(320, 325), 100, 0.2))
    restored = decode(*stored(state)).core
    rest = stationary(range(325, 400), 100, 0.2)
    assert repr(judged(plan, rest, restored)[1]) == repr(judged(plan, rest, state)[1])
