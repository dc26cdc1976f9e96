"""A block is long enough that bursts do not reach into the next, and short enough to have fifty."""

import numpy as np
import pytest

from detectors import blocks
from detectors.errors import DetectorError


def bursty(length, panes=6 * 60 * 24, seed=12):
    """A day of panes of 20 requests whose rate changes every `length` panes."""
    rng = np.random.default_rng(seed)
    rate = np.repeat(rng.choice([0.005, 0.1], panes // length + 1), length)[:panes]
    return rng.binomial(20, rate), np.full(panes, 20)


def test_independent_panes_are_blocks_of_ten_seconds():
    rng = np.random.default_rng(13)
    passed = [blocks.choose_block(rng.binomial(20, 0.02, 600), np.full(600, 20)) for _ in range(100)]
    assert sum(choice.seconds == 10 for choice in passed) >= 84
    assert all(choice.guaranteed for choice in passed if choice.seconds == 10)


def test_bursts_of_a_minute_need_longer_blocks():
    choice = blocks.choose_block(*bursty(6))
    assert choice.seconds > 10
    assert choice.guaranteed
    assert choice.lag1 <= 0.1


def test_bursts_as_long_as_the_reference_allow_no_guarantee():
    choice = blocks.choose_block(*bursty(1000), fallback=300)
    assert (choice.seconds, choice.guaranteed) == (300, False)
    assert choice.lag1 > 0.1


def test_fifty_blocks_that_hold_requests_are_needed():
    k, n = np.tile([0, 1], 300), np.full(600, 20)
    assert blocks.choose_block(k, n).guaranteed
    mostly_empty = np.where(np.arange(600) % 15 == 0, n, 0)
    assert not blocks.choose_block(np.minimum(k, mostly_empty), mostly_empty).guaranteed


def test_an_event_that_never_happened_has_no_bursts():
    assert blocks.choose_block(np.zeros(100), np.full(100, 20)).guaranteed


def test_blocks_without_neighbours_are_too_short_to_tell():
    n = np.where(np.arange(60 * 60) % 30 == 0, 20, 0)
    k = np.random.default_rng(18).binomial(n, 0.02)
    choice = blocks.choose_block(k, n)
    assert choice.seconds == 300
    assert choice.guaranteed


def test_the_events_of_a_tube_decide_together():
    k, n = bursty(6)
    steady = np.random.default_rng(14).binomial(20, 0.3, k.size)
    together = blocks.choose_block(np.stack([k, steady]), np.stack([n, n]))
    assert together.seconds > 10


def test_lag_one_is_near_that_of_an_autoregression():
    rng = np.random.default_rng(15)
    level, path = 0.0, []
    for _ in range(20_000):
        level = 0.5 * level + rng.normal() * 0.05
        path.append(np.clip(0.5 + level, 0, 1))
    n = np.full(20_000, 100_000)
    assert blocks.lag1(np.round(np.array(path) * n), n) == pytest.approx(0.5, abs=0.03)


def test_gaps_are_not_bridged():
    k, n = np.array([9, 0, 9, 0, 9, 0, 0, 1]), np.array([10, 0, 10, 0, 10, 0, 10, 10])
    only_pair = blocks.lag1(k, n)
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
        lambda: blocks.choose_block([3], [2]),
        lambda: blocks.lag1([np.nan], [2]),
    ],
)
def test_what_is_no_count_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()
