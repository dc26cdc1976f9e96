"""`each: version`: every version judged by itself, against the stream's reference."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judging import counts_of, errors, plan_of

from monitor.judge import core
from monitor.judge.block import PaneBlock, sliced_counts
from monitor.judge.parts import part, slice_of, stream_of
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict
from monitor.records.delta import Cells
from monitor.records.signals import BY_NAME

ERROR = BY_NAME["error"].code
V41, V42 = 7, 9

RULES = """
reference: {learn: 30000, at_least: 0s}
rules:
  - {name: canary, signal: error, above: {warning: 2x, critical: 30%}, each: version}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, RULES)


def served(number: int, versions: Mapping[int, tuple[int, int]]) -> PaneBlock:
    """A pane of stream 1 in which each version, by its slice, had k of n requests fail."""
    n, k = (sum(v[i] for v in versions.values()) for i in (1, 0))
    whole = errors(number, n, k)
    histograms = {part(1, s): {0: of - bad, 1: bad} for s, (bad, of) in versions.items()}
    return replace(whole, sliced={"version": {ERROR: counts_of(histograms)}})


def judged(plan: Plan, blocks: Iterable[PaneBlock]) -> tuple[JudgeState, list[Verdict]]:
    state, found = JudgeState(), []
    for block in blocks:
        state, decisions = core.pane_step(state, block, plan)
        found += [d for d in decisions if isinstance(d, Verdict)]
    return state, found


CALM = [served(p, {V41: (1, 100)}) for p in range(320)]


def test_a_canary_that_fails_wholly_is_seen_though_it_is_a_twentieth_of_the_traffic(plan: Plan) -> None:
    canary = [served(p, {V41: (1, 95), V42: (5, 5)}) for p in range(320, 400)]
    _, moves = judged(plan, CALM + canary)
    assert {(v.stream, v.slice_id) for v in moves} == {(1, V42)}
    assert moves[0].what == "opened"
    assert moves[0].detected_ms - 3_200_000 <= 300_000
    assert moves[0].reference is not None
    assert moves[0].reference.learned == 30_000


def test_the_version_that_is_well_opens_nothing(plan: Plan) -> None:
    _, moves = judged(plan, CALM + [served(p, {V41: (1, 95), V42: (0, 5)}) for p in range(320, 800)])
    assert moves == []


def test_two_versions_have_an_incident_each(plan: Plan) -> None:
    both = [served(p, {V41: (50, 95), V42: (5, 5)}) for p in range(320, 420)]
    _, moves = judged(plan, CALM + both)
    assert {v.slice_id for v in moves if v.what == "opened"} == {V41, V42}


def test_a_version_that_was_taken_back_is_over_after_an_hour(plan: Plan) -> None:
    canary = [served(p, {V41: (1, 95), V42: (5, 5)}) for p in range(320, 400)]
    after = [served(p, {V41: (1, 100)}) for p in range(400, 800)]
    state, moves = judged(plan, CALM + canary + after)
    last = moves[-1]
    assert (last.what, last.slice_id, last.reason) == ("resolved", V42, "no requests for an hour")
    assert 3_590_000 <= last.detected_ms - 4_000_000 <= 3_700_000
    assert list(state.watches["canary/error"].resting) == [1 + (V41 << 32)]


def test_silence_of_the_whole_stream_ends_nothing(plan: Plan) -> None:
    canary = [served(p, {V41: (1, 95), V42: (5, 5)}) for p in range(320, 400)]
    nothing = [PaneBlock(p, {}, {1: {"model": "chat-eu"}}) for p in range(400, 900)]
    _, moves = judged(plan, CALM + canary + nothing)
    assert "resolved" not in {v.what for v in moves}


def test_parts_are_counted_by_the_field_of_their_slice() -> None:
    cells = Cells(
        *(np.array(c) for c in ([1, 1, 1], [0, V41, 5], [ERROR] * 3, [3] * 3, [3] * 3, [1] * 3, [9, 8, 7]))
    )
    found = sliced_counts(cells, {V41: "version", 5: "segment.region"}, {"version": frozenset({ERROR})})
    counts = found["version"][ERROR]
    assert [(stream_of(s), slice_of(s)) for s in counts.stream.tolist()] == [(1, V41)]
    assert counts.count.tolist() == [8]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("signal: error, above: 2x, each: region", "is not counted within a stream"),
        ("signal: error, above: 50%, window: 5s, each: version", "each has no effect on a window"),
        ("signal: requests, above: 2x, each: version", "each has no effect on requests"),
        ("absent: 2m, each: version", "each has no effect on a rule with absent"),
        (
            "signal: error, above: {critical: 10%}, match: {model: a}, kill: chat, each: version",
            "a kill rests on",
        ),
    ],
)
def test_each_where_it_means_nothing_is_refused(tmp_path: Path, rule: str, sentence: str) -> None:
    with pytest.raises(Exception, match=sentence):
        plan_of(tmp_path, f"rules: [{{name: a, {rule}}}]\n")
