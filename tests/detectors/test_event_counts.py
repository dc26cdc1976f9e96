"""Counting rare events equals counting them one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import DetectorError
from detectors.events import HIGHEST, LOWEST, EventTable, count, interval, stack

bucket_ids = st.one_of(st.integers(-5, 5), st.sampled_from([LOWEST, HIGHEST, -32_768, 32_767]))
rows = st.tuples(
    st.integers(0, 3), bucket_ids, bucket_ids, st.booleans(), bucket_ids, st.sets(bucket_ids, max_size=3)
)
cells = st.lists(st.tuples(st.integers(0, 3), bucket_ids, st.integers(0, 9)), max_size=40)


def table_of(drawn):
    left_out = [(i, b) for i, row in enumerate(drawn) if not row[3] for b in sorted(row[5])]
    return EventTable(
        stream=np.array([row[0] for row in drawn], dtype=np.int32),
        low=np.array([row[1] for row in drawn], dtype=np.int32),
        high=np.array([row[2] for row in drawn], dtype=np.int32),
        negate=np.array([row[3] for row in drawn], dtype=np.bool_),
        universe_low=np.array([row[4] for row in drawn], dtype=np.int32),
        left_out_row=np.array([i for i, _ in left_out], dtype=np.int32),
        left_out_bucket=np.array([b for _, b in left_out], dtype=np.int32),
    )


def one_by_one(row, histogram):
    stream, low, high, negate, universe_low, left_out = row
    k = n = 0
    for where, bucket, many in histogram:
        if where != stream or bucket < universe_low:
            continue
        n += many
        inside = low <= bucket <= high
        k += many if (not inside if negate else inside and bucket not in left_out) else 0
    return k, n


@given(drawn=st.lists(rows, max_size=8), histogram=cells)
def test_it_counts_what_a_loop_counts(drawn, histogram):
    columns = [np.array([cell[i] for cell in histogram], dtype=np.int64) for i in range(3)]
    k, n = count(table_of(drawn), *columns)
    assert list(zip(k.tolist(), n.tolist(), strict=True)) == [one_by_one(row, histogram) for row in drawn]


def test_a_large_stream_number_does_not_touch_its_neighbours():
    top = 2**31 - 1
    k, n = count(interval(top, 1, 1), stream=[top, top - 1], bucket=[1, 1], count=[3, 5])
    assert (k.tolist(), n.tolist()) == ([3], [3])


def test_stacked_tables_keep_their_left_out_buckets():
    one = EventTable(
        *(np.array([0], dtype=np.int32), np.array([1], dtype=np.int32), np.array([9], dtype=np.int32)),
        negate=np.array([False]),
        universe_low=np.array([1], dtype=np.int32),
        left_out_row=np.array([0], dtype=np.int32),
        left_out_bucket=np.array([4], dtype=np.int32),
    )
    k, _ = count(stack([interval(0, 1, 1), one]), stream=[0, 0, 0], bucket=[1, 4, 5], count=[1, 10, 100])
    assert k.tolist() == [1, 101]
    assert len(stack([])) == 0


@pytest.mark.parametrize(
    "refused",
    [
        lambda: count(interval(0, 1, 1), [0], [1], [-1]),
        lambda: count(interval(0, 1, 1), [-1], [1], [1]),
        lambda: count(interval(0, 1, 1), [0], [1, 2], [1]),
        lambda: interval(-1, 1, 1),
    ],
)
def test_what_does_not_fit_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()
