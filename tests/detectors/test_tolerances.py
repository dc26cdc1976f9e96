"""What a tolerance allows, provisionally and in its wider tiers."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detectors.errors import DetectorError
from detectors.tolerance import DEFAULTS, Tolerance, above_odds, limit, odds_times, provisional, wider


@given(p=st.floats(0, 1), factor=st.floats(0.01, 100))
@example(p=1.0, factor=1 / 3)
def test_odds_are_multiplied(p, factor):
    found = float(odds_times(p, factor))
    assert 0 <= found <= 1
    assert found * (1 - p) == pytest.approx(factor * p * (1 - found), abs=1e-9)


def test_a_rate_never_seen_may_rise_by_the_floor():
    assert float(above_odds(0.0, 2.0, 0.002)) == 0.002


@pytest.mark.parametrize(
    ("kind", "upper", "m"),
    [
        ("rate", 0.01, 2 / 101),
        ("rate", 0.0005, 0.0025),
        ("rate_quiet", 0.01, 3 / 102),
        ("p99", 0.01, 0.03),
        ("confidence", 0.2, 0.3),
        ("category", 0.005, 0.015),
        ("category", 0.5, 2 / 3),
        ("unknown", 0.1, 0.25),
    ],
)
def test_the_shipped_defaults(kind, upper, m):
    assert float(limit(upper, DEFAULTS[kind])) == pytest.approx(m)


@pytest.mark.parametrize(
    ("learned", "learning"),
    [
        (Tolerance("odds", 2.0, 0.002), Tolerance("odds", 4.0, 0.006)),
        (Tolerance("stretch", 1.5), Tolerance("stretch", 2.5)),
        (Tolerance("points", 0.02), Tolerance("points", 0.06)),
        (Tolerance("points", 0.20), Tolerance("points", 0.30)),
        (Tolerance("points", 0.40), Tolerance("points", 0.40)),
        (Tolerance("times", 3.0), Tolerance("times", 7.0)),
    ],
)
def test_a_provisional_reference_allows_three_times_the_deviation(learned, learning):
    found = provisional(learned)
    assert (found.form, found.amount, found.floor) == (
        learning.form,
        pytest.approx(learning.amount),
        pytest.approx(learning.floor),
    )


@pytest.mark.parametrize(
    ("first", "tiers"),
    [
        (Tolerance("odds", 2.0, 0.002), [5.0, 20.0]),
        (Tolerance("odds", 6.0, 0.002), [20.0]),
        (Tolerance("stretch", 1.5), [2.0, 4.0]),
        (Tolerance("points", 0.1), [0.3]),
        (Tolerance("points", 0.4), []),
    ],
)
def test_wider_tiers_are_wider(first, tiers):
    found = wider(first)
    assert [tier.amount for tier in found] == tiers
    assert all((tier.form, tier.floor) == (first.form, first.floor) for tier in found)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: Tolerance("odds", 1.0),
        lambda: Tolerance("points", 0.0),
        lambda: Tolerance("stretch", np.nan),
        lambda: Tolerance("odds", 2.0, -0.1),
        lambda: odds_times(1.5, 2.0),
        lambda: odds_times(0.5, np.inf),
        lambda: above_odds(0.5, 2.0, -1.0),
        lambda: limit(0.5, DEFAULTS["distribution"]),
    ],
)
def test_a_tolerance_that_allows_nothing_or_is_no_number_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()
