"""A tube's events are rare in the reference, are bounded with confidence and survive atoms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.buckets import LOG, LOGIT, ONE
from detectors.errors import DetectorError
from detectors.tolerance import M_MAX
from detectors.tube import edges, tube_points, tube_stretch

histograms = st.dictionaries(st.integers(-300, 300), st.integers(1, 500), min_size=1, max_size=40).map(
    lambda found: (np.array(sorted(found)), np.array([found[b] for b in sorted(found)]))
)


def rate(tube, bucket, count=None):
    weight = np.ones(np.size(bucket)) if count is None else count
    inside = (np.asarray(bucket)[:, None] >= tube.low) & (np.asarray(bucket)[:, None] <= tube.high)
    return weight @ inside / weight.sum()


@given(histogram=histograms, points=st.floats(0.01, 0.4), stretch=st.floats(1.05, 4))
def test_every_edge_is_a_rare_event_the_reference_itself_keeps_to(histogram, points, stretch):
    for tube in (tube_points(*histogram, points), tube_stretch(*histogram, stretch, LOG)):
        assert ((tube.m > 0) & (tube.m <= M_MAX)).all()
        assert np.allclose(rate(tube, *histogram), tube.p_ref)
        assert (tube.p_ref <= tube.m).all()
        assert tube.share.sum() == pytest.approx(1 if len(tube) else 0)
        assert len(set(zip(tube.side.tolist(), tube.low.tolist(), tube.high.tolist(), strict=True))) == len(
            tube
        )


@given(histogram=histograms, stretch=st.floats(1.05, 4), within=st.floats(0, 1), up=st.booleans())
def test_a_reference_stretched_within_the_tolerance_keeps_to_the_tube(histogram, stretch, within, up):
    tube = tube_stretch(*histogram, stretch, LOG)
    factor = stretch**within
    bucket, count = histogram
    # The largest value of each bucket, the worst case upward; the smallest downward.
    value = LOG.upper(bucket) * factor if up else np.nextafter(LOG.lower(bucket), np.inf) / factor
    side = tube.side == ("up" if up else "down")
    assert (rate(tube, LOG.bucket(value), count)[side] <= tube.m[side] + 1e-9).all()


def test_an_alarm_at_an_edge_says_that_this_quantile_moved_by_more_than_the_stretch():
    values = np.random.default_rng(16).lognormal(5, 0.5, 100_000)
    bucket, count = np.unique(LOG.bucket(values), return_counts=True)
    tube = tube_stretch(bucket, count, 1.5, LOG, sides=("up",))
    assert tube.edge[-5:].tolist() == ["p60", "p70", "p80", "p90", "p99"]
    for i, edge in enumerate(tube.edge.tolist()):
        p = 1 - float(edge[1:]) / 100
        assert tube.m[i] == pytest.approx(p, abs=0.005)
        moved = rate(tube, LOG.bucket(values * 1.6))[i]
        assert moved > tube.m[i]
        assert rate(tube, LOG.bucket(values * 1.4))[i] < tube.m[i]


def test_limits_hold_for_the_truth_in_all_but_alpha_of_references():
    rng = np.random.default_rng(17)
    broken = total = 0
    for _ in range(300):
        bucket, count = np.unique(rng.geometric(0.02, 500), return_counts=True)
        tube = tube_points(bucket, count, 0.0, alpha=0.05)
        up = tube.side == "up"
        truth = np.where(
            up, 0.98 ** (tube.low.clip(1) - 1.0), 1 - 0.98 ** tube.high.clip(0, 10_000).astype(float)
        )
        broken += int((truth > tube.m).sum())
        total += len(tube)
    assert broken / total <= 0.065


def test_fewer_effective_records_mean_wider_limits():
    bucket, count = np.arange(100), np.full(100, 100)
    few, many = tube_points(bucket, count, 0.05, n_eff=200.0), tube_points(bucket, count, 0.05)
    assert few.edge[-1] == "p30"
    assert few.m[-1] > many.m[many.edge == "p30"][-1]


def test_a_confidence_that_is_always_one_can_still_collapse():
    tube = tube_points(LOGIT.bucket([1.0]), [10_000], 0.10, sides=("down",))
    assert tube.high.tolist() == [ONE - 1]
    assert rate(tube, LOGIT.bucket([0.9]))[0] == 1


def test_a_constant_quantity_is_watched_on_both_sides():
    tube = tube_stretch(LOG.bucket([1.0]), [10_000], 1.5, LOG)
    assert tube.side.tolist() == ["up", "down"]
    assert tube.edge.tolist() == ["p99", "p1"]
    assert rate(tube, LOG.bucket([2.0])).tolist() == [1, 0]
    assert rate(tube, LOG.bucket([0.5])).tolist() == [0, 1]


def test_ties_become_one_edge():
    bucket, label = edges([1, 2, 3], [10, 80, 10])
    assert bucket.tolist() == [1, 2, 3]
    assert label.tolist() == [0.1, 0.9, 0.99]
    assert edges([1, 2, 3], [10, 80, 10], side="down")[1].tolist() == [0.01, 0.2, 0.99]


def test_nothing_lies_below_zero():
    tube = tube_stretch(LOG.bucket([0.0, 1.0]), [9000, 1000], 1.5, LOG, sides=("down",))
    assert len(tube) == 0


def test_a_stretch_beyond_the_scale_is_left_out():
    tube = tube_stretch(LOGIT.bucket([0.9]), [1000], 1.5, LOGIT, sides=("up",))
    assert len(tube) == 0


@pytest.mark.parametrize(
    "refused",
    [
        lambda: tube_points([], [], 0.1),
        lambda: tube_points([1], [0], 0.1),
        lambda: tube_points([1], [5], -0.1),
        lambda: tube_points([1], [5], 0.1, sides=("both",)),
        lambda: tube_points([1], [5], 0.1, sides=()),
        lambda: tube_points([1], [5], 0.1, n_eff=0.0),
        lambda: tube_stretch([1], [5], 1.0, LOG),
        lambda: tube_stretch([1], [5], np.nan, LOG),
    ],
)
def test_what_makes_no_tube_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()
