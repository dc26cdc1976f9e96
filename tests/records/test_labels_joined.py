"""Labels that come later and find what their prediction said; those that do not are counted."""

from typing import Any

import numpy as np
import pytest
from record_building import CLOCK_MS, START_MS, Counted, Partition, batch, count, value

from detectors.buckets import LOG
from monitor.records.labels import labels_in
from monitor.records.predictions import Predictions, Said
from monitor.records.settings import MeasureSettings
from monitor.records.signals import INTERNAL, Kind

HOUR_MS = 3_600_000
JOINED = MeasureSettings(join_ms=2 * HOUR_MS, slices=("segment.plan",))


def label(**fields: Any) -> bytes:
    return value(type="label", id="a", **fields)


def joined(*values: bytes, most: int = 1_000_000) -> Counted:
    """What the last of these records comes to, each in a checkpoint of its own."""
    partition = Partition.make(JOINED, predictions=Predictions(2 * HOUR_MS, most))
    *before, last = values
    for offset, one in enumerate(before):
        partition.aggregator.add(batch([one], offset), CLOCK_MS)
        partition.counted()
    partition.aggregator.add(batch([last], len(before)), CLOCK_MS)
    return partition.counted()


def labels(counted: Counted) -> tuple[int, int]:
    return labels_in(counted.intake.delta.cells)


@pytest.mark.parametrize(
    ("prediction", "truth", "wrong"),
    [("x", "x", 0), ("x", "y", 1), (3, 3, 0), (3, "3", 0), (True, True, 0), (True, False, 1)],
)
def test_a_bare_label_is_judged_by_what_its_prediction_said(prediction: Any, truth: Any, wrong: int) -> None:
    counted = joined(value(id="a", prediction=prediction, version="v1"), label(label=truth))
    assert counted.rate("incorrect") == counted.rate("incorrect", version="v1") == (wrong, 1)
    assert labels(counted) == (1, 0)


def test_it_has_the_confidence_of_its_prediction() -> None:
    counted = joined(value(id="a", prediction="x", confidence=0.97), label(label="y"))
    assert counted.rate("confidently_wrong") == (1, 1)
    bins = {s.code: s.name for s in INTERNAL if s.kind is Kind.CALIBRATION}
    found = {bins[code] for code in counted.intake.delta.cells.signal.tolist() if code in bins}
    assert found == {"calibration.0.95"}


def test_a_regressors_label_gives_the_distance_to_what_it_predicted() -> None:
    counted = joined(value(id="a", prediction=3.0), label(label=3.5))
    assert counted.of("abs_error") == {int(LOG.bucket([0.5])[0]): 1}


def test_a_label_that_says_correct_takes_the_confidence_and_version_only() -> None:
    counted = joined(value(id="a", prediction="x", confidence=0.97, version="v1"), label(correct=False))
    assert counted.rate("confidently_wrong", version="v1") == (1, 1)


def test_what_the_label_says_itself_stands() -> None:
    told = value(id="a", prediction="x", confidence=0.97, version="v1")
    counted = joined(told, label(prediction="y", label="y", confidence=0.2, version="v2"))
    assert counted.rate("incorrect", version="v2") == (0, 1)
    assert counted.rate("confidently_wrong") == (0, 1)


def test_feedback_is_of_the_version_that_answered() -> None:
    answered = value(id="a", confidence=0.5, version="v1")
    counted = joined(answered, value(type="feedback", id="a", rating=-1))
    assert counted.rate("negative_feedback", version="v1") == (1, 1)


def test_the_answer_of_a_fallback_is_not_the_models() -> None:
    counted = joined(value(id="a", prediction="x", fallback=True), label(label="y"))
    assert counted.rate("incorrect") == (0, 0)


def test_prediction_and_label_may_come_in_one_batch() -> None:
    partition = Partition.make(JOINED, predictions=Predictions(HOUR_MS, 1_000))
    values = [value(id="a", prediction="x"), value(id="b", prediction="x"), label(label="y")]
    partition.aggregator.add(batch(values), CLOCK_MS)
    assert partition.counted().rate("incorrect") == (1, 1)


def test_the_last_prediction_of_an_id_counts() -> None:
    told = [value(id="a", prediction=p) for p in ("x", "y")]
    assert joined(*told, label(label="y")).rate("incorrect") == (0, 1)


def test_a_label_of_another_partition_of_the_process_finds_it_too() -> None:
    predictions = Predictions(HOUR_MS, 1_000)
    first = Partition.make(JOINED, predictions=predictions)
    second = Partition.make(JOINED, predictions=predictions, number=1)
    first.aggregator.add(batch([value(id="a", prediction="x")]), CLOCK_MS)
    first.counted()
    second.aggregator.add(batch([label(label="y")]), CLOCK_MS)
    assert second.counted().rate("incorrect") == (1, 1)


@pytest.mark.parametrize(
    "records",
    [
        [label(label="y")],
        [value(id="b", prediction="x"), label(label="y")],
        [value(id="a", prediction="x", model="chat-us"), label(label="y")],
        [value(id="a", prediction="x", ts=CLOCK_MS - 2 * HOUR_MS - 1), label(label="y", ts=CLOCK_MS)],
        [value(id="a", output="free text"), label(label="y")],
        [value(id="a", prediction="x"), value(type="label", label="y")],
    ],
    ids=[
        "never seen",
        "another id",
        "another model",
        "too late",
        "nothing predicted",
        "a label without an id",
    ],
)
def test_a_label_without_its_prediction_is_unmatched_and_in_no_rate(records: list[bytes]) -> None:
    counted = joined(*records)
    assert labels(counted) == (0, 1)
    assert counted.rate("incorrect") == (0, 0)


def test_without_a_join_every_bare_label_is_unmatched() -> None:
    counted = count(value(id="a", prediction="x"), label(label="x"), label(correct=True), value(label="x"))
    assert labels(counted) == (1, 1)


def test_of_more_predictions_than_may_be_held_the_oldest_go_and_it_is_said_once() -> None:
    values = [value(id=f"r{i}", prediction="x", ts=START_MS + 1_000 * i) for i in range(120)]
    partition, notices = Partition.make(JOINED, predictions=Predictions(2 * HOUR_MS, 100)), list[str]()
    for offset, one in enumerate(values):
        partition.aggregator.add(batch([one], offset), CLOCK_MS)
        notices += partition.counted().intake.notices
    asked = [value(type="label", id=name, label="x") for name in ("r0", "r119")]
    partition.aggregator.add(batch(asked, 120), CLOCK_MS)
    counted = partition.counted()
    assert labels(counted) == (1, 1)
    [told] = notices
    assert told.startswith("labels.max of 100 predictions is reached: they are remembered for ")
    assert told.endswith(" s, not for the 7,200 s of labels.join, and later labels stay unmatched")


def test_of_a_batch_larger_than_what_may_be_held_the_newest_are_remembered() -> None:
    partition = Partition.make(JOINED, predictions=Predictions(2 * HOUR_MS, 100))
    values = [value(id=f"r{i}", prediction="x", ts=START_MS + 10 * i) for i in range(1_000)]
    partition.aggregator.add(batch(values, 0), CLOCK_MS)
    partition.counted()
    asked = [value(type="label", id=f"r{i}", label="x") for i in (0, 899, 910, 999)]
    partition.aggregator.add(batch(asked, 1_000), CLOCK_MS)
    assert labels(partition.counted()) == (2, 2)


def said(keys: list[int], at_ms: int, version: str = "v") -> Said:
    n = len(keys)
    texts = np.array([f"{version}{key}" for key in keys], np.object_)
    return Said(
        np.array(keys, np.int64),
        np.full(n, at_ms),
        texts,
        np.full(n, np.nan),
        texts,
        np.zeros(n, np.bool_),
        texts,
    )


def test_predictions_are_found_however_they_were_merged() -> None:
    rng = np.random.default_rng(3)
    predictions, newest = Predictions(10**9, 10**6), {}
    for step in range(300):
        keys = rng.integers(-500, 500, int(rng.integers(1, 40))).tolist()
        predictions.keep(said(keys, step, f"{step}/"))
        newest |= {key: f"{step}/{key}" for key in keys}
    asked = np.arange(-600, 600)
    places, found = predictions.find(asked, np.full(asked.size, 300))
    assert dict(zip(asked[places].tolist(), found.prediction.tolist(), strict=True)) == newest


def test_what_is_older_than_the_join_is_let_go() -> None:
    predictions = Predictions(1_000, 10**6)
    for step in range(100):
        predictions.keep(said([step], step * 100))
    assert predictions.held < 40
    places, _ = predictions.find(np.arange(100), np.full(100, 9_900))
    assert sorted(places.tolist()) == list(range(89, 100))
