"""The promise, at its limit: p = m exactly. Alarms x A / blocks, with its interval, must not exceed 1."""

import numpy as np
import pytest
from detector_simulation import beta_binomial, binomial, false_alarms, of_population, of_sizes

from benchmarks.detection import worlds
from benchmarks.detection.counted import FalseAlarms
from benchmarks.detection.nulls import all_nulls
from detectors import bets, blocks, esr
from detectors.buckets import LOG
from detectors.categories import category_events
from detectors.tube import tube_points, tube_stretch

STREAMS = 250
FEWER = 80
ALONE = np.ones(1)


def within_budget(found: FalseAlarms) -> bool:
    """At least 20 A blocks, no more alarms than promised, and not by luck."""
    return found.blocks >= 20 * found.a and found.ratio <= 1.0 and found.interval[1] <= 1.05


@pytest.mark.parametrize(("p", "n"), [(0.002, 200), (0.02, 20), (0.02, 200), (0.2, 20), (0.5, 200)])
def test_a_rate_at_its_limit_keeps_the_budget(p, n):
    found = false_alarms(binomial(STREAMS, n, p), np.array([p]), ALONE, steps=1500)
    assert within_budget(found), found


def test_blocks_of_all_sizes_keep_the_budget():
    found = false_alarms(of_sizes(STREAMS, [1, 2, 20, 200, 2000], 0.02), np.array([0.02]), ALONE)
    assert within_budget(found), found


@pytest.mark.parametrize(("n", "rho"), [(200, 0.1), (20, 0.5)])
def test_any_correlation_inside_a_block_keeps_the_budget(n, rho):
    found = false_alarms(beta_binomial(STREAMS, n, 0.02, rho), np.array([0.02]), ALONE)
    assert within_budget(found), found


def test_empty_panes_do_not_use_up_the_budget():
    found = false_alarms(of_sizes(STREAMS, [0] * 9 + [2], 0.02), np.array([0.02]), ALONE, steps=3000)
    assert within_budget(found), found


@pytest.mark.parametrize("sizes", [[0, 1, 2, 3, 4, 5], [200]])
def test_kill_slots_keep_their_budget(sizes):
    found = false_alarms(of_sizes(STREAMS, sizes, 0.10), np.array([0.10]), ALONE, steps=1500)
    assert within_budget(found), found


def test_a_tube_at_the_edge_of_its_tolerance_keeps_the_budget():
    edges = tube_points(np.arange(1, 1001), np.full(1000, 10**9), 0.05)
    shifted = np.minimum(np.arange(1, 1001) + 50, 1000)
    found = false_alarms(of_population(FEWER, 40, edges, shifted), edges.m, edges.share, streams=FEWER)
    assert within_budget(found), found


def test_a_distribution_stretched_as_far_as_allowed_keeps_the_budget():
    drawn = np.random.default_rng(3).lognormal(5, 0.8, 400_000)
    bucket, count = np.unique(LOG.bucket(drawn), return_counts=True)
    edges = tube_stretch(bucket, count * 10**6, 1.5, LOG)
    found = false_alarms(
        of_population(FEWER, 40, edges, LOG.bucket(1.5 * drawn)), edges.m, edges.share, streams=FEWER
    )
    assert within_budget(found), found


def test_categories_at_their_limits_keep_the_budget():
    events = category_events([0, 1, 2, 3], np.array([1, 70, 20, 9]) * 10**9)
    share = dict(zip(events.category.tolist(), events.m.tolist(), strict=True))
    at_limit = [share[2], share[3], 1 - share[2] - share[3]]

    def draw(rng):
        seen = rng.multinomial(40, at_limit, FEWER)
        k = np.zeros((FEWER, len(events)), dtype=np.int64)
        k[:, events.category == 2] = seen[:, [0]]
        k[:, events.category == 3] = seen[:, [1]]
        # "not" stays below its own limit here: the shares must sum to 1.
        return k, np.full(k.shape, 40)

    found = false_alarms(draw, events.m, events.share, streams=FEWER)
    assert within_budget(found), found


def test_streams_that_come_and_go_share_one_budget():
    rng, a, slots = np.random.default_rng(5), 1e3, 40
    m, runs, steps = 0.05, 20, 2000
    log_m = esr.start(runs * slots, bets.COMPONENTS)
    active = rng.random((runs, slots)) < 0.5
    alarms = 0
    for _ in range(steps):
        flips = rng.random((runs, slots)) < 0.01
        before, active = active, active ^ flips
        live = before & active
        with np.errstate(divide="ignore"):
            log_w = np.log(live / np.maximum(before.sum(axis=1, keepdims=True), 1)).ravel()
        n = np.where(live, 20, 0).ravel()
        k = rng.binomial(n, m)
        log_m = esr.update(log_m, bets.pane_bet_log_components(k, n, np.full(n.size, m)), log_w, n)
        over = esr.level(log_m) >= np.log(a)
        alarms += int(over.sum())
        log_m[over] = -np.inf
    found = FalseAlarms(alarms, runs * steps, a)
    assert within_budget(found), found


def test_retries_over_a_minute_break_ten_second_panes_and_not_the_block_chosen_for_them():
    day = _retries(np.random.default_rng(6), 1, 8640)[0]
    chosen = blocks.choose(blocks.tally_of(day, np.full(day.shape, 20)))
    assert chosen.guaranteed
    assert chosen.seconds >= 60
    failing = _retries(np.random.default_rng(7), 500, 3000)
    size = np.full(failing.shape, 20)
    m = np.array([failing.mean() / 20])
    ten_seconds = _replayed(failing, size, m, 1)
    assert ten_seconds.interval[0] > 1, ten_seconds
    found = _replayed(failing, size, m, chosen.seconds // 10)
    assert found.ratio <= 1.0, found


@pytest.mark.parametrize("name", ["by hour", "one reference"])
def test_nights_that_fail_more_than_days_keep_the_budget(name):
    (null,) = [x for x in all_nulls() if name in x.name]
    rng = np.random.default_rng(26)
    found = [worlds.false_alarms(world, 1e3) for world in null.make(rng, 100, 2_000, 1e3)]
    assert within_budget(found[0]), found


def test_this_benchmark_sees_a_stake_that_peeks_at_the_block_it_bets_on():
    def best_of_block(k, n, m):
        return bets.pane_bet_log_components(k, n, m).max(axis=1, keepdims=True)

    found = false_alarms(binomial(STREAMS, 20, 0.02), np.array([0.02]), ALONE, steps=400, bet=best_of_block)
    assert found.interval[0] > 1, found


def test_this_benchmark_sees_weight_injected_by_empty_blocks():
    found = false_alarms(
        of_sizes(STREAMS, [0] * 49 + [2], 0.02), np.array([0.02]), ALONE, counts_empty=True, steps=1500
    )
    assert found.interval[0] > 1, found


def test_this_benchmark_sees_a_likelihood_ratio_that_trusts_independence():
    def ratio(k, n, m):
        q = np.minimum(bets.alternatives(m), 0.99)
        return k[:, None] * np.log(q / m[:, None]) + (n - k)[:, None] * np.log((1 - q) / (1 - m[:, None]))

    found = false_alarms(
        beta_binomial(STREAMS, 200, 0.02, 0.1), np.array([0.02]), ALONE, steps=400, bet=ratio
    )
    assert found.interval[0] > 1, found


def _retries(rng, streams, panes):
    """Failures a pane of 20 requests: single ones, and now and then five retries over the next minute."""
    failing = rng.binomial(15, 0.005, (streams, panes))
    starts = rng.random((streams, panes)) < 0.02
    for _ in range(5):
        later = rng.integers(0, 6, (streams, panes))
        at = np.minimum(np.arange(panes) + later, panes - 1)
        np.add.at(failing, (np.nonzero(starts)[0], at[starts]), 1)
    return np.minimum(failing, 20)


def _replayed(k, n, m, panes):
    """Alarms on given panes, merged into blocks of `panes` that inject `panes` times the weight."""
    streams, steps = k.shape[0], k.shape[1] // panes
    k_block = k[:, : steps * panes].reshape(streams, steps, panes).sum(axis=2)
    n_block = n[:, : steps * panes].reshape(streams, steps, panes).sum(axis=2)
    log_m, alarms, a = esr.start(streams, bets.COMPONENTS), 0, 1e3
    for t in range(steps):
        log_l = bets.pane_bet_log_components(k_block[:, t], n_block[:, t], np.repeat(m, streams))
        log_m = esr.update(log_m, log_l, np.full(streams, np.log(panes)), n_block[:, t])
        over = esr.level(log_m) >= np.log(a)
        alarms += int(over.sum())
        log_m[over] = -np.inf
    return FalseAlarms(alarms, streams * steps * panes, a)
