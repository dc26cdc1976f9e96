"""Recovery is found soon, and a change that persists is not taken for recovered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from detectors import esr, recovery
from detectors.errors import DetectorError


def blocks_until_resolved(p, n, m, p_ref, phi=1.0, streams=300, steps=3000, seed=9):
    rng = np.random.default_rng(seed)
    log_r, found = recovery.start(streams), np.zeros(streams, dtype=np.int64)
    limit, healthy, size = np.full(streams, m), np.full(streams, p_ref), np.full(streams, n)
    for t in range(1, steps + 1):
        log_r = recovery.update(log_r, rng.binomial(n, p, streams), size, limit, healthy, phi)
        found[(esr.level(log_r) >= recovery.RESOLVED) & (found == 0)] = t
        if found.all():
            break
    return found


@pytest.mark.parametrize(
    ("p_ref", "m", "n", "most"), [(0.01, 0.02, 200, 25), (0.01, 0.02, 20, 220), (0.002, 0.1, 20, 12)]
)
def test_a_stream_that_is_well_again_is_resolved(p_ref, m, n, most):
    found = blocks_until_resolved(p_ref, n, m, p_ref)
    assert found.all()
    assert np.median(found) <= most


def test_a_change_that_persists_at_the_limit_is_resolved_less_than_once_a_day():
    quarter = 2160
    found = blocks_until_resolved(0.02, 200, 0.02, 0.01, streams=400, steps=quarter)
    assert 0 < (found > 0).mean() <= quarter / 8640


def test_a_rate_still_above_the_limit_is_never_resolved():
    assert not blocks_until_resolved(0.03, 200, 0.02, 0.01, steps=2000).any()


@given(
    n=st.integers(0, 200),
    m=st.floats(1e-4, 0.9),
    healthy=st.floats(0, 1),
    above=st.floats(0, 1),
    column=st.integers(0, 3),
)
def test_it_is_an_e_value_for_every_rate_from_the_limit_up(n, m, healthy, above, column):
    k = np.arange(n + 1)
    log_l = recovery.update(
        np.full((n + 1, recovery.COMPONENTS), np.log(0.75)), k, np.full(n + 1, n), m, healthy
    )
    expected = binom.pmf(k, n, m + above * (1 - m)) @ np.exp(log_l[:, column])
    assert expected <= 1 + 1e-9


def test_no_data_is_no_recovery():
    log_r = recovery.update(recovery.start(1), [0], [200], [0.1], [0.01])
    assert (recovery.update(log_r, [0], [0], [0.1], [0.01]) == log_r).all()


def test_correlated_requests_recover_later():
    alone = np.median(blocks_until_resolved(0.01, 200, 0.02, 0.01))
    assert np.median(blocks_until_resolved(0.01, 200, 0.02, 0.01, phi=3.0)) > 2 * alone


@pytest.mark.parametrize("p_ref", [np.nan, 0.1, 0.5])
def test_without_a_reference_below_the_limit_half_the_limit_counts_as_healthy(p_ref):
    assert recovery.alternatives([0.1], [p_ref])[0, -1] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("k", "n", "m", "phi"), [(3, 2, 0.1, 1), (1, 2, 1.0, 1), (1, 2, 0.1, 0.5), (np.nan, 2, 0.1, 1)]
)
def test_what_is_no_count_is_refused(k, n, m, phi):
    with pytest.raises(DetectorError):
        recovery.update(recovery.start(1), [k], [n], [m], [0.01], phi)
