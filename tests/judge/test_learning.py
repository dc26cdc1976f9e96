"""From panes to references to rows: correlation, changed rules, and many streams at once."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from judging import errors, pane, plan_of

from monitor.judge import core, learning
from monitor.judge.block import PaneBlock
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict
from monitor.records.signals import BY_NAME

ERROR = BY_NAME["error"].code
RULES = """
reference: {learn: 30000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: LIMIT}
"""


def rules(tmp_path: Path, limit: str) -> Plan:
    return plan_of(tmp_path, RULES.replace("LIMIT", limit))


def judged(plan: Plan, blocks: Iterable[PaneBlock], state: JudgeState | None = None) -> JudgeState:
    state = state or JudgeState()
    for block in blocks:
        state, _ = core.pane_step(state, block, plan)
    return state


def panes(failures: Sequence[int], n: int = 100, first: int = 0) -> list[PaneBlock]:
    return [errors(first + p, n, int(k)) for p, k in enumerate(failures)]


def independent(count: int) -> list[PaneBlock]:
    return panes(np.random.default_rng(3).binomial(100, 0.01, count))


def test_independent_panes_are_learned_as_blocks_of_ten_seconds(tmp_path: Path) -> None:
    reference = judged(rules(tmp_path, "2x"), independent(310)).references[1, ERROR]
    assert (reference.provisional, reference.correlation.block_s) == (False, 10)
    assert reference.correlation.phi < 1.3


def test_bursts_of_a_minute_are_learned_as_longer_blocks_and_fewer_effective_records(tmp_path: Path) -> None:
    rate = np.repeat(np.random.default_rng(4).choice([0.005, 0.1], 520), 6)
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "2x").replace("30000", "300000"))
    state = judged(plan, panes(np.random.default_rng(5).binomial(100, rate)))
    correlation = state.references[1, ERROR].correlation
    assert correlation.block_s in (60, 300)
    assert correlation.phi > 5
    assert set((state.watches["errors/error"].rows.block * 10).tolist()) == {correlation.block_s}


def test_a_change_while_learning_drops_the_older_half_and_learns_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    failures = np.concatenate((rng.binomial(100, 0.01, 150), rng.binomial(100, 0.06, 151)))
    split = judged(rules(tmp_path, "2x"), panes(failures))
    reference = split.references[1, ERROR]
    assert (reference.provisional, reference.from_ms) == (True, 1_500_000)
    assert 0.05 < reference.counts[1] / reference.n < 0.07
    later = judged(rules(tmp_path, "2x"), panes(rng.binomial(100, 0.06, 150), first=301), split)
    assert (later.references[1, ERROR].provisional, later.references[1, ERROR].learned) == (False, 30_000)
    assert later.watches["errors/error"].resting == {1: later.references[1, ERROR].reference_id}


NIGHT, DAY = (5, 0.05), (500, 0.01)


def by_volume(count: int, first: int = 0) -> list[PaneBlock]:
    """Panes that change between a quiet night that fails often and a busy day."""
    rng = np.random.default_rng(8)
    sizes = [NIGHT if p // 100 % 2 else DAY for p in range(first, first + count)]
    return [errors(first + p, n, int(rng.binomial(n, rate))) for p, (n, rate) in enumerate(sizes)]


def test_limits_allow_for_quiet_panes_that_fail_more_than_all_records_together(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "2x").replace("30000", "200000"))
    state = judged(plan, by_volume(1000))
    assert not (reference := state.references[1, ERROR]).provisional
    assert reference.panes.panes == pytest.approx((reference.until_ms - reference.from_ms) / 10_000)
    rows = state.watches["errors/error"].rows
    assert rows.p_ref.max() == pytest.approx(0.0104, abs=0.001)
    assert rows.m.min() > 2 * 0.025


def test_what_a_reference_split_by_a_change_goes_on_with_has_its_own_panes_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    failures = np.concatenate((rng.binomial(100, 0.01, 150), rng.binomial(100, 0.06, 151)))
    reference = judged(rules(tmp_path, "2x"), panes(failures)).references[1, ERROR]
    # 151, less the one that the older half had taken when it was half way.
    assert reference.panes.panes == pytest.approx(reference.n / 100)
    np.testing.assert_allclose(reference.panes.rates, reference.counts / 100)


def test_a_trial_ends_with_the_learned_reference(tmp_path: Path) -> None:
    plan = rules(tmp_path, "2x")
    assert list(judged(plan, independent(40)).trials) == [ERROR]
    assert judged(plan, independent(310)).trials == {}


def test_a_changed_rule_rests_on_the_reference_that_is_there_and_keeps_its_blocks(tmp_path: Path) -> None:
    learned = judged(rules(tmp_path, "2x"), independent(310))
    changed = judged(rules(tmp_path, "3x"), panes([1], first=310), learned)
    watch = changed.watches["errors/error"]
    assert watch.resting == {1: learned.references[1, ERROR].reference_id}
    assert watch.rows.guaranteed.all()
    assert (watch.rows.m > learned.watches["errors/error"].rows.m.min()).all()


def test_evidence_against_an_absolute_limit_outlives_the_reference_it_does_not_need(tmp_path: Path) -> None:
    plan = rules(tmp_path, "30%")
    state = judged(plan, panes([80] * 29))
    assert (before := state.watches["errors/error"]).resting == {1: learning.ABSOLUTE_ONLY}
    after = judged(plan, panes([80], first=29), state).watches["errors/error"]
    assert after.resting == {1: 1}
    assert after.rows.log_m.max() > before.rows.log_m.max() > 0


def test_after_an_incident_rows_rest_on_what_was_learned_meanwhile(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RULES.replace("LIMIT", "30%").replace("30000", "100000"))
    state = judged(plan, panes([100] * 95))
    assert ("errors/error", 1) in state.incidents
    calm = judged(plan, panes([1] * 1500, first=95), state)
    assert ("errors/error", 1) not in calm.incidents
    assert calm.watches["errors/error"].resting == {1: calm.references[1, ERROR].reference_id}


def test_of_many_streams_that_begin_together_some_get_their_rows_a_pane_later(tmp_path: Path) -> None:
    plan = rules(tmp_path, "50%")
    many = {stream: {0: 10} for stream in range(1, learning.MOST_RESTED + 51)}
    labels = {stream: {"model": "m"} for stream in many}
    blocks = [PaneBlock(p, pane(p, {"requests": many, "error": many}).counts, labels) for p in range(2)]
    first = judged(plan, blocks[:1])
    assert len(first.watches["errors/error"].resting) == learning.MOST_RESTED
    assert len(judged(plan, blocks[1:], first).watches["errors/error"].resting) == len(many)


def test_a_change_after_a_changed_rule_still_alarms(tmp_path: Path) -> None:
    learned = judged(rules(tmp_path, "2x"), independent(310))
    state, found = learned, []
    for block in panes([20] * 60, first=310):
        state, decisions = core.pane_step(state, block, rules(tmp_path, "3x"))
        found += [d for d in decisions if isinstance(d, Verdict)]
    assert [v.what for v in found if v.what == "opened"] == ["opened"]


def test_each_team_s_streams_share_a_promise_of_their_own(tmp_path: Path) -> None:
    per_team = """
false_alarms: {per: team}
streams:
  labels:
    - {match: {model: a}, set: {team: search}}
    - {match: {model: "b*"}, set: {team: chat}}
rules:
  - {name: errors, signal: error, above: 30%}
"""
    plan = plan_of(tmp_path, per_team)
    labels = {1: {"model": "a"}, 2: {"model": "b1"}, 3: {"model": "b2"}}
    counts = {stream: {0: 1_000, 1: 100} for stream in labels}
    requests = {stream: {0: 1_100} for stream in labels}
    state = JudgeState()
    for p in range(12):
        block = pane(p, {"requests": requests, "error": counts})
        state, _ = core.pane_step(state, PaneBlock(p, block.counts, labels), plan)
    rows = state.watches["errors/error"].rows
    alone, shared, _ = (rows.log_m[rows.stream == s].max() for s in (1, 2, 3))
    assert alone - shared == pytest.approx(np.log(2))
