"""The estimated onset lies near the change, and its counters count what came since."""

import numpy as np
import pytest

from detectors import bets, cusum, esr
from detectors.errors import DetectorError
from detectors.tolerance import odds_times

BLOCK_MS = 10_000
QUIET = 200


def errors_in_blocks(p_ref, p, n, streams=200, steps=2500, swing=0.0, seed=8):
    """Estimated onset less the true one, in blocks, at the moment of each stream's alarm."""
    rng = np.random.default_rng(seed)
    m = np.full(streams, float(odds_times(p_ref, 2.0)))
    log_m, onset, found = esr.start(streams, bets.COMPONENTS), cusum.start(streams), np.full(streams, np.nan)
    for t in range(steps):
        quiet = p_ref * (1 + swing * np.sin(t / 16))
        k, size = rng.binomial(n, quiet if t < QUIET else p, streams), np.full(streams, n)
        log_m = esr.update(log_m, bets.pane_bet_log_components(k, size, m), np.full(streams, -5.0), size)
        onset = cusum.update(onset, cusum.increment(k, size, m), t * BLOCK_MS, k, size)
        alarm = (esr.level(log_m) >= np.log(259_200)) & np.isnan(found) & (t >= QUIET)
        found[alarm] = onset.onset_ms[alarm] / BLOCK_MS - QUIET
        if not np.isnan(found).any():
            return found
    raise AssertionError("some streams never alarmed")


@pytest.mark.parametrize(
    ("p_ref", "p", "n", "swing"),
    [
        (0.01, 0.057, 20, 0.0),
        (0.01, 0.139, 20, 0.0),
        (0.01, 0.031, 200, 0.0),
        (0.01, 0.057, 200, 0.6),
        (0.05, 0.144, 20, 0.0),
        (0.05, 0.24, 200, 0.0),
        (0.01, 0.50, 2, 0.0),
    ],
)
def test_it_is_within_two_blocks_of_a_moderate_shift(p_ref, p, n, swing):
    error = errors_in_blocks(p_ref, p, n, swing=swing)
    assert np.median(np.abs(error)) <= 2
    assert abs(np.median(error)) <= 1


def test_counters_restart_with_the_candidate():
    state = cusum.start(1)
    for block, (k, n) in enumerate([(5, 20), (0, 2000), (4, 20), (0, 20), (3, 20)]):
        state = cusum.update(state, cusum.increment([k], [n], [0.02]), block * BLOCK_MS, [k], [n])
    assert state.onset_ms[0] == 2 * BLOCK_MS
    assert (state.k_since[0], state.n_since[0], state.blocks_with_events[0]) == (7, 60, 2)


def test_empty_blocks_change_nothing():
    seen = cusum.update(cusum.start(1), cusum.increment([5], [20], [0.02]), 0, [5], [20])
    after = cusum.update(seen, cusum.increment([0], [0], [0.02]), BLOCK_MS, [0], [0])
    assert (after.c, after.onset_ms, after.k_since, after.n_since) == (
        seen.c,
        seen.onset_ms,
        seen.k_since,
        seen.n_since,
    )


def test_an_empty_block_is_no_candidate():
    state = cusum.update(cusum.start(1), cusum.increment([0], [0], [0.02]), 0, [0], [0])
    state = cusum.update(state, cusum.increment([5], [20], [0.02]), BLOCK_MS, [5], [20])
    assert state.onset_ms[0] == BLOCK_MS


@pytest.mark.parametrize(
    ("log_l", "k", "n"), [([np.nan], [1], [2]), ([0.1], [3], [2]), ([0.1, 0.1], [1], [2])]
)
def test_what_does_not_fit_is_refused(log_l, k, n):
    with pytest.raises(DetectorError):
        cusum.update(cusum.start(1), log_l, 0, k, n)
