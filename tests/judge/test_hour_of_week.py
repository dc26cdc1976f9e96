"""References by the hour of the week: each hour is held against itself, and evidence goes on over the hour."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judging import errors, plan_of

from monitor.judge import adopting, core, hourly, hours
from monitor.judge.block import PaneBlock
from monitor.judge.codec import decode, encode_core, encode_evidence, encode_hours
from monitor.judge.hour_rows import hours_of, rows_of
from monitor.judge.plan import Plan
from monitor.judge.reference import Correlation, Reference
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Decision, Learned, Verdict
from monitor.judge.watermark import Progress
from monitor.records.signals import BY_NAME

ERROR = BY_NAME["error"].code
KEY = (1, ERROR)
PANES_OF_HOUR = 360
WEEK = 168 * PANES_OF_HOUR
MONDAY = 4 * 24 * PANES_OF_HOUR
NIGHT, DAY = (20, 0.05), (200, 0.01)
RULES = """
reference: {by: hour_of_week, learn: 1000, at_least: 7d}
rules:
  - {name: errors, signal: error, above: LIMIT}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, RULES.replace("LIMIT", "{}"))


def usual(pane: int) -> tuple[int, float]:
    """Requests and their rate of failure: few by night, which fail more often."""
    hour = pane // PANES_OF_HOUR % 24
    return NIGHT if hour < 8 else DAY


def drawn(first: int, count: int, seed: int, times: float = 1.0) -> Iterator[PaneBlock]:
    rng = np.random.default_rng(seed)
    for p in range(first, first + count):
        n, rate = usual(p)
        yield errors(p, n, int(rng.binomial(n, rate * times)))


def promoted(seed: int = 1) -> Learned:
    """What a week of panes, from a Monday on, comes to."""
    rng = np.random.default_rng(seed)
    pane = np.arange(MONDAY, MONDAY + WEEK)
    n, rate = np.array([usual(p) for p in pane.tolist()]).T
    k = rng.binomial(n.astype(np.int64), rate)
    both, buckets = np.concatenate((pane, pane)), np.repeat([0, 1], len(pane))
    counts = np.concatenate((n.astype(np.int64) - k, k))
    seen = counts > 0
    by_hour = hours.of_panes(both[seen], 10_000, buckets[seen], counts[seen])
    whole = np.array([(n - k).sum(), k.sum()]).astype(np.int64)
    span = (MONDAY * 10_000, (MONDAY + WEEK) * 10_000)
    found = Reference(
        7, False, int(whole.sum()), *span, np.arange(2), whole, Correlation(10), "promoted", hourly=True
    )
    return Learned(1, ERROR, found, by_hour)


def judged(plan: Plan, state: JudgeState, blocks: Iterator[PaneBlock]) -> tuple[JudgeState, list[Decision]]:
    found: list[Decision] = []
    for block in blocks:
        state, decisions = core.pane_step(state, block, plan)
        found += decisions
    return state, found


def opened(decisions: list[Decision]) -> list[Verdict]:
    return [d for d in decisions if isinstance(d, Verdict) and d.what == "opened"]


def begun(plan: Plan) -> JudgeState:
    return adopting.adopt(JudgeState(), [promoted()], plan, 0)[0]


def test_the_hour_of_the_week_begins_on_monday_in_utc() -> None:
    assert hours.hour_of(0) == 3 * 24
    assert hours.hour_of(MONDAY * 10_000) == 0
    assert hours.hour_of(MONDAY * 10_000 - 1) == 167


def test_left_out_the_tolerance_of_a_rate_is_once_and_a_half_its_odds(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        """
reference: {by: hour_of_week}
rules:
  - {name: errors, signal: error, above: reference}
  - {name: length, signal: output_tokens, drift: up}
""",
    )
    assert plan.at_least_ms == 7 * 86_400_000
    assert [w.tiers[0].text for w in plan.watches] == ["1.5x", "1.25x"]


def test_limits_are_those_of_the_hour(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "1.5x"))
    state, _ = judged(plan, begun(plan), drawn(MONDAY + WEEK, 1, 2))
    night = state.watches["errors/error"].rows
    assert 1.5 * 0.05 < night.m[0] < 0.13
    state, _ = judged(plan, state, drawn(MONDAY + WEEK + 12 * PANES_OF_HOUR, 1, 2))
    day = state.watches["errors/error"].rows
    assert 1.5 * 0.01 < day.m[0] < 0.022
    assert day.p_ref[0] == pytest.approx(0.01, abs=0.002)


def test_evidence_goes_on_over_the_change_of_the_hour(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "1.5x"))
    last = MONDAY + WEEK + PANES_OF_HOUR - 1
    state, _ = judged(plan, begun(plan), drawn(last - 5, 6, 3, times=4))
    before = state.watches["errors/error"].rows
    assert before.log_m.max() > 0
    n, _ = usual(last + 1)
    state, _ = judged(plan, state, iter([errors(last + 1, n, round(n * 0.09))]))
    after = state.watches["errors/error"].rows
    assert (after.m != before.m).all()
    assert after.log_m.max() == pytest.approx(before.log_m.max(), abs=1.5)
    assert after.onset.onset_ms[0] == before.onset.onset_ms[0]


def test_a_change_at_night_is_found_against_the_night(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "1.5x"))
    start = MONDAY + WEEK + PANES_OF_HOUR
    state, decisions = judged(plan, begun(plan), drawn(start, PANES_OF_HOUR, 4))
    assert opened(decisions) == []
    _, decisions = judged(plan, state, drawn(start + PANES_OF_HOUR, 3 * PANES_OF_HOUR, 5, times=4))
    (verdict,) = opened(decisions)
    assert verdict.alarm is not None
    assert verdict.alarm.guaranteed
    assert verdict.alarm.p_ref == pytest.approx(0.05, abs=0.01)
    assert verdict.reference is not None
    assert verdict.reference.hours in {(2,), (3,), (4,)}
    assert verdict.reference.counts[1] / verdict.reference.n == pytest.approx(0.05, abs=0.01)


def test_by_day_a_night_s_rate_is_a_change(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "1.5x"))
    _, decisions = judged(plan, begun(plan), drawn(MONDAY + WEEK + 10 * PANES_OF_HOUR, 360, 6, times=5))
    assert len(opened(decisions)) == 1


def test_an_incident_goes_on_over_the_hour_and_ends_where_it_is_over(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "1.5x"))
    start = MONDAY + WEEK + 7 * PANES_OF_HOUR
    state, decisions = judged(plan, begun(plan), drawn(start, 2 * PANES_OF_HOUR, 7, times=6))
    assert next(d.what for d in decisions if isinstance(d, Verdict)) == "opened"
    assert ("errors/error", 1) in state.incidents
    state, decisions = judged(plan, state, drawn(start + 2 * PANES_OF_HOUR, 6 * PANES_OF_HOUR, 8))
    assert [d.what for d in decisions if isinstance(d, Verdict)] == ["resolved"]


def test_a_judge_restarted_in_mid_hour_goes_on_with_the_same_state(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "1.5x"))
    start = MONDAY + WEEK + 7 * PANES_OF_HOUR + 100
    state, _ = judged(plan, begun(plan), drawn(start, 200, 9))
    blobs = encode_core(state, Progress(3_000), ()), encode_evidence(state), encode_hours(state)
    again = decode(*blobs).core
    one = judged(plan, state, drawn(start + 200, 400, 10, times=3))
    other = judged(plan, again, drawn(start + 200, 400, 10, times=3))
    assert repr(one[1]) == repr(other[1])
    assert encode_evidence(one[0]) == encode_evidence(other[0])
    assert len(opened(one[1])) == 1


def test_a_week_of_panes_is_learned_as_its_hours(tmp_path: Path) -> None:
    text = RULES.replace("LIMIT", "2x").replace("learn: 1000", "learn: 100000")
    plan = plan_of(tmp_path, text)
    state, decisions = judged(plan, JudgeState(), sparse(MONDAY, WEEK + 120, 11))
    (learned,) = [d for d in decisions if isinstance(d, Learned) and not d.reference.provisional]
    assert learned.hours is not None
    assert learned.reference.hourly
    assert state.hour == {}
    night, day = (hourly.reference(state, KEY, (MONDAY + h * PANES_OF_HOUR) * 10_000) for h in (2, 12))
    assert night is not None
    assert day is not None
    assert night.counts[1] / night.n == pytest.approx(0.05, abs=0.01)
    assert day.counts[1] / day.n == pytest.approx(0.01, abs=0.003)
    whole = state.references[KEY]
    assert int(learned.hours.count.sum()) == whole.n
    assert learned.hours.panes.sum() == pytest.approx(whole.panes.panes)


def sparse(first: int, count: int, seed: int) -> Iterator[PaneBlock]:
    """Every sixtieth pane, so that a week is soon over."""
    rng = np.random.default_rng(seed)
    for p in range(first, first + count, 60):
        n, rate = usual(p)
        yield errors(p, n, int(rng.binomial(n, rate)))


def test_without_by_in_the_file_a_learned_reference_is_the_whole(tmp_path: Path) -> None:
    text = RULES.replace("LIMIT", "2x").replace("learn: 1000", "learn: 100000")
    by_hour, whole = (plan_of(tmp_path, t) for t in (text, text.replace("by: hour_of_week, ", "")))
    begun, _ = judged(by_hour, JudgeState(), sparse(MONDAY, WEEK // 2, 11))
    state, _ = judged(whole, begun, sparse(MONDAY + WEEK // 2, WEEK // 2 + 120, 11))
    assert not state.references[KEY].provisional
    assert not state.references[KEY].hourly


def test_an_hour_that_is_not_over_costs_no_storing_of_the_past_ones(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "2x"))
    state, _ = judged(plan, JudgeState(), drawn(MONDAY, PANES_OF_HOUR + 1, 12))
    later, _ = judged(plan, state, drawn(MONDAY + PANES_OF_HOUR + 1, PANES_OF_HOUR - 1, 13))
    assert later.hours is state.hours
    after, _ = judged(plan, later, drawn(MONDAY + 2 * PANES_OF_HOUR, 1, 13))
    assert after.hours is not state.hours


def test_a_thin_hour_is_that_hour_of_all_days_and_else_the_whole() -> None:
    bucket, one = np.array([0, 1]), np.array([400, 100])
    thin = np.array([80, 20])
    found = hours.of_hour(3, bucket, one)
    for day in (1, 2):
        found = hours.added(found, hours.of_hour(3 + 24 * day, bucket, thin))
    own, borrowed = hours.usual(found, 3), hours.usual(found, 27)
    assert own is not None
    assert (own.hours, own.counts.tolist()) == ((3,), [400, 100])
    assert borrowed is not None
    assert borrowed.hours == (3, 27, 51, 75, 99, 123, 147)
    assert borrowed.counts.tolist() == [560, 140]
    assert borrowed.panes.panes == 3
    assert hours.usual(found, 5) is None


def test_hours_are_the_same_from_the_ledger_s_rows() -> None:
    found = promoted().hours
    assert found is not None
    again = hours_of(rows_of(found))
    assert again is not None
    for name in ("hour", "bucket", "count", "rate", "panes", "inverse"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert rows_of(None) == ()
    assert hours_of(()) is None


def test_a_whole_reference_given_later_takes_the_hours_with_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "1.5x"))
    one = promoted()
    plain = Learned(1, ERROR, replace(one.reference, reference_id=8, hourly=False))
    state = adopting.adopt(begun(plan), [plain], plan, 0)[0]
    assert state.hours == {}
    assert hourly.reference(state, KEY, 0) is state.references[KEY]
