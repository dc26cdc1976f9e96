"""Buckets are the same on every machine, hold their own edges and stay within their error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.buckets import LOG, LOGIT, ONE, ZERO, quantile
from detectors.errors import DetectorError

LOG_BUCKETS = np.concatenate([[ZERO], np.arange(-32_000, 32_001)])
LOGIT_BUCKETS = np.concatenate([[ZERO], np.arange(-1000, 1001), [ONE]])
SCALES = pytest.mark.parametrize(("scale", "every"), [(LOG, LOG_BUCKETS), (LOGIT, LOGIT_BUCKETS)])
IN_BOTH = st.floats(0, 1)


@SCALES
def test_every_bucket_holds_its_upper_edge_and_not_the_next_number(scale, every):
    upper = scale.upper(every)
    assert (scale.bucket(upper) == every).all()
    inner = upper[:-1]
    assert (scale.bucket(np.nextafter(inner, np.inf)) == every[1:]).all()


@SCALES
def test_edges_and_values_ascend_and_meet(scale, every):
    assert (np.diff(scale.upper(every)) > 0).all()
    assert (scale.lower(every[1:]) == scale.upper(every[:-1])).all()
    assert scale.lower([ZERO])[0] == -np.inf
    assert (scale.bucket(scale.value(every)) == every).all()


@given(x=st.floats(1e-270, 1e270))
def test_a_log_bucket_stands_for_its_values_within_one_percent(x):
    assert LOG.value(LOG.bucket([x]))[0] == pytest.approx(x, rel=0.01 + 1e-9)


@given(whole=st.integers(1, 10_000_000))
def test_whole_numbers_land_where_exact_arithmetic_puts_them(whole):
    i = int(LOG.bucket([whole])[0])
    # gamma^(i-1) < whole <= gamma^i with gamma = 101/99, in integers.
    if i > 0:
        assert 101 ** (i - 1) < whole * 99 ** (i - 1)
        assert whole * 99**i <= 101**i
    else:
        assert whole == 1


@pytest.mark.parametrize("scale", [LOG, LOGIT])
@given(x=IN_BOTH)
def test_a_bucket_is_bounded_by_its_edges(scale, x):
    index = scale.bucket([x])
    assert scale.lower(index)[0] < x <= scale.upper(index)[0]


@pytest.mark.parametrize("scale", [LOG, LOGIT])
@given(limit=IN_BOTH, x=IN_BOTH)
def test_bucket_at_most_covers_everything_above_and_at_least_nothing_else(scale, limit, x):
    covering, strict = scale.bucket_at_most(limit), scale.bucket_at_least(limit)
    bucket = int(scale.bucket([x])[0])
    if x > limit:
        assert bucket > covering
    if bucket > strict:
        assert x > limit
    assert scale.upper([covering])[0] <= limit <= scale.upper([strict])[0]


def test_zero_and_what_is_below_it_share_a_bucket_of_the_log_scale():
    assert LOG.bucket([0.0, -3.0, -0.0]).tolist() == [ZERO] * 3


def test_extremes_are_clipped():
    assert LOG.bucket([1e-300, 1e300, 5e-324, 1.7e308]).tolist() == [-32_000, 32_000, -32_000, 32_000]
    assert LOGIT.bucket([1e-300, 1 - 1e-16]).tolist() == [-1000, 1000]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("scale", [LOG, LOGIT])
def test_what_is_no_number_is_refused(scale, bad):
    for refusing in (
        scale.bucket,
        lambda v: scale.bucket_at_most(v[0]),
        lambda v: scale.bucket_at_least(v[0]),
    ):
        with pytest.raises(DetectorError):
            refusing([bad])


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_a_probability_outside_its_range_is_refused(bad):
    with pytest.raises(DetectorError):
        LOGIT.bucket([bad])


def test_buckets_that_no_value_has_are_refused():
    for scale, bad in ((LOG, 32_001), (LOG, -32_500), (LOGIT, 1001), (LOGIT, 32_766)):
        for refusing in (scale.upper, scale.lower, scale.value):
            with pytest.raises(DetectorError):
                refusing([bad])


@given(values=st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=200), q=st.floats(0, 1))
def test_a_quantile_is_within_one_percent_of_percentile_disc(values, q):
    bucket, count = np.unique(LOG.bucket(values), return_counts=True)
    rank = max(1, int(np.ceil(q * len(values))))
    assert quantile(bucket, count, q, LOG) == pytest.approx(sorted(values)[rank - 1], rel=0.01 + 1e-9)


@pytest.mark.parametrize(
    ("buckets", "counts", "q"),
    [([], [], 0.5), ([1], [0], 0.5), ([2, 1], [1, 1], 0.5), ([1], [-1], 0.5), ([1], [1], 1.5)],
)
def test_a_histogram_without_quantiles_is_refused(buckets, counts, q):
    with pytest.raises(DetectorError):
        quantile(buckets, counts, q, LOG)
