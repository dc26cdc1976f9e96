"""The rate that a limit comes from: of all records, or of a pane, whichever is larger."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import base_rates
from detectors.base_rates import NO_PANES, BaseRates, PaneRates
from detectors.bounds import clopper_pearson_upper
from detectors.categories import category_events
from detectors.errors import DetectorError
from detectors.events import HIGHEST
from detectors.tube import tube_points

ERRORS = np.array([0, 1])
histories = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 4)), min_size=1, max_size=60)


def of(k, n):
    """The base rates of panes with `k` events of `n` records."""
    k, n = np.asarray(k), np.asarray(n)
    counts = np.array([(n - k).sum(), k.sum()])
    panes = PaneRates(np.array([((n - k) / n).sum(), (k / n).sum()]), n.size, float((1 / n).sum()))
    return BaseRates(ERRORS, counts, float(counts.sum()), panes)


def test_nights_of_few_that_fail_often_count_as_much_as_busy_days():
    base = of(np.tile([1, 20], 500), np.tile([20, 2000], 500))
    assert base.pooled(1, 1) == pytest.approx(21 / 2020)
    assert base.highest(1, 1) == pytest.approx((0.05 + 0.01) / 2)
    assert base.upper(1, 1, 0.05) > base.highest(1, 1)


def test_the_pooled_rate_counts_where_busy_panes_fail_more():
    base = of(np.tile([1, 100], 500), np.tile([100, 1000], 500))
    assert base.highest(1, 1) == base.pooled(1, 1) > 0.055


def test_without_panes_the_bound_is_that_of_all_records():
    base = BaseRates(ERRORS, np.array([990, 10]), 500.0)
    assert base.upper(1, 1, 0.05) == pytest.approx(float(clopper_pearson_upper(5, 500, 0.05)))


def test_panes_of_one_size_are_worth_their_records():
    assert of([1, 0, 2], [20, 20, 20]).panes.size == pytest.approx(60)


def test_correlated_records_make_both_bounds_wider():
    k, n = np.tile([0, 2], 200), np.full(400, 20)
    alone = of(k, n)
    bursty = BaseRates(alone.buckets, alone.counts, alone.size / 5, alone.panes)
    assert bursty.upper(1, 1, 0.05) > alone.upper(1, 1, 0.05)


@given(history=histories)
def test_pane_by_pane_comes_to_the_same_as_the_whole_history(history):
    panes = np.array([pane for pane, _ in history])
    buckets = np.array([bucket for _, bucket in history])
    counts = np.arange(1, len(history) + 1)
    whole = base_rates.of_panes(panes, buckets, counts)
    sums = dict.fromkeys(sorted(set(buckets.tolist())), 0.0)
    inverse = 0.0
    for pane in set(panes.tolist()):
        mine = panes == pane
        one = base_rates.of_pane(counts[mine])
        inverse += one.inverse
        for bucket, rate in zip(buckets[mine].tolist(), one.rates.tolist(), strict=True):
            sums[bucket] += rate
    np.testing.assert_allclose(whole.rates, list(sums.values()))
    assert (whole.panes, whole.inverse) == (len(set(panes.tolist())), pytest.approx(inverse))


def test_every_edge_of_a_tube_allows_what_its_panes_did():
    values, counts = np.arange(10), np.full(10, 1000)
    slow_nights = PaneRates(np.array([50.0] * 5 + [150.0] * 5), 1000, 100.0)
    pooled, both = (tube_points(values, counts, 0.05, panes=p) for p in (NO_PANES, slow_nights))
    at_p80 = 8
    before, after = (float(tube.m[tube.low == at_p80][0]) for tube in (pooled, both))
    assert before == pytest.approx(0.2 + 0.05, abs=0.01)
    assert after == pytest.approx(0.3 + 0.05, abs=0.01)


def test_shares_of_panes_are_among_the_known_too():
    rates = PaneRates(np.array([500.0, 400.0, 100.0]), 1000, 1e-3)
    events = category_events([0, 1, 2], [10_000, 81_000, 9_000], panes=rates)
    rare = events.m[(events.edge == "category") & (events.category == 2)][0]
    assert rare == pytest.approx(2 * 0.2 / 1.2, abs=0.01)
    assert "unknown" not in events.edge.tolist()


@pytest.mark.parametrize(
    "refused",
    [
        lambda: base_rates.of_pane(np.array([0, 0])),
        lambda: base_rates.of_panes(np.array([1]), np.array([0]), np.array([0])),
        lambda: BaseRates(ERRORS, np.array([0, 0]), 1.0),
        lambda: BaseRates(ERRORS, np.array([5, 5]), 10.0, PaneRates(np.array([1.0]), 1, 0.1)),
        lambda: BaseRates(ERRORS, np.array([5, 5]), 10.0, PaneRates(np.array([1.0, np.nan]), 1, 0.1)),
    ],
)
def test_what_has_no_rates_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()


def test_an_interval_without_buckets_never_happened():
    assert of([1], [20]).pooled(2, HIGHEST) == 0
