"""Shares upward, the commonest downward, the unknown by itself, and what was never there before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.categories import category_events
from detectors.errors import DetectorError
from detectors.events import count

references = st.dictionaries(st.integers(0, 60), st.integers(1, 5000), min_size=1, max_size=60)


def counted(events, histogram):
    ids = np.array(sorted(histogram))
    return count(events.table(0), np.zeros(ids.size, np.int32), ids, np.array([histogram[i] for i in ids]))


def row(events, edge, category=-1):
    return int(np.flatnonzero((events.edge == edge) & (events.category == category))[0])


@given(reference=references)
def test_the_reference_keeps_to_its_own_limits(reference):
    events = category_events(list(reference), list(reference.values()))
    k, n = counted(events, reference)
    assert np.allclose(k, events.p_ref * n)
    assert (events.p_ref <= events.m).all()
    assert ((events.m > 0) & (events.m <= 0.5)).all()
    assert events.share.sum() == pytest.approx(1 if len(events) else 0)


def test_unknown_is_a_rate_over_everything_and_shares_are_among_the_known():
    events = category_events([0, 1, 2], [1000, 7200, 1800])
    k, n = counted(events, {0: 50, 1: 30, 2: 20})
    assert (k[row(events, "unknown")], n[row(events, "unknown")]) == (50, 100)
    assert (k[row(events, "category", 2)], n[row(events, "category", 2)]) == (20, 50)
    assert (k[row(events, "not", 1)], n[row(events, "not", 1)]) == (20, 50)
    assert events.m[row(events, "unknown")] == pytest.approx(0.25, abs=0.02)
    assert events.m[row(events, "category", 2)] == pytest.approx(1 / 3, abs=0.02)


def test_a_category_the_reference_never_had_is_watched():
    events = category_events([1, 2], [9000, 1000])
    k, n = counted(events, {1: 70, 2: 10, 77: 20})
    at = row(events, "else")
    assert (k[at], n[at]) == (20, 100)
    assert events.m[at] == pytest.approx(0.01, abs=0.001)


def test_an_even_split_has_no_downward_side():
    events = category_events([1, 2, 3, 4], [250, 250, 250, 250])
    assert "not" not in events.edge.tolist()
    assert events.edge.tolist().count("category") == 4


def test_only_the_commonest_are_watched_but_all_of_the_reference_is_known():
    reference = {i: 1000 - i for i in range(1, 101)}
    events = category_events(list(reference), list(reference.values()), most=10)
    assert events.category[events.edge == "category"].tolist() == list(range(1, 11))
    k, _ = counted(events, {**reference, 101: 7})
    assert k[row(events, "else")] == 7


def test_a_reference_of_unknowns_watches_only_the_unknown_and_may_be_empty():
    assert len(category_events([0], [500])) == 0
    events = category_events([0, 1], [100, 900])
    assert set(events.edge.tolist()) == {"unknown", "not", "else"}


@pytest.mark.parametrize(
    ("categories", "counts"),
    [([], []), ([1], [0]), ([-1], [5]), ([1], [-5]), ([1, 1], [2, 3]), ([1, 2], [3])],
)
def test_what_is_no_reference_is_refused(categories, counts):
    with pytest.raises(DetectorError):
        category_events(categories, counts)
