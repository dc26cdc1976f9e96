"""A rate against its own past: an e-value for every common rate, known or not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from detectors import esr, paired
from detectors.errors import DetectorError

sizes = st.integers(1, 25)
rates = st.floats(1e-3, 0.9)


def expectation(n_now, n_then, p_now, p_then, usual):
    now, then = (x.ravel() for x in np.meshgrid(np.arange(n_now + 1), np.arange(n_then + 1)))
    weight = binom.pmf(now, n_now, p_now) * binom.pmf(then, n_then, p_then)
    full = (np.full(now.size, n) for n in (n_now, n_then))
    size_now, size_then = full
    return weight @ np.exp(paired.paired_log_components(now, size_now, then, size_then, usual))


@given(n_now=sizes, n_then=sizes, common=st.floats(1e-6, 1), usual=rates)
def test_its_expectation_is_at_most_one_at_every_common_rate(n_now, n_then, common, usual):
    assert (expectation(n_now, n_then, common, common, usual) <= 1 + 1e-6).all()


@given(n_now=sizes, n_then=sizes, then=st.floats(1e-3, 1), share=st.floats(1e-3, 1), usual=rates)
def test_and_where_the_rate_has_fallen(n_now, n_then, then, share, usual):
    assert (expectation(n_now, n_then, then * share, then, usual) <= 1 + 1e-6).all()


def test_a_risen_rate_earns():
    assert expectation(20, 20, 0.3, 0.05, 0.05).max() > 5


@pytest.mark.parametrize(("n_now", "n_then"), [(0, 20), (20, 0), (0, 0)])
def test_an_empty_side_says_nothing(n_now, n_then):
    k_now, k_then = min(n_now, 3), min(n_then, 3)
    assert (paired.paired_log_components([k_now], [n_now], [k_then], [n_then], 0.05) == 0).all()


def test_a_daily_swing_that_comes_every_week_is_no_news_and_a_risen_week_is():
    rng, streams = np.random.default_rng(22), 200
    swing = 0.05 * (1 + 0.9 * np.sin(2 * np.pi * np.arange(500) / 250))
    size = np.full(streams, 100)

    def alarmed(factor):
        log_m, over = esr.start(streams, paired.COMPONENTS), np.zeros(streams, dtype=bool)
        for p in swing:
            now, then = rng.binomial(size, factor * p), rng.binomial(size, p)
            log_l = paired.paired_log_components(now, size, then, size, 0.05)
            log_m = esr.update(log_m, log_l, np.zeros(streams), size)
            over |= esr.level(log_m) >= np.log(1e4)
        return int(over.sum())

    assert alarmed(1.0) <= 20
    assert alarmed(2.0) == streams


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([3], [2], [0], [2], 0.1), "k[0] = 3"),
        (([0], [2], [3], [2], 0.1), "k[0] = 3"),
        (([np.nan], [2], [0], [2], 0.1), "k[0] = nan"),
        (([0], [2], [0], [np.inf], 0.1), "n[0] = inf"),
        (([0], [2], [0], [2], 0.0), "usual[0] = 0"),
        (([0], [2], [0], [2], 1.0), "usual[0] = 1"),
        (([0], [2], [0], [2], np.nextafter(1.0, 0.0)), "too near to 1"),
        (([0, 0], [2, 2], [0], [2], 0.1), "do not fit"),
    ],
)
def test_what_is_no_pair_is_refused_by_name(arguments, named):
    with pytest.raises(DetectorError) as refused:
        paired.paired_log_components(*arguments)
    assert named in str(refused.value)
