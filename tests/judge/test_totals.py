"""Totals over a sliding time: cost a day, failures an hour, requests a week."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from judging import errors, pane, plan_of

from monitor.judge import core
from monitor.judge.block import PaneBlock
from monitor.judge.codec import decode, encode_core, encode_evidence
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict
from monitor.judge.watermark import Progress
from monitor.records.signals import BY_NAME

COST = BY_NAME["cost_usd"].code
HOUR, DAY = 360, 8_640

SPEND = "rules: [{name: spend, signal: cost_usd, total: 1d, above: {warning: 80, critical: 160}}]\n"


def spent(number: int, usd: float) -> PaneBlock:
    return replace(pane(number, {"requests": {1: {0: 10}}}), sums={COST: {1: usd}})


def judged(
    plan: Plan, blocks: Iterable[PaneBlock], state: JudgeState | None = None
) -> tuple[JudgeState, list[Verdict]]:
    state, found = state or JudgeState(), []
    for block in blocks:
        state, decisions = core.pane_step(state, block, plan)
        found += [d for d in decisions if isinstance(d, Verdict)]
    return state, found


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, SPEND)


def test_what_stays_below_the_limit_a_day_never_alarms(plan: Plan) -> None:
    assert judged(plan, [spent(p, 0.009) for p in range(2 * DAY)])[1] == []


def test_a_day_above_its_limit_opens_an_incident_and_escalates(plan: Plan) -> None:
    _, moves = judged(plan, [spent(p, 0.25) for p in range(700)])
    assert [(v.what, v.severity, v.detected_ms) for v in moves] == [
        ("opened", "warning", 321 * 10_000),
        ("escalated", "critical", 641 * 10_000),
    ]
    assert moves[0].alarm is not None
    assert moves[0].alarm.k == pytest.approx(80.25)
    assert not moves[0].alarm.guaranteed


def test_it_is_over_once_the_day_has_moved_on(plan: Plan) -> None:
    burst = [spent(p, 1.0) for p in range(81)]
    calm = [spent(p, 0.0001) for p in range(81, DAY + 500)]
    _, moves = judged(plan, burst + calm)
    assert [v.what for v in moves] == ["opened", "resolved"]
    assert DAY - 31 <= moves[1].detected_ms // 10_000 <= DAY + 31


def test_a_judge_that_takes_over_goes_on_adding(plan: Plan) -> None:
    blocks = [spent(p, 0.25) for p in range(400)]
    state, _ = judged(plan, blocks[:200])
    stored = decode(encode_core(state, Progress(3_000), ()), encode_evidence(state))
    _, moves = judged(plan, blocks[200:], stored.core)
    assert [v.detected_ms for v in moves] == [321 * 10_000]


def test_a_rate_counts_its_events(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "rules: [{name: failures, signal: error, total: 1h, above: 100}]\n")
    _, moves = judged(plan, [errors(p, 50, 1) for p in range(HOUR)])
    assert [v.detected_ms for v in moves] == [101 * 10_000]


def test_too_few_requests_say_nothing_before_the_whole_time_was_seen(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "rules: [{name: few, signal: requests, total: 1h, below: 1000}]\n")
    _, moves = judged(plan, [errors(p, 2, 0) for p in range(2 * HOUR)])
    assert [v.what for v in moves] == ["opened"]
    assert HOUR <= moves[0].detected_ms // 10_000 <= HOUR + 2


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("signal: cost_usd, total: 1d, above: 2x", "is no limit of a total"),
        ("signal: error, total: 1d, above: 5%", "is no limit of a total"),
        ("signal: output_language, total: 1d, above: 5", "is a category, and has no total"),
        ("signal: cost_usd, total: 1d, above: 5, window: 5s", "window has no effect on a total"),
        ("signal: cost_usd, total: 1s, above: 5", "total"),
        ("signal: cost_usd, total: 1d, drift: up", "total has no effect on a rule with drift"),
    ],
)
def test_a_total_that_means_nothing_is_refused(tmp_path: Path, rule: str, sentence: str) -> None:
    with pytest.raises(Exception, match=sentence):
        plan_of(tmp_path, f"rules: [{{name: a, {rule}}}]\n")
