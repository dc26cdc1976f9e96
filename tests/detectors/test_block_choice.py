"""A block is long enough that bursts do not reach into the next, and short enough to have fifty."""

import numpy as np
import pytest

from benchmarks.detection.nulls import slow_requests
from detectors import blocks, bounds
from detectors.errors import DetectorError


def bursty(length, panes=6 * 60 * 24, seed=12):
    """A day of panes of 20 requests whose rate changes every `length` panes."""
    rng = np.random.default_rng(seed)
    rate = np.repeat(rng.choice([0.005, 0.1], panes // length + 1), length)[:panes]
    return rng.binomial(20, rate), np.full(panes, 20)


def chosen(k, n):
    return blocks.choose(blocks.tally_of(k, n))


def ten_seconds(k, n):
    """The lag-1 autocorrelation of panes."""
    return blocks.lag1s(blocks.tally_of(k, n))[0, 0]


def test_pane_by_pane_comes_to_the_same_as_the_whole_history():
    rng = np.random.default_rng(19)
    n = rng.poisson(3, (2, 1500))
    k = rng.binomial(n, 0.3)
    tally = blocks.start(2)
    for pane in range(1500):
        tally = blocks.tallied(tally, k[:, pane], n[:, pane])
    whole = blocks.tally_of(k, n)
    np.testing.assert_allclose(tally.sums, whole.sums, rtol=1e-12)
    np.testing.assert_array_equal(tally.panes, whole.panes)


def test_lag_one_is_that_of_the_scores_around_the_pooled_rate():
    rng = np.random.default_rng(20)
    n = rng.poisson(3, 400)
    k = rng.binomial(n, rng.beta(1, 2, 400))
    score = (k - n * k.sum() / n.sum()) / np.sqrt(np.maximum(n, 1))
    both = (n[:-1] > 0) & (n[1:] > 0)
    earlier, later = score[:-1][both], score[1:][both]
    assert ten_seconds(k, n) == pytest.approx(
        (earlier * later).sum() / np.sqrt((earlier**2).sum() * (later**2).sum())
    )


def test_the_design_effect_is_that_of_the_blocks():
    rng = np.random.default_rng(21)
    n = rng.poisson(20, 600)
    k = rng.binomial(n, rng.beta(1, 9, 600))
    merged_k, merged_n = k.reshape(-1, 6).sum(axis=1), n.reshape(-1, 6).sum(axis=1)
    effects = blocks.design_effects(blocks.tally_of(k, n))[0]
    assert effects[0] == pytest.approx(bounds.design_effect(k, n))
    assert effects[1] == pytest.approx(bounds.design_effect(merged_k, merged_n))


def test_independent_panes_are_blocks_of_ten_seconds():
    rng = np.random.default_rng(13)
    passed = [chosen(rng.binomial(20, 0.02, 600), np.full(600, 20)) for _ in range(100)]
    assert sum(choice.seconds == 10 for choice in passed) >= 84
    assert all(choice.guaranteed for choice in passed if choice.seconds == 10)


def test_bursts_of_a_minute_need_longer_blocks():
    choice = chosen(*bursty(6))
    assert choice.seconds > 10
    assert choice.guaranteed
    assert choice.lag1 <= 0.04


@pytest.mark.parametrize(("n", "p"), [(20, 0.01), (200, 0.01), (20, 0.1)])
def test_independent_blocks_pass_in_most_references_of_fifty(n, p):
    k = np.random.default_rng(22).binomial(n, p, (1000, 50))
    passed = [chosen(one, np.full(50, n)).guaranteed for one in k]
    assert np.mean(passed) >= 0.84


def test_bursts_of_half_a_minute_never_pass_as_blocks_of_one():
    """A queue at load .85: the lag-1 of 60 s is .2, and below .1 in a tenth of all references of a day."""
    days = slow_requests(np.random.default_rng(23), 100, 8640, 0.85)
    choices = [chosen(day, np.full(day.size, 50)) for day in days]
    kept = [choice.seconds for choice in choices if choice.guaranteed]
    assert set(kept) == {300, 1200}
    assert len(kept) > 80


def test_a_swing_over_the_day_is_no_burst():
    day = np.arange(8640)
    k = np.random.default_rng(24).binomial(200, 0.01 * (1 + 0.5 * np.sin(2 * np.pi * day / 8640)))
    assert chosen(k, np.full(8640, 200)).seconds == 10


def test_bursts_that_are_over_within_a_block_reach_a_known_part_into_the_next():
    rng = np.random.default_rng(25)
    level, path = 0.0, []
    for _ in range(60_000):
        level = 0.7 * level + rng.normal() * 0.02
        path.append(np.clip(0.5 + level, 0, 1))
    n = np.full(60_000, 100_000)
    lags = blocks.lag1s(blocks.tally_of(np.round(np.array(path) * n), n))[0]
    assert float(blocks.foreseen(lags[1], 5)) == pytest.approx(lags[2], abs=0.02)


def test_bursts_as_long_as_the_reference_allow_no_guarantee():
    choice = chosen(*bursty(1000))
    assert not choice.guaranteed
    assert choice.lag1 > 0.1


def test_fifty_blocks_that_hold_requests_are_needed():
    k, n = np.tile([0, 1], 300), np.full(600, 20)
    assert chosen(k, n).guaranteed
    mostly_empty = np.where(np.arange(600) % 15 == 0, n, 0)
    assert not chosen(np.minimum(k, mostly_empty), mostly_empty).guaranteed


def test_an_event_that_never_happened_has_no_bursts():
    assert chosen(np.zeros(100), np.full(100, 20)).guaranteed


def test_an_event_that_always_happens_as_often_has_no_bursts():
    assert chosen(np.ones(100), np.full(100, 20)).guaranteed


def test_blocks_without_neighbours_are_too_short_to_tell():
    n = np.where(np.arange(60 * 60) % 30 == 0, 20, 0)
    k = np.random.default_rng(18).binomial(n, 0.02)
    choice = chosen(k, n)
    assert choice.seconds == 300
    assert choice.guaranteed


def test_the_events_of_a_tube_decide_together():
    k, n = bursty(6)
    steady = np.random.default_rng(14).binomial(20, 0.3, k.size)
    together = chosen(np.stack([k, steady]), np.stack([n, n]))
    assert together.seconds > 10


def test_lag_one_is_near_that_of_an_autoregression():
    rng = np.random.default_rng(15)
    level, path = 0.0, []
    for _ in range(20_000):
        level = 0.5 * level + rng.normal() * 0.05
        path.append(np.clip(0.5 + level, 0, 1))
    n = np.full(20_000, 100_000)
    assert ten_seconds(np.round(np.array(path) * n), n) == pytest.approx(0.5, abs=0.03)


def test_gaps_are_not_bridged():
    k, n = np.array([9, 0, 9, 0, 9, 0, 0, 1]), np.array([10, 0, 10, 0, 10, 0, 10, 10])
    only_pair = ten_seconds(k, n)
    assert only_pair == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kind", "per_s", "quantile", "seconds"),
    [
        ("rate", 20.0, 0.5, 10),
        ("rate", 19.0, 0.5, 60),
        ("category", 50.0, 0.5, 10),
        ("latency", 500.0, 0.95, 60),
        ("latency", 500.0, 0.99, 300),
        ("distribution", 0.0, 0.999, 300),
    ],
)
def test_blocks_before_learning(kind, per_s, quantile, seconds):
    assert blocks.before_learning(kind, per_s, quantile) == seconds


@pytest.mark.parametrize(
    "refused",
    [
        lambda: blocks.before_learning("traffic", 1.0),
        lambda: blocks.before_learning("rate", -1.0),
        lambda: blocks.tally_of([3], [2]),
        lambda: blocks.tallied(blocks.start(1), [np.nan], [2]),
        lambda: blocks.tallied(blocks.start(1), [3], [2]),
    ],
)
def test_what_is_no_count_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()
