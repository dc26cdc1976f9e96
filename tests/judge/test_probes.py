"""Switches with a state for each model, and probes: what is let through decides (detection.md, section 4)."""

from pathlib import Path

import numpy as np
import pytest
from judging import HEAD, LABELS, counts_of

from monitor import config
from monitor.config import REPLAY
from monitor.judge import killing
from monitor.judge.block import SlotBlock
from monitor.judge.compiling import compile_plan
from monitor.judge.kill import Switch, Switches
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Decision, Mended, Trip
from monitor.records.signals import BY_NAME

RULES = """
reference: {learn: 1000, at_least: 0s}
rules: [{name: errors, signal: error, above: {critical: 10%}, kill: chat}]
"""
ERROR = BY_NAME["error"].code
PROBED_MS = 60_000


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    path = tmp_path / "alerts.yaml"
    path.write_text(HEAD.replace("    mode: disable\n", "    mode: disable\n    per: [model]\n") + RULES)
    return compile_plan(config.load(path, environ={}, need=REPLAY))


def second(number: int, failing: dict[int, tuple[int, int]]) -> SlotBlock:
    """A second with {stream: (requests, failures)}."""
    return SlotBlock(
        number, {ERROR: counts_of({s: {0: n - k, 1: k} for s, (n, k) in failing.items()})}, LABELS
    )


def fed(
    plan: Plan, seconds: range, failing: dict[int, tuple[int, int]], switches: Switches, state: JudgeState
) -> tuple[JudgeState, list[Decision]]:
    decisions: list[Decision] = []
    for number in seconds:
        state, found = killing.kill_step(state, second(number, failing), plan, switches)
        decisions += found
    return state, decisions


def probing(sequence: int = 7) -> Switches:
    return {("chat", "chat-eu"): Switch(False, sequence, probing=True, probed_ms=PROBED_MS)}


def test_with_per_a_rule_needs_no_match_and_trips_the_state_of_the_model_that_fails(plan: Plan) -> None:
    _, decisions = fed(plan, range(15), {1: (20, 20), 2: (20, 0)}, {}, JudgeState())
    assert {(d.switch, d.value) for d in decisions if isinstance(d, Trip)} == {("chat", "chat-eu")}


def test_a_tripped_model_leaves_the_evidence_about_the_others_alone(plan: Plan) -> None:
    state, _ = fed(plan, range(5), {1: (20, 20), 2: (20, 20)}, {}, JudgeState())
    tripped = {("chat", "chat-eu"): Switch(True, 3)}
    _, decisions = fed(plan, range(5, 15), {1: (20, 20), 2: (20, 20)}, tripped, state)
    assert {d.value for d in decisions if isinstance(d, Trip)} == {"chat-us"}
    assert 8 <= min(d.detected_ms for d in decisions if isinstance(d, Trip)) // 1000 <= 11


def test_a_stream_without_the_label_pulls_nothing(plan: Plan) -> None:
    state = JudgeState()
    for number in range(15):
        block = SlotBlock(number, {ERROR: counts_of({0: {1: 20}})}, {0: {}})
        state, decisions = killing.kill_step(state, block, plan, {})
        assert decisions == []


def test_a_probe_that_is_good_for_its_time_releases(plan: Plan) -> None:
    state, early = fed(plan, range(59), {1: (10, 0)}, probing(), JudgeState())
    assert early == []
    _, decisions = fed(plan, range(59, 61), {1: (10, 0)}, probing(), state)
    released = [d for d in decisions if isinstance(d, Mended)]
    assert released[0] == Mended("chat", "chat-eu", ("errors",), 60_000)


def test_a_probe_that_fails_trips_again(plan: Plan) -> None:
    _, decisions = fed(plan, range(30), {1: (3, 3)}, probing(), JudgeState())
    assert decisions
    assert not any(isinstance(d, Mended) for d in decisions)
    assert any(isinstance(d, Trip) and d.value == "chat-eu" for d in decisions)


def test_a_probe_without_records_goes_on(plan: Plan) -> None:
    _, decisions = fed(plan, range(500), {2: (10, 0)}, probing(), JudgeState())
    assert decisions == []


def test_a_handful_of_good_records_is_not_enough(plan: Plan) -> None:
    state, _ = fed(plan, range(58), {2: (10, 0)}, probing(), JudgeState())
    _, decisions = fed(plan, range(58, 70), {1: (1, 0)}, probing(), state)
    assert decisions == []


def test_what_was_good_before_the_probe_does_not_count(plan: Plan) -> None:
    state, _ = fed(plan, range(50), {1: (10, 0)}, probing(7), JudgeState())
    state, _ = fed(plan, range(50, 51), {2: (10, 0)}, probing(8), state)
    assert np.isneginf(state.kills["errors/error"].rows.log_r).all()


def test_a_probe_at_the_limit_is_taken_for_good_as_seldom_as_promised(plan: Plan) -> None:
    """60 probes of ten minutes with 10% failures: once in 8640 seconds is promised, with room for chance."""
    draws = np.random.default_rng(11).binomial(3, 0.10, (60, 600))
    released = 0
    for row in draws:
        state = JudgeState()
        for number, k in enumerate(row.tolist()):
            block = second(number, {1: (3, k)})
            state, found = killing.kill_step(state, block, plan, probing())
            if any(isinstance(d, Mended) for d in found):
                released += 1
                break
    assert released <= 60 * 600 / 8640 + 3 * (60 * 600 / 8640) ** 0.5
