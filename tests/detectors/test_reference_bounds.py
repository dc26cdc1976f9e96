"""Bounds learned from a reference hold as often as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from detectors import bounds
from detectors.errors import DetectorError


@given(n=st.integers(1, 300), p=st.floats(0.001, 0.999), alpha=st.floats(0.001, 0.4))
def test_clopper_pearson_covers_the_rate_exactly_as_often_as_it_says(n, p, alpha):
    k = np.arange(n + 1)
    weight, size = binom.pmf(k, n, p), np.full(n + 1, n)
    assert weight @ (bounds.clopper_pearson_upper(k, size, alpha) < p) <= alpha + 1e-9
    assert weight @ (bounds.clopper_pearson_lower(k, size, alpha) > p) <= alpha + 1e-9


@given(n=st.integers(1, 5000), q=st.floats(0.01, 0.99), alpha=st.floats(0.001, 0.4))
def test_order_statistics_bound_the_quantile_and_no_closer_rank_does(n, q, alpha):
    upper, lower = bounds.quantile_upper(n, q, alpha), bounds.quantile_lower(n, q, alpha)

    def sure(rank):
        return rank > n or beta.sf(q, rank, n - rank + 1) >= 1 - alpha - 1e-9

    def sure_below(rank):
        return rank < 1 or beta.cdf(q, rank, n - rank + 1) >= 1 - alpha - 1e-9

    assert sure(upper)
    assert sure_below(lower)
    assert upper == 1 or not (beta.sf(q, upper - 1, n - upper + 2) >= 1 - alpha + 1e-9)
    assert lower == n or not (beta.cdf(q, lower + 1, n - lower) >= 1 - alpha + 1e-9)


def test_a_p99_of_ten_thousand_is_known_to_a_third_of_what_dkw_allows():
    rank = bounds.quantile_upper(10_000, 0.99, 0.05)
    assert (rank / 10_000 - 0.99) < 0.016 / 3


def test_bounds_at_the_edges():
    assert bounds.clopper_pearson_upper([0, 5, 5.5], [0, 5, 5.5], 0.05).tolist() == [1, 1, 1]
    assert bounds.clopper_pearson_lower([0, 0], [0, 5], 0.05).tolist() == [0, 0]


def test_independent_blocks_lose_little_and_bursty_ones_much():
    rng = np.random.default_rng(10)
    n = np.full(200, 50)
    independent = rng.binomial(n, 0.1)
    bursts = rng.binomial(n, rng.beta(0.1 * 4, 0.9 * 4, 200))
    assert bounds.effective_n(independent, n) > 0.75 * n.sum()
    assert bounds.effective_n(bursts, n) == pytest.approx(n.sum() / (1 + 49 * 0.2), rel=0.35)


def test_the_effective_size_covers_the_rate_of_bursty_blocks():
    rng = np.random.default_rng(11)
    n = np.full((2000, 60), 50)
    k = rng.binomial(n, rng.beta(0.1 * 9, 0.9 * 9, n.shape))
    size = bounds.effective_n(k, n)
    upper = bounds.clopper_pearson_upper(k.mean(axis=1) / 50 * size, size, 0.05)
    naive = bounds.clopper_pearson_upper(k.sum(axis=1), n.sum(axis=1), 0.05)
    assert (upper < 0.1).mean() <= 0.08
    assert (naive < 0.1).mean() > 0.15


@pytest.mark.parametrize(
    ("k", "n"), [([], []), ([0, 0], [0, 0]), ([3], [9]), ([0, 0], [9, 9]), ([9, 9], [9, 9])]
)
def test_without_two_blocks_that_vary_the_design_effect_is_one(k, n):
    assert bounds.design_effect(k, n) == 1


@pytest.mark.parametrize(
    "refused",
    [
        lambda: bounds.clopper_pearson_upper(3, 2, 0.05),
        lambda: bounds.clopper_pearson_upper(1, 2, 0.0),
        lambda: bounds.clopper_pearson_lower(np.nan, 2, 0.05),
        lambda: bounds.quantile_upper(-1, 0.5, 0.05),
        lambda: bounds.quantile_upper(10, 1.0, 0.05),
        lambda: bounds.quantile_lower(10, 0.5, 1.0),
        lambda: bounds.design_effect([3], [2]),
    ],
)
def test_what_has_no_bound_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()
