"""While a stream learns, river's detectors watch its panes: changes are found, without any guarantee."""

import numpy as np
import pytest

from detectors import learning_watch
from detectors.errors import DetectorError
from detectors.learning_watch import LearningWatch, update


def changes(means):
    """(pane, names) of every change that is seen."""
    watch, found = LearningWatch(), []
    for pane, mean in enumerate(means):
        watch = update(watch, mean)
        found += [(pane, watch.changed)] if watch.changed else []
    return found


def steady(panes, centre=200.0, spread=20.0, seed=23):
    return np.random.default_rng(seed).normal(centre, spread, panes).tolist()


def test_a_steady_stream_is_left_alone():
    assert changes(steady(2_000)) == []


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e6])
@pytest.mark.parametrize("shift", [-60.0, 60.0])
def test_a_shift_of_three_spreads_is_seen_in_any_unit_and_direction(scale, shift):
    means = steady(300) + [x + shift for x in steady(100, seed=24)]
    found = changes([x * scale for x in means])
    assert 300 <= found[0][0] <= 320


def test_one_change_is_told_once_and_its_level_is_the_new_normal():
    means = steady(300) + [x + 100 for x in steady(600, seed=24)]
    assert len(changes(means)) == 1


def test_a_stream_that_never_varied_may_still_change():
    assert changes([0.0] * 100 + [0.01] * 20)[0][0] < 120


def test_it_says_nothing_while_it_warms_up():
    assert changes([1.0, 1000.0] * (learning_watch.WARM_UP // 2)) == []


def test_loaded_from_what_was_stored_it_goes_on_as_before():
    means = steady(300) + [x + 40 for x in steady(60, seed=24)]
    live = LearningWatch()
    for mean in means:
        stored = LearningWatch(live.means)
        live = update(live, mean)
        assert update(stored, mean) == live
        if live.changed:
            return
    pytest.fail("the change was not seen")


def test_an_old_state_can_be_gone_on_from_again_after_a_rollback():
    before = LearningWatch()
    for mean in steady(100):
        before = update(before, mean)
    once = update(update(before, 250.0), 250.0)
    assert update(update(before, 250.0), 250.0) == once


def test_what_it_remembers_is_bounded():
    watch = LearningWatch()
    for mean in steady(learning_watch.MOST + 10):
        watch = update(watch, mean)
        assert len(watch.means) <= learning_watch.MOST
    assert len(watch.means) < learning_watch.MOST


@pytest.mark.parametrize("mean", [np.nan, np.inf, -np.inf])
def test_what_is_no_mean_is_refused(mean):
    with pytest.raises(DetectorError, match="mean"):
        update(LearningWatch(), mean)


def test_what_chance_makes_of_a_mean_is_no_change():
    def changes(least_spread):
        watch, found = learning_watch.LearningWatch(), []
        for mean in [0.0] * 30 + [0.002] * 60:
            watch = learning_watch.update(watch, mean, least_spread)
            found += watch.changed
        return found

    assert changes(0.016) == []
    assert changes(0.0) != []
