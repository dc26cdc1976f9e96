"""`during`: outside of its hours a rule is not there."""

from pathlib import Path

from judging import LABELS, errors, plan_of, slot

from monitor.judge import core
from monitor.judge.block import PaneBlock
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict

HOUR = 360
MONDAY = 4 * 24 * HOUR


def judged(plan: Plan, blocks: list[PaneBlock]) -> list[tuple[str, float, str]]:
    """(what, hours since Monday 00:00 UTC, reason) of each verdict."""
    state, found = JudgeState(), []
    for block in blocks:
        state, decisions = core.pane_step(state, block, plan)
        found += [
            (d.what, round(d.detected_ms / 3_600_000 - 96, 2), d.reason)
            for d in decisions
            if isinstance(d, Verdict)
        ]
    return found


def quiet(first: int, last: int) -> list[PaneBlock]:
    return [PaneBlock(pane, {}, LABELS) for pane in range(first, last)]


def test_silence_counts_from_the_opening_and_ends_with_the_hours(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'rules: [{name: silence, absent: 15m, during: "Mon-Fri 07:00-22:00"}]')
    story = [errors(MONDAY + HOUR, 10, 0), *quiet(MONDAY + HOUR + 1, MONDAY + 25 * HOUR)]
    assert judged(plan, story) == [("opened", 7.25, ""), ("resolved", 22.0, "its hours are over")]


def test_evidence_is_collected_in_the_hours_only(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path, 'rules: [{name: errors, signal: error, above: 10%, during: "Mon-Fri 07:00-22:00"}]'
    )
    story = [errors(pane, 100, 80) for pane in range(MONDAY, MONDAY + 8 * HOUR)]
    (what, hour, _), *_ = judged(plan, story)
    assert what == "opened"
    assert 7.0 < hour < 7.2


def test_a_window_is_looked_at_in_the_hours_only(tmp_path: Path) -> None:
    rule = '{name: outage, signal: error, window: 10s, above: 50%, during: "Mon-Fri 07:00-22:00"}'
    plan = plan_of(tmp_path, f"rules: [{rule}]")

    state, found = JudgeState(), []
    seven = MONDAY * 10 + 7 * 3_600
    for second in range(seven - 60, seven + 60):
        state, decisions = core.slot_step(state, slot(second, 20, 20), plan)
        found += [d.detected_ms for d in decisions if isinstance(d, Verdict)]
    assert found == [(seven + 1) * 1000]


def test_what_waits_when_the_hours_end_begins_its_wait_anew_with_the_next_ones(tmp_path: Path) -> None:
    """It once opened, and paged, in the night."""
    rule = '{name: errors, signal: error, above: 10%, for: 1h, during: "Mon-Fri 07:00-22:00"}'
    plan = plan_of(tmp_path, f"rules: [{rule}]")
    story = [errors(pane, 100, 80) for pane in range(MONDAY + 21 * HOUR + 180, MONDAY + 33 * HOUR)]
    assert judged(plan, story) == [("opened", 32.0, "")]
