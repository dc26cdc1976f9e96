"""The Bernoulli ratio is an e-value for independent requests, and its alternatives are spread over delays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from detectors import ratio
from detectors.errors import DetectorError

limits = st.floats(1e-4, 0.5)


def expectation(log_weight, n, m, requests=20):
    k = np.arange(n + 1)
    q = np.repeat(ratio.alternatives([m], [requests]), n + 1, axis=0)
    log_l = ratio.ratio_log_components(k, np.full(n + 1, n), np.full(n + 1, m), q)
    return np.exp(log_l + log_weight[:, None]).sum(axis=0)


@given(n=st.integers(0, 200), m=limits, below=st.floats(1e-3, 1))
def test_its_expectation_is_at_most_one_for_every_rate_up_to_the_limit(n, m, below):
    weight = binom.logpmf(np.arange(n + 1), n, m * below)
    assert (expectation(weight, n, m) <= 1 + 1e-6).all()


def test_correlated_requests_break_it():
    m, rho, n = 0.02, 0.1, 200
    a, b = m * (1 / rho - 1), (1 - m) * (1 / rho - 1)
    assert expectation(betabinom.logpmf(np.arange(n + 1), n, a, b), n, m, n).max() > 100


def test_an_empty_block_says_nothing():
    q = ratio.alternatives([0.1], [20])
    assert (ratio.ratio_log_components([0], [0], [0.1], q) == 0).all()


def test_a_block_full_of_the_event_and_one_without_it_stay_finite():
    q = ratio.alternatives([0.3, 0.3], [1, 1])
    assert np.isfinite(ratio.ratio_log_components([0, 2000], [2000, 2000], [0.3, 0.3], q)).all()


@given(m=limits, requests=st.floats(0.1, 1e6))
def test_alternatives_grow_from_above_the_limit_to_below_one(m, requests):
    q = ratio.alternatives([m], [requests])[0]
    assert (q > m).all()
    assert (q < 1).all()
    assert (np.diff(q) >= 0).all()


def test_each_alternative_is_seen_in_its_own_delay():
    q = ratio.alternatives([0.02], [200])[0]
    delay = np.log(259_200) / (200 * ratio.divergence(q, 0.02))
    np.testing.assert_allclose(delay, np.geomspace(1500, 1.5, ratio.COMPONENTS), rtol=1e-6)


def test_all_rows_in_one_call_come_to_the_same_as_each_alone():
    k, n, m = np.array([0, 3, 40]), np.array([5, 20, 200]), np.array([0.01, 0.1, 0.3])
    q = ratio.alternatives(m, n)
    together = ratio.ratio_log_components(k, n, m, q)
    alone = [ratio.ratio_log_components(k[[i]], n[[i]], m[[i]], q[[i]])[0] for i in range(3)]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    ("k", "n", "m", "q", "named"),
    [
        (3, 2, 0.1, [[0.2]], "k[0] = 3"),
        (np.nan, 2, 0.1, [[0.2]], "k[0] = nan"),
        (1, np.inf, 0.1, [[0.2]], "n[0] = inf"),
        (1, 2, 0.0, [[0.2]], "m[0] = 0"),
        (1, 2, 1.0, [[0.2]], "m[0] = 1"),
        (1, 2, 0.1, [[0.05]], "q[0] = 0.05"),
        (1, 2, 0.1, [[1.0]], "q[0] = 1"),
        (1, 2, 0.1, [0.2], "q (1,) does not fit"),
    ],
)
def test_what_has_no_ratio_is_refused_by_name(k, n, m, q, named):
    with pytest.raises(DetectorError) as refused:
        ratio.ratio_log_components([k], [n], [m], q)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: ratio.alternatives([0.1], [0]),
        lambda: ratio.alternatives([0.1], [np.nan]),
        lambda: ratio.alternatives([0.1], [20], a=1.0),
        lambda: ratio.divergence([1.5], 0.5),
        lambda: ratio.divergence([0.5], 1.0),
    ],
)
def test_what_has_no_alternatives_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()
