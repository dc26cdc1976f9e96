"""While a stream is learning, river's detectors watch; what they say carries no guarantee."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from judging import pane, plan_of

from monitor.config.rule import Severity
from monitor.judge import core
from monitor.judge.block import PaneBlock
from monitor.judge.codec import decode, encode_core, encode_evidence
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict
from monitor.judge.watermark import Progress
from monitor.records.signals import BY_NAME

RULES = """
reference: {learn: 100000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: 2x}
  - {name: length, signal: output_tokens, drift: down}
"""
TOKENS = BY_NAME["output_tokens"]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, RULES)


def panes(errors: Iterable[int], tokens: Iterable[float] = (), first: int = 0) -> list[PaneBlock]:
    """Panes of 100 requests; `tokens` is the length of every answer in each."""
    found, lengths = [], [*tokens]
    for i, k in enumerate(errors):
        signals = {"requests": {1: {0: 100}}, "error": {1: {0: 100 - k, 1: k}}}
        if lengths:
            assert TOKENS.scale is not None
            signals["output_tokens"] = {1: {int(TOKENS.scale.bucket([lengths[i]])[0]): 100}}
        found.append(pane(first + i, signals))
    return found


def told(
    plan: Plan, blocks: Iterable[PaneBlock], state: JudgeState | None = None
) -> tuple[JudgeState, list[Verdict]]:
    state, found = state or JudgeState(), []
    for block in blocks:
        state, decisions = core.pane_step(state, block, plan)
        found += [d for d in decisions if isinstance(d, Verdict)]
    return state, found


def calm(count: int) -> list[int]:
    return np.random.default_rng(8).binomial(100, 0.02, count).tolist()


def test_a_change_while_learning_is_told_without_guarantee(plan: Plan) -> None:
    _, moves = told(plan, panes([*calm(60), *[40] * 15]))
    assert [(v.what, v.rule, v.severity) for v in moves] == [("opened", "errors", Severity.INFO)]
    assert moves[0].alarm is not None
    assert not moves[0].alarm.guaranteed
    assert moves[0].alarm.found_by


def test_what_does_not_change_is_not_told(plan: Plan) -> None:
    assert told(plan, panes(calm(99)))[1] == []


def test_of_a_few_records_a_pane_chance_is_no_change(plan: Plan) -> None:
    failed = np.random.default_rng(9).binomial(2, 0.05, 3_000).tolist()
    thin = [pane(p, {"requests": {1: {0: 2}}, "error": {1: {0: 2 - k, 1: k}}}) for p, k in enumerate(failed)]
    assert told(plan, thin)[1] == []


def test_a_first_failure_is_no_change(plan: Plan) -> None:
    assert told(plan, panes([*[0] * 60, 1, *[0] * 30]))[1] == []


def test_a_rule_hears_only_of_its_own_side(plan: Plan) -> None:
    longer = panes(calm(75), [100.0 + i % 3 for i in range(60)] + [900.0] * 15)
    assert told(plan, longer)[1] == []
    shorter = panes(calm(75), [100.0 + i % 3 for i in range(60)] + [9.0] * 15)
    assert [v.rule for v in told(plan, shorter)[1]] == ["length"]


def test_it_is_told_once_and_ends_when_the_reference_is_there(plan: Plan) -> None:
    changing = [*calm(40), *[40] * 20, *calm(40)]
    state, moves = told(plan, panes([*changing, *calm(30)]))
    assert [v.what for v in moves] == ["opened", "resolved"]
    assert state.young == {}


def test_a_stored_watch_goes_on(plan: Plan) -> None:
    before, _ = told(plan, panes(calm(60)))
    stored = decode(encode_core(before, Progress(0), ()), encode_evidence(before)).core
    assert [v.what for v in told(plan, panes([40] * 15, first=60), stored)[1]] == ["opened"]
