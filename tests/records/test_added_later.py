"""Feedback and labels that come after their prediction: judged when they arrive, in the pane of their own time."""

from typing import Any

import pytest
from record_building import CLOCK_MS, START_MS, Partition, batch, count, value

from detectors.buckets import LOG
from monitor.records.settings import MeasureSettings
from monitor.records.signals import BY_NAME

NEGATIVE = BY_NAME["negative_feedback"].code
DAY_MS = 86_400_000


def panes_of(partition: Partition, signal: str) -> dict[int, tuple[int, int]]:
    """(pane since the start, evidence pane since the start) of the stream's cells, by bucket."""
    cells = partition.aggregator.take().delta.cells
    rows = (cells.signal == BY_NAME[signal].code) & (cells.slice == 0)
    first = START_MS // 10_000
    columns = (cells.bucket[rows], cells.pane[rows] - first, cells.evidence[rows] - first)
    return {
        bucket: (pane, evidence)
        for bucket, pane, evidence in zip(*(c.tolist() for c in columns), strict=True)
    }


def test_a_rating_counts_in_the_pane_in_which_it_was_given() -> None:
    partition = Partition.make()
    answered = value(id="a", ts=START_MS, output="hi")
    rated = value(type="feedback", id="a", rating=-1, ts=START_MS + 300_000)
    partition.aggregator.add(batch([answered, rated]), CLOCK_MS)
    assert panes_of(partition, "negative_feedback") == {1: (30, 30)}


def test_feedback_without_a_time_counts_at_its_kafka_timestamp() -> None:
    partition = Partition.make()
    rated = b'{"type": "feedback", "model": "chat-eu", "id": "a", "rating": 1}'
    partition.aggregator.add(batch([rated], kafka_ms=START_MS + 60_000), CLOCK_MS)
    assert panes_of(partition, "negative_feedback") == {0: (6, 6)}


def test_a_label_for_a_pane_that_has_closed_joins_the_evidence_of_the_open_one() -> None:
    partition = Partition.make()
    labelled = value(type="label", id="a", prediction="x", label="y", ts=START_MS)
    partition.aggregator.add(batch([value(ts=START_MS + 100_000), labelled]), CLOCK_MS)
    assert panes_of(partition, "incorrect") == {1: (0, 9)}


def test_a_label_of_months_ago_still_counts() -> None:
    labelled = value(type="label", correct=False, ts=CLOCK_MS - 200 * DAY_MS)
    assert count(labelled).rate("incorrect") == (1, 1)


@pytest.mark.parametrize(
    ("fields", "signal", "k", "n"),
    [
        ({"correct": False}, "incorrect", 1, 1),
        ({"prediction": "a", "label": "b"}, "incorrect", 1, 1),
        ({"prediction": "a", "label": "a", "confidence": 0.99}, "confidently_wrong", 0, 1),
        ({"correct": False, "confidence": 0.99}, "confidently_wrong", 1, 1),
        ({"label": "b"}, "incorrect", 0, 0),
        ({"rating": -1}, "negative_feedback", 1, 1),
        ({"rating": 1}, "negative_feedback", 0, 1),
    ],
)
def test_a_label_is_judged_by_what_it_says_of_its_prediction(
    fields: dict[str, Any], signal: str, k: int, n: int
) -> None:
    assert count(value(type="label", id="a", **fields)).rate(signal) == (k, n)


def test_a_regressors_label_gives_the_distance() -> None:
    labelled = value(type="label", prediction=3.0, label=3.5, version="v1")
    assert count(labelled).of("abs_error", version="v1") == {int(LOG.bucket([0.5])[0]): 1}


def test_its_version_segment_and_stream_are_those_it_names() -> None:
    settings = MeasureSettings(slices=("segment.plan",))
    counted = count(
        value(type="label", correct=False, version="v1", segment={"plan": "free"}),
        value(type="label", correct=True, model="chat-us"),
        settings=settings,
    )
    assert counted.rate("incorrect") == counted.rate("incorrect", version="v1") == (1, 1)
    assert counted.rate("incorrect", **{"segment.plan": "free"}) == (1, 1)
    assert counted.of("incorrect", stream="chat-us") == {0: 1}


def test_what_a_label_repeats_of_its_prediction_is_not_counted_again() -> None:
    asked = frozenset(BY_NAME[name].code for name in ("inconsistent", "missing.output"))
    echo = {
        "input": "a",
        "prediction": "x",
        "score": 0.5,
        "latency_ms": 3,
        "cache_hit": True,
        "cached_version": "v0",
    }
    counted = count(
        value(type="label", label="x", version="v1", **echo), settings=MeasureSettings(asked=asked)
    )
    assert counted.signals() == {"incorrect"}
    assert counted.intake.counted == 1
    assert counted.intake.delta.versions.count.size == 0


def test_ratings_may_have_slots_for_windows_and_kills() -> None:
    settings = MeasureSettings(window_signals=frozenset({NEGATIVE}), kill_signals=frozenset({NEGATIVE}))
    slots = count(value(type="feedback", rating=-1, ts=CLOCK_MS), settings=settings).intake.delta.slots
    assert list(zip(slots.clock.tolist(), slots.bucket.tolist(), slots.count.tolist(), strict=True)) == [
        (0, 1, 1),
        (1, 1, 1),
    ]


def test_feedback_on_a_fallbacks_answer_is_not_the_models() -> None:
    assert count(value(type="feedback", rating=-1, fallback=True)).signals() == set()
