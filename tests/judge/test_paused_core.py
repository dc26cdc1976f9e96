"""What a tripped switch pauses for its streams: what says they are not as usual. What users pay and get counts on."""

from dataclasses import replace
from pathlib import Path

import pytest
from judging import LABELS, counts_of, errors, plan_of

from monitor.judge import core
from monitor.judge.block import PaneBlock, SlotBlock
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Learned, Verdict
from monitor.records.signals import BY_NAME

PAUSED = frozenset({1})
WINDOW = "rules: [{name: outage, signal: error, window: 10s, above: 50%, min_n: 20}]"


def seconds(tmp_path: Path, paused: range) -> list[tuple[str, int, int]]:
    """Two streams fail wholly for a minute, and are well in the next; (what, stream, second)."""
    plan, state, found = plan_of(tmp_path, WINDOW), JudgeState(), []
    for second in range(200):
        bucket = 1 if second < 60 else 0
        counts = {BY_NAME["error"].code: counts_of({1: {bucket: 10}, 2: {bucket: 10}})}
        block = SlotBlock(second, counts, LABELS, PAUSED if second in paused else frozenset())
        state, decisions = core.slot_step(state, block, plan)
        found += [(d.what, d.stream, d.detected_ms // 1000) for d in decisions if isinstance(d, Verdict)]
    return found


def test_a_window_says_nothing_of_a_stream_whose_switch_is_tripped(tmp_path: Path) -> None:
    assert seconds(tmp_path, range(0)) == [
        ("opened", 1, 2), ("opened", 2, 2), ("resolved", 1, 125), ("resolved", 2, 125)
    ]  # fmt: skip
    assert seconds(tmp_path, range(60)) == [("opened", 2, 2), ("resolved", 2, 125)]


def test_a_window_that_crossed_before_the_trip_ends_only_after_the_release(tmp_path: Path) -> None:
    """The trip itself is no recovery: the model that was stopped has not got well."""
    assert [found for found in seconds(tmp_path, range(30, 150)) if found[1] == 1] == [
        ("opened", 1, 2),
        ("resolved", 1, 152),
    ]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("signal: error, above: 10%", False),
        ("absent: 5m", False),
        ("signal: error, total: 1h, above: 1000", True),
        ("signal: error, objective: 99%", True),
    ],
)
def test_evidence_and_silence_pause_and_totals_and_budgets_do_not(
    tmp_path: Path, rule: str, told: bool
) -> None:
    plan = plan_of(tmp_path, f"rules: [{{name: r, {rule}}}]")

    def fired(paused: frozenset[int]) -> bool:
        state, found = core.pane_step(JudgeState(), errors(0, 100, 0), plan)
        for number in range(1, 120):
            failing = errors(number, 100, 80)
            counts = {} if "absent" in rule else failing.counts
            block = PaneBlock(number, counts, LABELS, paused=paused)
            state, decisions = core.pane_step(state, block, plan)
            found += decisions
        return any(isinstance(d, Verdict) for d in found)

    assert fired(frozenset())
    assert fired(PAUSED) is told


def test_what_comes_while_a_switch_is_tripped_is_not_learned_as_usual(tmp_path: Path) -> None:
    """A service that is slow to obey, or a probe, must not make failing the reference."""
    plan = plan_of(
        tmp_path, "reference: {learn: 2000, at_least: 0s}\nrules: [{name: r, signal: error, above: 2x}]"
    )

    def learned(paused: frozenset[int]) -> list[float]:
        state, found = JudgeState(), []
        for number in range(40):
            stopped = number >= 10 and number < 30
            block = errors(number, 100, 90 if stopped else 1)
            state, decisions = core.pane_step(
                state, replace(block, paused=paused if stopped else frozenset()), plan
            )
            found += [d.reference for d in decisions if isinstance(d, Learned)]
        return [float(r.counts[r.buckets == 1].sum() / r.n) for r in found if not r.provisional]

    assert learned(PAUSED) == [pytest.approx(0.01)]
    assert learned(frozenset()) != learned(PAUSED)


def test_what_is_seen_before_a_reference_pauses_too(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "rules: [{name: r, signal: error, above: 2x}]")

    def seen(paused: frozenset[int]) -> bool:
        state, found = JudgeState(), []
        for number in range(400):
            stopped = number >= 200
            block = errors(number, 20, 18 if stopped else 0)
            state, decisions = core.pane_step(
                state, replace(block, paused=paused if stopped else frozenset()), plan
            )
            found += decisions
        return any(isinstance(d, Verdict) for d in found)

    assert (seen(frozenset()), seen(PAUSED)) == (True, False)
