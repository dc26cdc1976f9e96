"""`for` and `clear_for` of window rules are Prometheus's `for` and `keep_firing_for`: promtool says when alerts fire.

Two differences are of definition and are worked into the expression that promtool gets. A window's condition is that of
the seconds it covers, which PromQL is given as a series of its own, a second each. And Prometheus counts `for` and
`keep_firing_for` from evaluation to evaluation, while a second that has closed here is known at its end: promtool's
evaluation at second t is compared with what is so once second t has closed. Seconds without a record are not compared
further than that the condition does not hold: no data breaks `for` here as there, and keeps what fires.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from judging import plan_of, slot

from monitor.judge import core
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(
    PROMTOOL is None,
    reason="there is no promtool on this machine: `make test-parties` installs Debian's prometheus",
)
CASES, SECONDS = 60, 240
RULE = "{{name: r, signal: error, window: 1s, above: 50%, {0}clear_for: {1}s}}"
GROUP = """
      - alert: a{0}
        expr: s{0} > 0.5
        for: {1}s
        keep_firing_for: {2}s"""
TEST = """
  - interval: 1s
    input_series:
      - {{series: s{0}, values: '{1}'}}
    alert_rule_test:{2}"""


@dataclass(frozen=True)
class Case:
    """The share of failures of every second, and the two durations in seconds."""

    shares: tuple[float, ...]
    for_s: int
    keep_s: int


def drawn(seed: int) -> Case:
    """Stretches above and below the limit, short and long against the durations."""
    rng = np.random.default_rng(seed)
    shares: list[float] = []
    while len(shares) < SECONDS:
        level = float(rng.choice([0.0, 0.2, 0.5, 0.6, 1.0]))
        shares += [level] * int(rng.integers(1, rng.choice([4, 15, 60]) + 1))
    return Case(tuple(shares[:SECONDS]), int(rng.choice([0, 1, 5, 20])), int(rng.choice([1, 7, 25])))


def fires(case: Case, folder: Path) -> list[bool]:
    """For every second, whether the incident is open once it has closed."""
    plan = plan_of(
        folder, f"rules: [{RULE.format(f'for: {case.for_s}s, ' if case.for_s else '', case.keep_s)}]"
    )
    state, open_now, found = JudgeState(), False, []
    for second, share in enumerate(case.shares):
        state, decisions = core.slot_step(state, slot(second, 20, round(20 * share)), plan)
        for verdict in (d for d in decisions if isinstance(d, Verdict)):
            open_now = verdict.what != "resolved"
        found.append(open_now)
    return found


def asked(number: int, case: Case, expected: list[bool]) -> str:
    """The case as a test of promtool, which is to find what we have found."""
    lines = [
        f"\n      - {{eval_time: {t}s, alertname: a{number}, exp_alerts: [{'{}' if fires_now else ''}]}}"
        for t, fires_now in enumerate(expected)
    ]
    return TEST.format(number, " ".join(map(str, case.shares)), "".join(lines))


def test_promtool_fires_at_the_same_evaluations(tmp_path: Path) -> None:
    cases = [drawn(seed) for seed in range(CASES)]
    found = [fires(case, tmp_path) for case in cases]
    assert sum(any(one) and not all(one) for one in found) > CASES // 2
    rules = "".join(GROUP.format(i, case.for_s, case.keep_s) for i, case in enumerate(cases))
    (tmp_path / "rules.yml").write_text(f"groups:\n  - name: g\n    rules:{rules}\n")
    tests = "".join(asked(i, case, found[i]) for i, case in enumerate(cases))
    (tmp_path / "test.yml").write_text(f"rule_files: [rules.yml]\nevaluation_interval: 1s\ntests:{tests}\n")
    told = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert told.returncode == 0, (told.stdout + told.stderr)[:3000]
