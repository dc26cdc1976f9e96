"""Labelled predictions by confidence: which bin, whether right, and the sum of confidence."""

from typing import Any

import numpy as np
import pytest
from record_building import START_MS, Counted, count, value

from monitor.records.signals import INTERNAL, WHOLE, Kind

Bins = dict[str, tuple[int, int, float]]


def bins(counted: Counted, part: int = WHOLE) -> Bins:
    """(right, all, sum of confidence) by the bin's lower edge."""
    cells, sums = counted.intake.delta.cells, counted.intake.delta.sums
    found: Bins = {}
    for signal in (s for s in INTERNAL if s.kind is Kind.CALIBRATION):
        mine = (cells.signal == signal.code) & (cells.slice == part)
        if mine.any():
            right = int(cells.count[mine & (cells.bucket == 1)].sum())
            total = float(sums.total[(sums.signal == signal.code) & (sums.slice == part)].sum())
            found[signal.name.removeprefix("calibration.")] = (right, int(cells.count[mine].sum()), total)
    return found


@pytest.mark.parametrize(
    ("confidence", "lower"),
    [
        (0, "0.00"),
        (0.05, "0.05"),
        (0.0499, "0.00"),
        (0.15, "0.15"),
        (0.35, "0.35"),
        (0.95, "0.95"),
        (1, "0.95"),
    ],
)
def test_a_bin_is_closed_below_and_the_last_one_above_too(confidence: float, lower: str) -> None:
    counted = count(value(confidence=confidence, correct=True))
    assert bins(counted) == {lower: (1, 1, confidence)}


@pytest.mark.parametrize(
    ("fields", "right"),
    [
        ({"correct": True}, 1),
        ({"correct": False}, 0),
        ({"prediction": "a", "label": "a"}, 1),
        ({"prediction": "a", "label": "b"}, 0),
        ({"type": "label", "id": "1", "correct": True}, 1),
        ({"type": "label", "id": "1", "prediction": "a", "label": "b"}, 0),
    ],
)
def test_right_is_what_the_record_says_or_its_label_against_its_prediction(
    fields: dict[str, Any], right: int
) -> None:
    assert bins(count(value(confidence=0.72, **fields))) == {"0.70": (right, 1, 0.72)}


@pytest.mark.parametrize(
    "fields",
    [
        {"correct": True},
        {"confidence": 0.9},
        {"confidence": 0.9, "label": "a"},
        {"confidence": 1.2, "correct": True},
        {"confidence": 0.9, "correct": True, "fallback": True},
    ],
)
def test_without_a_confidence_or_a_truth_of_the_models_own_there_is_no_bin(fields: dict[str, Any]) -> None:
    assert bins(count(value(**fields))) == {}


def test_all_predictions_of_a_batch_are_in_their_bins() -> None:
    rng = np.random.default_rng(7)
    confidence = np.round(rng.random(2_000), 4)
    correct = rng.random(2_000) < confidence
    rows = zip(confidence.tolist(), correct.tolist(), strict=True)
    found = bins(count(*(value(confidence=c, correct=k) for c, k in rows)))
    places = np.floor(confidence * 20 + 1e-9).astype(int)
    for i in range(20):
        mine = places == i
        right, n, total = found[f"{i / 20:.2f}"]
        assert (right, n) == (int(correct[mine].sum()), int(mine.sum()))
        assert total == pytest.approx(confidence[mine].sum(), rel=1e-12)


def test_versions_have_bins_of_their_own_and_panes_too() -> None:
    counted = count(
        value(confidence=0.9, correct=True, version="v1"),
        value(confidence=0.92, correct=False, version="v2"),
        value(confidence=0.94, correct=True, version="v2", ts=START_MS + 10_000),
    )
    slices = {counted.names.slice(code).value: code for code in (1, 2)}
    assert bins(counted, slices["v1"]) == {"0.90": (1, 1, 0.9)}
    assert bins(counted, slices["v2"]) == {"0.90": (1, 2, pytest.approx(1.86))}
    assert set(counted.intake.delta.cells.pane.tolist()) == {START_MS // 10_000, START_MS // 10_000 + 1}
