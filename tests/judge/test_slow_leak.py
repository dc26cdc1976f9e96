"""Memory per request: a leak of a few percent an hour is found once it is beyond the tolerance, a sawtooth is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from judging import pane, plan_of

from detectors.buckets import LOG
from monitor.judge import core
from monitor.judge.block import PaneBlock
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict

GB = 1e9
HOUR = 360
RULES = """
reference: {learn: 7200, at_least: 0s}
rules:
  - {name: leak, signal: memory_bytes, drift: up, tolerance: 1.2x}
"""


def found(tmp_path: Path, grown: Callable[[int], float], panes: int) -> list[Verdict]:
    """What is found where the median memory of pane p is `grown(p)` GB."""
    plan, rng = plan_of(tmp_path, RULES), np.random.default_rng(5)
    state, moves = JudgeState(), []
    for p in range(panes):
        state, decisions = core.pane_step(state, used(p, grown(p) * GB * rng.lognormal(0, 0.1, 20)), plan)
        moves += [d for d in decisions if isinstance(d, Verdict)]
    return moves


def used(number: int, values: np.ndarray) -> PaneBlock:
    buckets, counts = np.unique(LOG.bucket(values), return_counts=True)
    histogram = dict(zip(buckets.tolist(), counts.tolist(), strict=True))
    return pane(number, {"requests": {1: {0: len(values)}}, "memory_bytes": {1: histogram}})


def test_a_leak_of_three_percent_an_hour_is_found_soon_after_it_passes_the_tolerance(tmp_path: Path) -> None:
    leak_from = 2 * HOUR
    moves = found(tmp_path, lambda p: 1 + 0.03 * max(p - leak_from, 0) / HOUR, leak_from + 14 * HOUR)
    passed = leak_from + round(0.2 / 0.03 * HOUR)
    assert moves[0].what == "opened"
    assert moves[0].alarm is not None
    assert moves[0].alarm.guaranteed
    assert -HOUR <= moves[0].detected_ms // 10_000 - passed <= 3 * HOUR


def test_memory_that_is_freed_again_each_hour_is_normal(tmp_path: Path) -> None:
    assert found(tmp_path, lambda p: 1 + 0.15 * (p % HOUR) / HOUR, 12 * HOUR) == []
