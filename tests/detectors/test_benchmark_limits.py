"""The yardsticks of the benchmark are themselves right."""

import numpy as np
import pytest

from benchmarks.detection import joint, limits
from benchmarks.detection.counted import FalseAlarms
from detectors import bets, esr


@pytest.mark.parametrize(
    ("m", "p", "n", "panes"), [(0.02, 0.03, 20, 186), (0.02, 0.10, 20, 6.8), (0.02, 0.03, 200, 24)]
)
def test_d_star_is_that_of_the_design(m, p, n, panes):
    assert limits.d_star_rate(m, p, n, 259_200) == pytest.approx(panes, rel=0.03)


def test_d_star_is_at_least_one_block():
    assert limits.d_star_rate(0.02, 0.9, 200, 259_200) == 1


def test_d_star_of_a_tube_with_one_edge_is_that_of_a_rate():
    star = limits.d_star_tube(np.array([0.5, 0.5]), 0.05, np.array([0.4, 0.6]), 200, 259_200)
    assert star == pytest.approx(limits.d_star_rate(0.55, 0.60, 200, 259_200), rel=1e-3)


def test_a_cusum_that_knows_the_change_is_near_d_star():
    delay, star = limits.cusum_delay(0.02, 0.10, 20, 1e4), limits.d_star_rate(0.02, 0.10, 20, 1e4)
    assert star <= delay <= 1.15 * star + 1


def test_the_joint_budget_runs_the_shipped_recursion():
    rng, e_values = np.random.default_rng(25), joint.table()
    weight = np.array([0.5, 0.25])
    log_m, m = esr.start(2, bets.COMPONENTS), np.zeros((2, bets.COMPONENTS))
    for _ in range(50):
        k, n = rng.binomial(joint.REQUESTS, 0.05, 2), np.full(2, joint.REQUESTS)
        log_l = bets.pane_bet_log_components(k, n, np.full(2, joint.M))
        log_m = esr.update(log_m, log_l, np.log(weight), n)
        m = joint.advanced(m, e_values[k], weight)
    np.testing.assert_allclose(np.log(m), log_m)


@pytest.mark.parametrize(
    ("alarms", "verdict"), [(0, "within"), (20, "within"), (25, "unclear"), (60, "broken")]
)
def test_a_cell_is_within_the_budget_only_if_no_more_came_than_promised(alarms, verdict):
    assert FalseAlarms(alarms, 20_000, 1e3).verdict == verdict
