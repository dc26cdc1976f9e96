"""Objectives: burn rates over several windows at once, in virtual time."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from judging import counts_of, errors, pane, plan_of

from monitor.judge import core
from monitor.judge.block import PaneBlock
from monitor.judge.budgets import Budget, budgets
from monitor.judge.codec import decode, encode_core, encode_evidence
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict
from monitor.judge.watermark import Progress
from monitor.records.signals import BY_NAME

N = 2_000
MINUTE, HOUR, DAY = 6, 360, 8_640
RULE = "rules: [{name: slo, signal: error, objective: 99.9%, over: 30d, min_n: 100}]\n"
WARM = 3 * DAY


def judged(
    plan: Plan, blocks: Iterable[PaneBlock], state: JudgeState | None = None
) -> tuple[JudgeState, list[Verdict]]:
    state, found = state or JudgeState(), []
    for block in blocks:
        state, decisions = core.pane_step(state, block, plan)
        found += [d for d in decisions if isinstance(d, Verdict)]
    return state, found


def steady(first: int, panes: int, bad: int, n: int = N) -> Iterator[PaneBlock]:
    return (errors(p, n, bad) for p in range(first, first + panes))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("slo"), RULE)


@pytest.fixture(scope="module")
def warm(plan: Plan) -> JudgeState:
    """Three days without a single failure, as one pane a minute."""
    return judged(plan, (errors(p, N * MINUTE, 0) for p in range(0, WARM, MINUTE)))[0]


CASES = [
    # bad of 2,000   severity     the part of its window that each burn rate takes to be used up, in panes
    (2_000, "critical", 0.0144 * HOUR),
    (200, "critical", 0.144 * HOUR),
    (40, "critical", 0.72 * HOUR),
    (20, "critical", 0.6 * 6 * HOUR),
    (8, "warning", 0.75 * DAY),
    (4, "warning", 0.5 * 3 * DAY),
]


@pytest.mark.parametrize(("bad", "severity", "panes"), CASES)
def test_a_failure_is_told_as_soon_as_theory_has_it(
    plan: Plan, warm: JudgeState, bad: int, severity: str, panes: float
) -> None:
    """A share r of failures passes factor x budget of a window w after factor x budget x w / r."""
    _, moves = judged(plan, steady(WARM, int(panes) + HOUR, bad), warm)
    first = moves[0]
    assert (first.what, first.severity, first.signal) == ("opened", severity, "error")
    took = first.detected_ms / 10_000 - WARM
    assert panes * 23 / 24 - MINUTE <= took <= math.ceil(panes) + 1


def test_the_onset_is_when_the_failures_began(plan: Plan, warm: JudgeState) -> None:
    _, moves = judged(plan, steady(WARM, HOUR, 40), warm)
    assert moves[0].onset_ms == WARM * 10_000


def test_what_keeps_its_objective_is_never_told(plan: Plan, warm: JudgeState) -> None:
    assert judged(plan, steady(WARM, 2 * DAY, 1), warm)[1] == []


def test_a_slow_burn_that_grows_is_one_incident_that_escalates(plan: Plan, warm: JudgeState) -> None:
    burnt, tickets = judged(plan, steady(WARM, DAY, 8), warm)
    _, pages = judged(plan, steady(WARM + DAY, MINUTE * 5, N), burnt)
    assert [(v.what, v.severity) for v in tickets + pages] == [
        ("opened", "warning"),
        ("escalated", "critical"),
    ]


@pytest.mark.parametrize(("outage", "short"), [(9, 5 * MINUTE), (18, 30 * MINUTE)])
def test_an_outage_that_is_over_resolves_once_its_short_window_is_clean(
    plan: Plan, warm: JudgeState, outage: int, short: int
) -> None:
    """The longer one burns at the pace of 6h/30m too."""
    burnt, opened = judged(plan, steady(WARM, outage, N), warm)
    _, ended = judged(plan, steady(WARM + outage, HOUR, 0), burnt)
    assert [v.what for v in opened + ended] == ["opened", "resolved"]
    after = ended[0].detected_ms / 10_000 - WARM - outage
    assert short - MINUTE <= after - MINUTE <= short + 1


def test_silence_is_no_recovery_and_what_comes_after_it_opens_nothing_new(
    plan: Plan, warm: JudgeState
) -> None:
    burnt, opened = judged(plan, steady(WARM, 3 * MINUTE, N), warm)
    silent, moves = judged(plan, (pane(p, {}) for p in range(WARM + 18, WARM + 18 + HOUR // 2)), burnt)
    assert ([v.what for v in opened], moves) == (["opened"], [])
    _, moves = judged(plan, steady(WARM + 18 + HOUR // 2, 2 * MINUTE, N), silent)
    assert moves == []


def test_low_traffic_pages_nobody(plan: Plan) -> None:
    """One failure a minute is at most thirty in any short window that pages."""
    blocks = (errors(p, 1, 1) for p in range(0, 90 * MINUTE, MINUTE))
    assert judged(plan, blocks)[1] == []


def test_low_traffic_is_a_ticket_once_its_windows_have_enough(plan: Plan) -> None:
    blocks = (errors(p, 1, 1) for p in range(0, 4 * HOUR, MINUTE))
    assert [(v.what, v.severity) for v in judged(plan, blocks)[1]] == [("opened", "warning")]


def test_a_judge_that_takes_over_pages_as_the_first_would_have(plan: Plan, warm: JudgeState) -> None:
    blocks = list(steady(WARM, 2 * MINUTE, N))
    _, without = judged(plan, blocks, warm)
    half, _ = judged(plan, blocks[:3], warm)
    stored = decode(encode_core(half, Progress(3_000), ()), encode_evidence(half))
    _, moves = judged(plan, blocks[3:], stored.core)
    assert [(v.what, v.detected_ms) for v in moves] == [(v.what, v.detected_ms) for v in without]


def test_the_budget_is_what_may_be_bad_less_what_was(plan: Plan) -> None:
    state, _ = judged(plan, steady(0, 10, 1))
    assert budgets(state, plan) == {("slo", 1): Budget(0.999, 10 * N - 10, 10 * N, pytest.approx(0.5))}
    state, _ = judged(plan, steady(10, 10, 3), state)
    assert budgets(state, plan)["slo", 1].left == pytest.approx(0.0)


def test_the_budget_forgets_what_is_older_than_its_time(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULE.replace("30d", "3d"))
    state, _ = judged(plan, steady(0, MINUTE, N))
    state, _ = judged(plan, (errors(p, N, 0) for p in range(MINUTE, 3 * DAY - HOUR, MINUTE)), state)
    assert budgets(state, plan)["slo", 1].left < 0
    state, _ = judged(plan, [errors(3 * DAY, N, 0)], state)
    assert budgets(state, plan)["slo", 1].left == 1.0


def test_a_slow_answer_is_bad_and_one_at_the_limit_is_good(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "rules: [{name: slo, signal: latency_ms, objective: 99% below 100ms}]\n")
    scale = BY_NAME["latency_ms"].scale
    assert scale is not None
    at, over = (int(scale.bucket([value])[0]) for value in (100.0, 103.0))
    block = pane(0, {"latency_ms": {1: {at: 990, over: 10}}})
    assert (
        block.counts[BY_NAME["latency_ms"].code].count.tolist()
        == counts_of({1: {at: 990, over: 10}}).count.tolist()
    )
    assert budgets(judged(plan, [block])[0], plan)["slo", 1] == Budget(0.99, 990, 1_000, pytest.approx(0.0))


def test_streams_burn_their_own_budgets(plan: Plan) -> None:
    both = [pane(p, {"error": {1: {0: N}, 2: {1: N}}}) for p in range(MINUTE)]
    state, moves = judged(plan, both)
    assert {v.stream for v in moves} == {2}
    assert [b.left for b in budgets(state, plan).values()] == [1.0, pytest.approx(-999.0)]


def test_a_changed_objective_begins_anew(tmp_path: Path, plan: Plan) -> None:
    state, _ = judged(plan, steady(0, 10, 1))
    stricter = plan_of(tmp_path, RULE.replace("99.9%", "99.99%"))
    assert budgets(state, stricter) == {}
    assert budgets(judged(stricter, steady(10, 1, 0), state)[0], stricter)["slo", 1].total == N
