"""What `check` says of delays is what the recursion takes: D_bet from a formula, against simulation."""

import numpy as np
import pytest
from detector_simulation import binomial, d_bet, delays

from detectors.delays import expected_blocks, growth
from detectors.errors import DetectorError

ONE_IN_30_DAYS = 259_200
CHANGES = [
    (0.02, 0.03, 200),
    (0.02, 0.10, 20),
    (0.02, 0.10, 200),
    (0.20, 0.23, 200),
    (0.002, 0.01, 20),
    (0.01, 0.10, 1),
    (0.50, 0.60, 20),
    (0.02, 1.00, 20),
]


@pytest.mark.parametrize(("m", "p", "n"), CHANGES)
def test_the_best_bet_is_found(m, p, n):
    assert expected_blocks(ONE_IN_30_DAYS, 1.0, m, p, n)[0] == pytest.approx(
        d_bet(m, p, n, ONE_IN_30_DAYS), rel=1e-6
    )


@pytest.mark.parametrize("share", [1.0, 0.05])
@pytest.mark.parametrize(("m", "p", "n"), CHANGES)
def test_simulated_delays_are_0_8_to_1_3_times_it_and_a_block(m, p, n, share):
    found = delays(binomial(300, n, p), np.array([m]), np.array([share]), ONE_IN_30_DAYS).mean()
    limit = expected_blocks(ONE_IN_30_DAYS, share, m, p, n)[0]
    assert 0.8 * limit <= found <= 1.3 * limit + 1


def test_what_is_within_the_limit_is_never_seen():
    assert expected_blocks(ONE_IN_30_DAYS, 1.0, [0.02, 0.02], [0.02, 0.01], 100).tolist() == [np.inf, np.inf]
    assert growth([0.02], [0.01], 100).tolist() == [0.0]


def test_no_change_is_seen_before_ln_a_over_ln_1_over_m_blocks():
    floor = np.log(ONE_IN_30_DAYS) / np.log(1 / 0.02)
    assert expected_blocks(ONE_IN_30_DAYS, 1.0, 0.02, 1.0, 10**6)[0] == pytest.approx(floor)


def test_a_smaller_weight_and_fewer_requests_only_delay():
    by_weight = expected_blocks(ONE_IN_30_DAYS, [1.0, 0.1, 0.01], 0.02, 0.05, 100)
    by_size = [expected_blocks(ONE_IN_30_DAYS, 1.0, 0.02, 0.05, n)[0] for n in (1000, 100, 10, 1)]
    assert (np.diff(by_weight) > 0).all()
    assert (np.diff(by_size) > 0).all()


def test_the_largest_block_is_summed_over_what_can_happen_only():
    assert growth(0.02, 0.03, 10**7)[0] == pytest.approx(np.log(0.03 / 0.02), rel=1e-3)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: growth(0.0, 0.1, 10),
        lambda: growth(0.02, 1.1, 10),
        lambda: growth(0.02, float("nan"), 10),
        lambda: growth(0.02, 0.1, 0),
        lambda: growth(0.02, 0.1, 10**7 + 1),
        lambda: expected_blocks(0.0, 1.0, 0.02, 0.1, 10),
        lambda: expected_blocks(1e5, 0.0, 0.02, 0.1, 10),
        lambda: expected_blocks(1e5, float("inf"), 0.02, 0.1, 10),
    ],
)
def test_what_has_no_delay_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()
