"""How soon a change is seen: D_bet is the limit when only the mean inside a block is assumed."""

import numpy as np
import pytest
from detector_simulation import binomial, delays, of_population

from benchmarks.detection.limits import d_bet
from detectors.buckets import LOG
from detectors.tube import tube_points, tube_stretch

STREAMS = 300
ONE_IN_30_DAYS = 259_200
KILL = 1e8
ALONE = np.ones(1)


@pytest.mark.parametrize(
    ("m", "p", "n"),
    [
        (0.02, 0.03, 20),
        (0.02, 0.03, 200),
        (0.02, 0.10, 20),
        (0.02, 0.10, 200),
        (0.20, 0.23, 200),
        (0.002, 0.01, 20),
        (0.01, 0.10, 1),
        (0.50, 0.60, 20),
        (0.02, 1.00, 20),
    ],
)
def test_a_risen_rate_is_seen_within_1_3_of_the_limit_and_a_block(m, p, n):
    found = delays(binomial(STREAMS, n, p), np.array([m]), ALONE, ONE_IN_30_DAYS)
    assert found.mean() <= 1.3 * d_bet(m, p, n, ONE_IN_30_DAYS) + 1


@pytest.mark.parametrize(
    ("p", "per_s", "median"),
    [
        (0.3, 2, 83),
        (0.3, 20, 23),
        (0.3, 200, 21),
        (0.6, 2, 23),
        (0.6, 20, 14),
        (0.6, 200, 13),
        (1.0, 2, 11),
        (1.0, 20, 10),
        (1.0, 200, 10),
    ],
)
def test_a_kill_is_decided_no_later_than_the_table_of_the_design_says(p, per_s, median):
    found = delays(binomial(STREAMS, per_s, p), np.array([0.10]), ALONE, KILL)
    assert np.median(found) <= median


@pytest.mark.parametrize("per_s", [1, 20, 2000])
def test_no_glitch_of_eight_seconds_or_less_can_kill(per_s):
    found = delays(binomial(STREAMS, per_s, 1.0), np.array([0.10]), ALONE, KILL)
    assert found.min() > 8


@pytest.mark.parametrize(("tolerance", "shift", "n"), [(0.05, 0.10, 200), (0.05, 0.25, 20), (0.1, 0.3, 50)])
def test_a_shifted_distribution_is_seen_near_the_limit_of_its_best_edge(tolerance, shift, n):
    deciles = tuple(np.arange(1, 10) / 10)
    tube = tube_points(np.arange(1, 1001), np.full(1000, 10**6), tolerance, qs=deciles)
    shifted = np.minimum(np.arange(1, 1001) + int(1000 * shift), 1000)
    found = delays(of_population(STREAMS, n, tube, shifted), tube.m, tube.share, ONE_IN_30_DAYS)
    assert found.mean() <= 1.3 * _limit(tube, shifted, n) + 1


@pytest.mark.parametrize(("n", "most"), [(200, 15), (20, 45)])
def test_a_few_answers_twenty_times_slower_are_seen_in_the_tail_alone(n, most):
    tube, rng = _learned(0.5)
    slower = rng.lognormal(5, 0.5, 100_000) * np.where(np.arange(100_000) % 25 == 0, 20.0, 1.0)
    found = delays(of_population(STREAMS, n, tube, LOG.bucket(slower)), tube.m, tube.share, ONE_IN_30_DAYS)
    assert np.median(found) <= most


@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_doubled_or_halved_quantity_is_seen_however_narrow_its_distribution(spread, factor):
    tube, rng = _learned(spread)
    moved = LOG.bucket(factor * rng.lognormal(5, spread, 100_000))
    found = delays(of_population(STREAMS, 200, tube, moved), tube.m, tube.share, ONE_IN_30_DAYS, steps=200)
    assert np.median(found) <= 40


def _learned(spread):
    """The tube of stretch 1.5 around 10,000 log-normal values, and the generator they came from."""
    rng = np.random.default_rng(4)
    bucket, count = np.unique(LOG.bucket(rng.lognormal(5, spread, 10_000)), return_counts=True)
    return tube_stretch(bucket, count, 1.5, LOG), rng


def _limit(tube, values, n):
    """D_bet of the best edge alone, at its share of the budget."""
    rate = ((values[:, None] >= tube.low) & (values[:, None] <= tube.high)).mean(axis=0)
    a = ONE_IN_30_DAYS * len(tube)
    return min(d_bet(m, p, n, a) for m, p in zip(tube.m, rate, strict=True) if p > m)
