"""Bets on the slots of a pane multiply; correlation inside a slot is allowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from detectors import bets, slots
from detectors.errors import DetectorError


def test_it_is_the_product_of_the_slots():
    k, n, m = np.array([[1, 0, 3], [0, 2, 0]]), np.array([[5, 0, 7], [9, 9, 9]]), np.array([0.02, 0.2])
    each = sum(bets.pane_bet_log_components(k[:, s], n[:, s], m) for s in range(3))
    np.testing.assert_allclose(slots.slot_log_components(k, n, m), each)


@given(m=st.floats(1e-3, 0.5), rho=st.floats(0.01, 0.9))
def test_its_expectation_is_one_whatever_the_correlation_inside_a_slot(m, rho):
    n, a, b = 6, m * (1 / rho - 1), (1 - m) * (1 / rho - 1)
    one, two = (x.ravel() for x in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    weight = betabinom.pmf(one, n, a, b) * betabinom.pmf(two, n, a, b)
    size = np.full((one.size, 2), n)
    e_values = np.exp(slots.slot_log_components(np.stack([one, two], axis=1), size, np.full(one.size, m)))
    assert weight @ e_values == pytest.approx(1, abs=1e-6)


def test_a_pane_of_empty_slots_says_nothing():
    assert (slots.slot_log_components(np.zeros((2, 10)), np.zeros((2, 10)), 0.1) == 0).all()


def test_ten_slots_earn_more_than_one_pane_may():
    full = slots.slot_log_components(np.full((1, 10), 20), np.full((1, 10), 20), [0.1])
    assert full.max() > np.log(1 / 0.1)
    assert full.max() <= 10 * np.log(1 / 0.1)


@pytest.mark.parametrize(
    ("k", "n", "m", "named"),
    [
        ([[3, 0]], [[2, 1]], [0.1], "k[0] = 3"),
        ([[0, np.nan]], [[2, 1]], [0.1], "k[1] = nan"),
        ([[0, 0]], [[2, -1]], [0.1], "n[1] = -1"),
        ([[0, 0]], [[2, 1]], [0.0], "m[0] = 0"),
        ([[0, 0]], [[2, 1]], [np.nan], "m[0] = nan"),
        ([[0, 0]], [[2, 1]], [0.1, 0.1], "m (2,)"),
        ([0, 0], [2, 1], [0.1], "k (2,)"),
    ],
)
def test_what_is_no_slot_is_refused_by_name(k, n, m, named):
    with pytest.raises(DetectorError) as refused:
        slots.slot_log_components(k, n, m)
    assert named in str(refused.value)
