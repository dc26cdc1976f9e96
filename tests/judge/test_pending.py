"""`for`: an incident opens once its condition has held; the timing is Prometheus's."""

from pathlib import Path

import numpy as np
import pytest
from judging import errors, plan_of, slot

from monitor.judge import core
from monitor.judge.codec import decode, encode_core, encode_evidence
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict
from monitor.judge.watermark import Progress

WINDOW = "rules: [{name: outage, signal: error, window: 10s, above: 50%, for: 3m, clear_for: 5m}]"
EVIDENCE = """
reference: {learn: 30000, at_least: 0s}
rules: [{name: errors, signal: error, above: 2x, for: 10m}]
"""


def slid(plan: Plan, seconds: dict[int, bool], state: JudgeState | None = None) -> list[tuple[str, int]]:
    """(what, second) of each verdict over seconds in which all or no requests fail."""
    state, found = state or JudgeState(), []
    for second, bad in sorted(seconds.items()):
        state, decisions = core.slot_step(state, slot(second, 20, 20 if bad else 0), plan)
        found += [(d.what, d.detected_ms // 1000) for d in decisions if isinstance(d, Verdict)]
    return found


def test_true_at_one_minute_with_for_three_minutes_opens_at_four(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, WINDOW)
    story = {second: second >= 59 for second in range(300)}
    first_true = slid(plan_of(tmp_path, WINDOW.replace("for: 3m, ", "")), story)[0][1]
    assert slid(plan, story) == [("opened", first_true + 180)]


def test_a_moment_in_which_it_is_not_true_begins_it_anew(tmp_path: Path) -> None:
    story = {second: second >= 10 and not 100 <= second < 120 for second in range(400)}
    [(what, opened)] = slid(plan_of(tmp_path, WINDOW), story)
    assert what == "opened"
    assert 120 + 180 <= opened <= 130 + 180


def test_no_data_does_not_hold_a_condition(tmp_path: Path) -> None:
    story = dict.fromkeys((*range(60), *range(200, 260)), True)
    assert slid(plan_of(tmp_path, WINDOW), story) == []


def test_once_open_it_needs_clear_for_to_resolve(tmp_path: Path) -> None:
    story = {second: second < 250 for second in range(700)}
    moves = slid(plan_of(tmp_path, WINDOW), story)
    assert [what for what, _ in moves] == ["opened", "resolved"]
    assert moves[1][1] >= 250 + 300


def panes(first: int, last: int, rate: float) -> list[tuple[int, int]]:
    draws = np.random.default_rng(5).binomial(100, rate, last - first)
    return [(first + i, int(k)) for i, k in enumerate(draws)]


def judged(plan: Plan, story: list[tuple[int, int]], restart_at: int | None = None) -> list[tuple[str, int]]:
    state, found = JudgeState(), []
    for pane, k in story:
        if pane == restart_at:
            blobs = encode_core(state, Progress(3_000), ()), encode_evidence(state)
            state = decode(*blobs).core
        state, decisions = core.pane_step(state, errors(pane, 100, k), plan)
        found += [(d.what, d.detected_ms) for d in decisions if isinstance(d, Verdict)]
    return found


def test_evidence_waits_too_and_its_wait_survives_a_restart(tmp_path: Path) -> None:
    story = panes(0, 320, 0.01) + panes(320, 500, 0.3)
    [(_, at_once), *_] = judged(plan_of(tmp_path, EVIDENCE.replace(", for: 10m", "")), story)
    plan = plan_of(tmp_path, EVIDENCE)
    assert judged(plan, story)[0] == ("opened", at_once + 600_000)
    assert judged(plan, story, restart_at=at_once // 10_000 + 5)[0] == ("opened", at_once + 600_000)


def test_what_recovers_while_it_waits_is_never_known(tmp_path: Path) -> None:
    story = panes(0, 320, 0.01) + panes(320, 340, 0.3) + panes(340, 600, 0.01)
    plain = judged(plan_of(tmp_path, EVIDENCE.replace(", for: 10m", "")), story)
    assert [what for what, _ in plain if what != "worsened"] == ["opened", "resolved"]
    assert judged(plan_of(tmp_path, EVIDENCE), story) == []


@pytest.mark.parametrize("rule", ["{name: s, absent: 2m, for: 1m}"])
def test_absent_says_how_long_by_itself(tmp_path: Path, rule: str) -> None:
    from monitor.errors import ConfigError

    with pytest.raises(ConfigError, match="for has no effect on a rule with absent"):
        plan_of(tmp_path, f"rules: [{rule}]")
