"""The calibration view and the expected calibration error, against numpy over the predictions themselves."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from ledger_rows import PANE, T0, Rows
from numpy.typing import NDArray

from monitor.records.signals import INTERNAL, Kind

BINS = [s.code for s in INTERNAL if s.kind is Kind.CALIBRATION]


def keep(rows: Rows, confidence: NDArray[np.float64], correct: NDArray[np.bool_], at: datetime = T0) -> None:
    """Store what a pane of these predictions keeps."""
    places = np.minimum((confidence * 20).astype(int), 19)
    where = {"stream_id": 1, "slice_id": 0, "pane_start": at, "evidence_start": at}
    for i in np.unique(places).tolist():
        mine = places == i
        right, n = int(correct[mine].sum()), int(mine.sum())
        counts = {0: n - right, 1: right}
        kept = [b for b in counts if counts[b]]
        rows.add(
            "pane", signal=BINS[i], n=n, total=float(confidence[mine].sum()),
            buckets=kept, counts=[counts[b] for b in kept], **where,
        )  # fmt: skip


def error_of(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Naeini, Cooper and Hauskrecht (AAAI 2015), from the predictions."""
    places = np.minimum((confidence * 20).astype(int), 19)
    gaps = [
        (places == i).mean() * abs(correct[places == i].mean() - confidence[places == i].mean())
        for i in np.unique(places)
    ]
    return float(sum(gaps))


def error_in(
    rows: Rows, since: datetime = T0, until: datetime = T0 + PANE * 100, stream: str = "chat-eu"
) -> object:
    sql = "SELECT tocsin.expected_calibration_error(:stream, :since, :until)"
    ((found,),) = rows.read(sql, stream=stream, since=since, until=until)
    return found


def test_the_view_tells_of_each_bin_how_many_were_right_and_how_sure_they_were(rows):
    keep(rows, np.array([0.91, 0.93, 0.12]), np.array([True, False, False]))
    keep(rows, np.array([1.0]), np.array([True]), T0 + PANE)
    assert rows.read("SELECT * FROM tocsin.calibration ORDER BY pane_start, confidence_from") == [
        ("chat-eu", T0, 0.1, 0.15, 1, 0, 0.12),
        ("chat-eu", T0, 0.9, 0.95, 2, 1, pytest.approx(0.92)),
        ("chat-eu", T0 + PANE, 0.95, 1.0, 1, 1, 1.0),
    ]


def test_what_rules_read_does_not_show_it(rows):
    keep(rows, np.array([0.91]), np.array([True]))
    for view in ("rates", "quantiles", "categories"):
        assert rows.read(f"SELECT * FROM tocsin.{view}") == []


@pytest.mark.parametrize("seed", range(5))
def test_the_expected_calibration_error_over_panes_is_that_of_the_predictions(rows, seed):
    rng = np.random.default_rng(seed)
    confidence, bend = rng.beta(3, 1, 3_000), rng.uniform(0.3, 3)
    correct = rng.random(3_000) < confidence**bend
    for i, part in enumerate(np.array_split(np.arange(3_000), 7)):
        keep(rows, confidence[part], correct[part], T0 + PANE * i)
    assert error_in(rows) == pytest.approx(error_of(confidence, correct), rel=1e-12)


def test_only_panes_that_begin_in_the_period_count(rows):
    keep(rows, np.array([0.8]), np.array([False]))
    keep(rows, np.array([0.9]), np.array([True]), T0 + PANE)
    assert error_in(rows, T0, T0 + PANE) == pytest.approx(0.8)
    assert error_in(rows, T0 + timedelta(seconds=1)) == pytest.approx(0.1)


def test_where_nothing_is_labelled_there_is_no_error(rows):
    assert error_in(rows) is None
    keep(rows, np.array([0.8]), np.array([False]))
    assert error_in(rows, stream="nobody") is None
