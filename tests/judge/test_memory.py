"""Folding checkpoints into blocks: rule 4's late evidence, and the same result however they are cut."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging import LABELS, plan_of

from monitor.judge.memory import Advance, Consumed, Context, Memory, advance
from monitor.judge.plan import Plan
from monitor.judge.watermark import Mark, Progress
from monitor.records.delta import Cells, Delta, Languages, Sums
from monitor.records.signals import BY_NAME

KEY = ("t", 0)
REQUESTS, ERROR = BY_NAME["requests"].code, BY_NAME["error"].code
START = 1_000_000 * 10_000


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(tmp_path, "rules: [{name: errors, signal: error, above: 10%}]")


def delta(panes: list[tuple[int, int, int]], evidence: int | None = None) -> Delta:
    """(pane, n, k) as cells of stream 1."""
    rows = []
    for number, n, k in panes:
        joined = number if evidence is None else evidence
        rows += [(1, 0, REQUESTS, number, joined, 0, n), (1, 0, ERROR, number, joined, 0, n - k)]
        rows += [(1, 0, ERROR, number, joined, 1, k)] if k else []
    columns = np.array(rows, np.int64).reshape(-1, 7).T
    return Delta(cells=Cells(*columns))


def consumed(seconds: float, what: Delta) -> Consumed:
    """A caught-up checkpoint whose newest record is `seconds` after the start."""
    at = START + int(seconds * 1000)
    return Consumed(KEY, Mark(at, int(seconds), at, at, at, True), what)


def told(plan: Plan, *ticks: Consumed) -> list[Advance]:
    memory, advances = Memory(Progress(3_000)), []
    for one in ticks:
        moved = advance(memory, [one], [KEY], Context(plan, LABELS, {}))
        memory = moved.memory
        advances.append(moved)
    return advances


def first_pane() -> int:
    return START // 10_000


def test_a_pane_closes_when_the_watermark_passes_its_end(plan: Plan) -> None:
    p = first_pane()
    open_still, closed = told(
        plan, consumed(12.9, delta([(p, 5, 0)])), consumed(13.0, delta([(p + 1, 5, 0)]))
    )
    assert open_still.memory.core.next_pane == p
    assert closed.memory.core.next_pane == p + 1


def test_rule_4_what_comes_for_a_closed_pane_joins_the_next_evidence_and_keeps_its_place(plan: Plan) -> None:
    p = first_pane()
    last = told(
        plan,
        consumed(5, delta([(p, 5, 0)])),
        consumed(25, delta([(p + 1, 5, 0)])),
        consumed(26, delta([(p, 7, 7)])),
    )[-1]
    late = last.cells.pane == p
    assert set(last.cells.evidence[late].tolist()) == {p + 2}
    assert last.cells.count[late & (last.cells.signal == REQUESTS)].sum() == 7


def test_rule_1_a_closed_pane_gains_nothing_any_more(plan: Plan) -> None:
    p = first_pane()
    moved = told(
        plan,
        consumed(5, delta([(p, 5, 0)])),
        consumed(25, delta([(p + 1, 5, 0)])),
        consumed(26, delta([(p, 7, 7)])),
    )
    assert not (moved[-1].cells.evidence == p).any()


def test_stored_rows_are_whole_groups(plan: Plan) -> None:
    p = first_pane()
    second = told(plan, consumed(3, delta([(p, 5, 1)])), consumed(4, delta([(p, 2, 0)])))[-1]
    errors = second.cells.signal == ERROR
    assert dict(zip(second.cells.bucket[errors], second.cells.count[errors], strict=True)) == {0: 6, 1: 1}


def test_what_is_open_survives_in_the_memory_and_is_judged_later(plan: Plan) -> None:
    p = first_pane()
    *_, last = told(plan, consumed(3, delta([(p, 5, 1)])), consumed(30, Delta()))
    assert last.memory.core.streams[1].requests == 5
    assert len(last.memory.open.cells.count) == 0


def test_a_long_gap_is_leapt_over(plan: Plan) -> None:
    p = first_pane()
    week = 7 * 86_400
    *_, last = told(plan, consumed(3, delta([(p, 5, 1)])), consumed(week, delta([(p + week // 10, 5, 0)])))
    assert last.memory.core.next_pane == (START + week * 1000 - 3000) // 10_000


def test_the_languages_of_a_closed_pane_become_cells_with_their_versions(plan: Plan) -> None:
    p = first_pane()
    code = BY_NAME["output_language"].code
    rows = np.array(
        [(1, 4, code, p, p, 2, 0), (1, 4, code, p, p, 3, 1), (1, 5, code, p, p, 2, -1)], np.int64
    ).T
    sampled = Delta(
        languages=Languages(*rows, np.array([3, 1, 2], np.uint64)), cells=delta([(p, 3, 0)]).cells
    )
    *_, last = told(plan, consumed(3, sampled), consumed(30, Delta()))
    whole = (last.sampled.slice == 0) & (last.sampled.signal == code)
    assert last.sampled.count[whole].tolist() == [2, 1]
    wrong = (last.sampled.slice == 0) & (last.sampled.signal == BY_NAME["wrong_language"].code)
    assert dict(zip(last.sampled.bucket[wrong], last.sampled.count[wrong], strict=True)) == {0: 1, 1: 1}


def test_sums_are_stored_beside_their_panes(plan: Plan) -> None:
    p, cost = first_pane(), BY_NAME["cost_usd"].code
    one = np.array([1], np.int64)
    cells = Cells(one, one * 0, one * cost, one * p, one * p, one * 7, one * 3)
    sums = Sums(one, one * 0, one * cost, one * p, one * p, np.array([0.5]))
    moved = told(plan, consumed(3, Delta(cells=cells, sums=sums)), consumed(4, Delta(cells=cells, sums=sums)))
    assert moved[-1].sums.total.tolist() == [1.0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_rule_1_however_checkpoints_are_cut_the_evidence_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    plan = plan_of(tmp_path_factory.mktemp("plan"), "rules: [{name: errors, signal: error, above: 10%}]")
    panes = [(first_pane() + i, 40, 4 if i < 20 else 20) for i in range(60)]
    one_by_one = _decided(plan, panes, [1] * 60)
    assert _decided(plan, panes, cuts * 60) == one_by_one
    assert one_by_one


def _decided(plan: Plan, panes: list[tuple[int, int, int]], cuts: list[int]) -> list[str]:
    ticks, at = [], 0
    for cut in cuts:
        taken = panes[at : at + cut]
        at += cut
        if taken:
            ticks.append(consumed((taken[-1][0] - first_pane()) * 10 + 9, delta(taken)))
    ticks.append(consumed(700, Delta()))
    return [repr(d) for moved in told(plan, *ticks) for d in moved.decisions]
