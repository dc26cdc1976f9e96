"""M = L (M + w): what is injected, what freezes, what drops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import esr
from detectors.errors import DetectorError

logs = st.one_of(st.just(-np.inf), st.floats(-700, 700))
finite_logs = st.floats(-700, 700)


def one(log_m, log_l, log_w, n):
    return esr.update(np.array([log_m]), np.array([log_l]), np.array([log_w]), np.array([n]))[0]


def test_it_is_the_recursion():
    m, gain, w = np.array([2.0, 0.0]), np.array([0.5, 3.0]), 0.2
    with np.errstate(divide="ignore"):
        found = one(np.log(m), np.log(gain), np.log(w), 20)
    assert np.exp(found) == pytest.approx(gain * (m + w / 2))


@given(m=st.lists(logs, min_size=2, max_size=2), w=st.floats(-50, 0))
def test_an_empty_block_freezes_it_exactly(m, w):
    assert one(m, [0.0, 0.0], w, 0).tolist() == m


def test_a_month_of_silence_is_no_alarm():
    log_m = esr.start(1, 6)
    for _ in range(1000):
        log_m = esr.update(log_m, np.zeros((1, 6)), np.zeros(1), np.zeros(1))
    assert esr.level(log_m)[0] == -np.inf


@pytest.mark.parametrize("n", [0, 20])
def test_muted_drops_to_nothing(n):
    assert one([5.0, 5.0], [1.0, 1.0], -np.inf, n).tolist() == [-np.inf, -np.inf]


def test_it_can_rise_again_after_it_was_muted():
    assert one([-np.inf], [1.0], np.log(0.5), 20)[0] == pytest.approx(1 + np.log(0.5))


@given(m=st.lists(logs, min_size=3, max_size=3), gain=st.lists(finite_logs, min_size=3, max_size=3), w=logs)
def test_it_is_never_nan(m, gain, w):
    after = one(m, gain, min(w, 0.0), 20)
    assert not np.isnan(after).any()
    assert not np.isnan(esr.level(after[None])).any()


@given(m=st.lists(logs, min_size=1, max_size=6))
def test_the_level_is_the_log_of_the_sum(m):
    expected = np.logaddexp.reduce(np.array(m))
    assert esr.level(np.array([m]))[0] == pytest.approx(expected)


def test_a_weight_is_spread_over_the_columns():
    after = esr.update(esr.start(1, 6), np.zeros((1, 6)), np.array([np.log(0.3)]), np.array([1]))
    assert np.exp(esr.level(after))[0] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("log_m", "log_l", "log_w", "n"),
    [
        ([[np.nan]], [[0.0]], [0.0], [1]),
        ([[0.0]], [[np.nan]], [0.0], [1]),
        ([[0.0]], [[0.0]], [np.nan], [1]),
        ([[0.0]], [[0.0]], [5.0], [1]),
        ([[0.0]], [[0.0, 0.0]], [0.0], [1]),
        ([[0.0]], [[0.0]], [0.0, 0.0], [1]),
        ([[0.0]], [[0.0]], [0.0], [np.nan]),
    ],
)
def test_what_does_not_fit_is_refused(log_m, log_l, log_w, n):
    with pytest.raises(DetectorError):
        esr.update(np.array(log_m), np.array(log_l), np.array(log_w), np.array(n))
