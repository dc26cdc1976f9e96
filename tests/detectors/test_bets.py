"""The pane bet is an e-value for any limit, size and rate, and refuses what is no count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from detectors import bets
from detectors.errors import DetectorError

limits = st.floats(1e-6, 1 - 1e-6)
sizes = st.integers(0, 400)
shares = st.one_of(st.just(0.0), st.floats(1e-6, 1))  # scipy overflows at subnormal rates


def e_values(n, m, rho=0.0):
    k = np.arange(n + 1)
    return np.exp(bets.pane_bet_log_components(k, np.full(n + 1, n), np.full(n + 1, m), rho))


@given(n=sizes, m=limits, below=shares, rho=st.floats(0, 1))
def test_its_expectation_is_at_most_one_for_every_rate_up_to_the_limit(n, m, below, rho):
    weight = binom.pmf(np.arange(n + 1), n, m * below)
    assert (weight @ e_values(n, m, rho) <= 1 + 1e-9).all()


@given(n=st.integers(1, 200), m=st.floats(1e-3, 0.5), rho=st.floats(0.01, 0.9))
def test_its_expectation_is_one_at_the_limit_whatever_the_correlation_inside_the_block(n, m, rho):
    a, b = m * (1 / rho - 1), (1 - m) * (1 / rho - 1)
    weight = betabinom.pmf(np.arange(n + 1), n, a, b)
    assert weight @ e_values(n, m) == pytest.approx(1, abs=1e-6)


@given(n=st.integers(0, 2**53), share=st.floats(0, 1), m=limits, rho=st.floats(0, 1))
def test_it_is_always_a_finite_number_and_never_loses_more_than_nine_tenths(n, share, m, rho):
    log_l = bets.pane_bet_log_components([np.floor(n * share)], [n], [m], rho)
    assert np.isfinite(log_l).all()
    assert (log_l >= np.log(0.1) - 1e-9).all()


@given(n=st.floats(0, 50), share=st.floats(0, 1), m=limits)
def test_weighted_counts_may_be_fractions(n, share, m):
    assert np.isfinite(bets.pane_bet_log_components([n * share], [n], [m])).all()


def test_an_empty_block_says_nothing():
    assert (bets.pane_bet_log_components([0], [0], [0.1]) == 0).all()


def test_a_block_earns_at_most_one_over_m():
    assert bets.pane_bet_log_components([2000], [2000], [0.1]).max() <= np.log(1 / 0.1)


def test_the_stake_follows_the_size_of_the_block():
    small, large = bets.pane_bet_log_components([0, 0], [1, 2000], [0.02, 0.02])
    assert (small > np.log(1 - 0.02 / 0.02 * 0.5)).any()
    assert np.allclose(large, np.log(0.1))


def test_correlated_requests_count_as_fewer():
    independent = bets.pane_bet_log_components([0], [20], [0.1], 0.0)
    correlated = bets.pane_bet_log_components([0], [20], [0.1], 1.0)
    one = bets.pane_bet_log_components([0], [1], [0.1])
    assert np.allclose(correlated, one)
    assert (independent < correlated).any()


@given(m=limits)
def test_alternatives_lie_between_the_limit_and_one(m):
    q = bets.alternatives([m])[0]
    assert q.size == bets.COMPONENTS
    assert (np.diff(q) > 0).all()
    assert m < q[0]
    assert q[-1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("k", "n", "m", "rho", "named"),
    [
        (3, 2, 0.1, 0, "k[0] = 3"),
        (-1, 2, 0.1, 0, "k[0] = -1"),
        (0, -1, 0.1, 0, "n[0] = -1"),
        (np.nan, 2, 0.1, 0, "k[0] = nan"),
        (1, np.inf, 0.1, 0, "n[0] = inf"),
        (1, 2, 0.0, 0, "m[0] = 0"),
        (1, 2, 1.0, 0, "m[0] = 1"),
        (1, 2, np.nan, 0, "m[0] = nan"),
        (1, 2, 1e-300, 0, "m[0] = 1e-300"),
        (1, 2, 0.1, 1.5, "rho[0] = 1.5"),
    ],
)
def test_what_is_no_count_or_no_limit_is_refused_by_name(k, n, m, rho, named):
    with pytest.raises(DetectorError) as refused:
        bets.pane_bet_log_components([k], [n], [m], rho)
    assert named in str(refused.value)
