"""Requests against the same time last week."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judging import LABELS, pane, plan_of

from monitor.config.rule import Severity
from monitor.judge import core, traffic
from monitor.judge.codec import decode, encode_core, encode_evidence
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.traffic import KEPT, STRETCH_PANES, UNKNOWN, WEEK, Week
from monitor.judge.verdicts import Verdict
from monitor.judge.watermark import Progress

RULES = """
rules:
  - {name: traffic, signal: requests, below: {warning: 0.5x, critical: 0.1x}, above: 2x}
"""
NOW = 3_000_000 // STRETCH_PANES


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, RULES)


def last_week(each: int, now: int, first: int = NOW - WEEK - 10) -> Week:
    """`each` requests in every ten minutes since `first`, and `now` in the newest."""
    counts = np.full(NOW - first + 1, each, np.int64)
    counts[-1] = now
    return Week(first, counts)


def severities(plan: Plan, week: Week) -> list[Severity | None]:
    (watch,) = plan.traffic
    return [c.severity for c in traffic.step(watch, {1: week}, NOW * STRETCH_PANES + 59, LABELS)]


@pytest.mark.parametrize(
    ("now", "severity"),
    [
        (1_000, None),
        (600, None),
        (400, Severity.WARNING),
        (20, Severity.CRITICAL),
        (0, Severity.CRITICAL),
        (1_900, None),
        (2_500, Severity.WARNING),
    ],
)
def test_half_and_double_of_last_week(plan: Plan, now: int, severity: Severity | None) -> None:
    assert severities(plan, last_week(1_000, now)) == [severity]


def test_what_chance_can_do_is_no_change(plan: Plan) -> None:
    assert severities(plan, last_week(12, 5)) == [None]


def test_a_stream_that_is_not_a_week_old_is_not_compared(plan: Plan) -> None:
    assert severities(plan, last_week(1_000, 0, first=NOW - WEEK)) == []


def test_too_few_requests_last_week_say_nothing(tmp_path: Path) -> None:
    busy = plan_of(tmp_path, RULES.replace("above: 2x", "above: 2x, min_n: 100"))
    assert severities(busy, last_week(50, 0)) == []


def judged(plan: Plan, counts: Sequence[int], state: JudgeState) -> tuple[JudgeState, list[Verdict]]:
    """Ten minutes a count, all of it in their first pane."""
    found = []
    for i, n in enumerate(counts):
        for p in range(STRETCH_PANES):
            number = (NOW + 1 + i) * STRETCH_PANES + p
            block = pane(number, {"requests": {1: {0: n}}} if p == 0 and n else {})
            state, decisions = core.pane_step(state, block, plan)
            found += [d for d in decisions if isinstance(d, Verdict)]
    return state, found


def test_an_incident_opens_escalates_and_resolves(plan: Plan) -> None:
    state = JudgeState(weeks={1: last_week(1_000, 1_000)})
    _, moves = judged(plan, [400, 0, 1_000, 1_000], state)
    assert [(v.what, v.severity) for v in moves] == [
        ("opened", Severity.WARNING),
        ("escalated", Severity.CRITICAL),
        ("resolved", Severity.CRITICAL),
    ]
    assert moves[0].alarm is not None
    assert not moves[0].alarm.guaranteed
    assert (moves[0].alarm.k, moves[0].alarm.n) == (400, 1_000)


def test_while_a_partition_is_behind_nothing_is_compared(plan: Plan) -> None:
    state = JudgeState(weeks={1: last_week(1_000, 1_000)})
    end = (NOW + 2) * STRETCH_PANES - 1
    assert core.pane_step(state, pane(end, {}, blind=True), plan)[1] == []
    assert len(core.pane_step(state, pane(end, {}), plan)[1]) == 1


def test_only_what_is_needed_is_kept() -> None:
    weeks = {1: Week(0, np.ones(KEPT, np.int64))}
    block = pane(KEPT * STRETCH_PANES, {"requests": {1: {0: 7}}})
    after = traffic.heard(weeks, block)[1]
    assert (after.first, len(after.counts), after.at(KEPT), after.at(0)) == (1, KEPT, 7, 0)
    long_after = pane(9 * KEPT * STRETCH_PANES, {"requests": {1: {0: 7}}})
    assert traffic.heard(weeks, long_after)[1].first == 9 * KEPT


def test_weeks_are_stored_with_the_evidence(plan: Plan) -> None:
    state = JudgeState(weeks={1: last_week(5, 6)})
    restored = decode(encode_core(state, Progress(0), ()), encode_evidence(state)).core
    assert restored.weeks[1].at(NOW) == 6
    assert replace(restored, weeks={}) == replace(state, weeks={})


def test_while_a_switch_is_tripped_nothing_is_compared_nor_of_the_ten_minutes_of_its_release(
    plan: Plan,
) -> None:
    """A killed stream has less traffic because Tocsin stopped it: that is no news."""
    state, found = JudgeState(weeks={1: last_week(1_000, 1_000)}), []
    begin = (NOW + 1) * STRETCH_PANES
    for number in range(begin, begin + 3 * STRETCH_PANES):
        paused = frozenset({1}) if number < begin + STRETCH_PANES + 30 else frozenset()
        block = pane(number, {"requests": {1: {0: 3}}}, paused=paused)
        state, decisions = core.pane_step(state, block, plan)
        found += [(d.what, d.detected_ms) for d in decisions if isinstance(d, Verdict)]
    assert found == [("opened", (begin + 3 * STRETCH_PANES) * 10_000)]


def test_ten_minutes_in_which_a_switch_was_tripped_are_no_measure_a_week_later(plan: Plan) -> None:
    week = last_week(1_000, 1_000)
    before = NOW - WEEK - week.first
    week.counts[before - 3 : before + 3] = UNKNOWN
    assert severities(plan, week) == [None]
    week.counts[before + 3] = UNKNOWN
    assert severities(plan, week) == []
