"""Signals that are counted only where a rule reads them: absent fields and repeated inputs; and stale caches."""

from typing import Any

import pytest
from record_building import CLOCK_MS, Counted, Partition, batch, count, value

from monitor.records import repeats
from monitor.records.repeats import INPUTS, INPUTS_A_STREAM
from monitor.records.settings import MeasureSettings
from monitor.records.signals import ASKED_ONLY, BY_NAME

STATUSES: tuple[dict[str, str], ...] = (
    {},
    {"status": "error"},
    {"status": "timeout"},
    {"status": "rejected"},
)


def asking(*signals: str, **settings: Any) -> MeasureSettings:
    return MeasureSettings(asked=frozenset(BY_NAME[name].code for name in signals), **settings)


def absent(field: str, *values: bytes) -> tuple[int, int]:
    return count(*values, settings=asking(f"missing.{field}")).rate(f"missing.{field}")


def test_what_nobody_asked_for_is_not_counted() -> None:
    everything = value(input="a", output="b", features={"x": 1}, cache_hit=True, cached_version="v1")
    assert not count(everything, everything).signals() & ASKED_ONLY


# stale_cache


@pytest.mark.parametrize(
    ("fields", "k", "n"),
    [
        ({"version": "v2", "cache_hit": True, "cached_version": "v1"}, 1, 1),
        ({"version": "v2", "cache_hit": True, "cached_version": "v2"}, 0, 1),
        ({"version": 2, "cache_hit": True, "cached_version": "2"}, 0, 1),
        ({"version": "v2", "cache_hit": False, "cached_version": "v1"}, 0, 0),
        ({"version": "v2", "cached_version": "v1"}, 0, 0),
        ({"version": "v2", "cache_hit": True}, 0, 0),
        ({"cache_hit": True, "cached_version": "v1"}, 0, 0),
        ({"version": "v2", "cache_hit": True, "cached_version": "v1", "fallback": True}, 0, 0),
    ],
)
def test_a_cache_is_stale_where_a_hit_is_of_another_version_than_the_one_serving(
    fields: dict[str, Any], k: int, n: int
) -> None:
    assert count(value(**fields)).rate("stale_cache") == (k, n)
    fresh = value(version="v1", cache_hit=True, cached_version="v1")
    assert count(value(**fields), fresh, value(version="v9")).rate("stale_cache") == (k, n + 1)


def test_a_cached_version_of_the_wrong_type_is_dropped_and_the_rest_counts() -> None:
    counted = count(value(version="v2", cache_hit="yes", cached_version=["v1"]))
    assert dict(counted.dropped) == {"cache_hit": 1, "cached_version": 1}
    assert counted.of("requests") == {0: 1}


# missing.<field>


@pytest.mark.parametrize(
    "field", ["id", "trace_id", "prompt_version", "user", "version", "segment", "features"]
)
def test_a_field_of_any_prediction_is_missing_whatever_the_outcome(field: str) -> None:
    given = {"x": "y"} if field in ("segment", "features") else "given"
    assert absent(field, *(value(**s) for s in STATUSES), value(**{field: given})) == (4, 5)


@pytest.mark.parametrize("field", ["output", "confidence", "label", "prediction", "output_tokens"])
def test_what_only_an_answer_has_is_missing_of_ok_records(field: str) -> None:
    assert absent(field, *(value(**s) for s in STATUSES)) == (1, 1)


def test_an_error_type_is_missing_of_failures_and_a_latency_of_answers_and_timeouts() -> None:
    failures = [value(**s) for s in STATUSES]
    assert absent("error_type", *failures, value(error_type="OOM")) == (2, 3)
    assert absent("latency_ms", *failures, value(latency_ms=3)) == (2, 3)


def test_a_cached_version_is_missing_of_hits() -> None:
    hits = [value(cache_hit=True), value(cache_hit=True, cached_version="v1")]
    assert absent("cached_version", *hits, value(cache_hit=False), value()) == (1, 2)
    assert absent("cached_version", value()) == (0, 0)


@pytest.mark.parametrize("wrong", [{"confidence": 1.2}, {"confidence": "high"}, {"confidence": None}, {}])
def test_a_value_that_was_dropped_is_missing(wrong: dict[str, Any]) -> None:
    assert absent("confidence", value(**wrong), value(confidence=0.5)) == (1, 2)


def test_an_empty_text_is_there() -> None:
    assert absent("output", value(output="")) == (0, 1)


def test_feedback_and_a_fallback_lack_nothing() -> None:
    assert absent("output", value(type="feedback", rating=1), value(fallback=True)) == (0, 0)


def test_coverage_can_be_told_beside_confidence_and_accuracy() -> None:
    settings = asking("missing.confidence", "missing.label")
    counted = count(
        value(confidence=0.9, prediction="a", label="a"),
        value(confidence=0.4, abstained=True, prediction="a"),
        value(abstained=False, prediction="b"),
        settings=settings,
    )
    assert counted.rate("abstained") == (1, 2)
    assert counted.rate("missing.confidence") == (1, 3)
    assert counted.rate("missing.label") == (2, 3)
    assert counted.rate("incorrect") == (0, 1)


# inconsistent


def repeated(*values: bytes) -> Counted:
    return count(*values, settings=asking("inconsistent"))


def test_an_input_answered_otherwise_by_the_same_version_is_inconsistent() -> None:
    values = [
        value(input=i, output=o) for i, o in (("a", "1"), ("b", "1"), ("a", "1"), ("a", "2"), ("c", "1"))
    ]
    assert repeated(*values).rate("inconsistent") == (1, 2)


def test_each_repeat_is_held_against_the_answer_before_it() -> None:
    values = [value(input="a", output=o) for o in ("1", "2", "2", "1")]
    assert repeated(*values).rate("inconsistent") == (2, 3)


def test_another_version_or_model_has_inputs_of_its_own() -> None:
    values = [
        value(input="a", output="1", version="v1"),
        value(input="a", output="2", version="v2"),
        value(input="a", output="3", model="chat-us"),
        value(input="a", output="4"),
    ]
    assert repeated(*values).rate("inconsistent") == (0, 0)


@pytest.mark.parametrize(("one", "other"), [(1, 2), (-1, -2), (1, True), (1, "1"), (0.5, 0.25), ("a", "b")])
def test_a_prediction_is_the_answer_where_there_is_one(one: Any, other: Any) -> None:
    values = [value(input="a", output="same", prediction=p) for p in (one, other)]
    differs = str(one) != str(other)
    assert repeated(*values).rate("inconsistent") == (int(differs), 1)


def test_features_are_the_input_where_there_is_no_text_in_whatever_order_they_are_written() -> None:
    same = [{"a": 1, "b": {"c": [2]}}, {"b": {"c": [2]}, "a": 1}]
    values = [value(features=f, prediction=p) for f, p in zip([*same, {"a": 2}], "xyx", strict=True)]
    assert repeated(*values).rate("inconsistent") == (1, 1)


def test_failures_and_records_without_input_or_answer_repeat_nothing() -> None:
    values = [value(input="a", output="1", status="error"), value(input="a"), value(output="1"), value()]
    assert repeated(*values, *values).rate("inconsistent") == (0, 0)


def test_an_input_is_remembered_over_batches_and_checkpoints() -> None:
    partition = Partition.make(asking("inconsistent"))
    for offset, output in enumerate("112"):
        partition.aggregator.add(batch([value(input="a", output=output)], offset), CLOCK_MS)
        counted = partition.counted()
    assert counted.rate("inconsistent") == (1, 1)


def test_a_new_owner_of_the_partition_has_seen_no_input() -> None:
    for _ in range(2):
        partition = Partition.make(asking("inconsistent"))
        partition.aggregator.add(batch([value(input="a", output="1")]), CLOCK_MS)
        assert partition.counted().rate("inconsistent") == (0, 0)


def test_only_the_latest_inputs_of_a_stream_are_remembered() -> None:
    partition = Partition.make(asking("inconsistent"))
    inputs = [str(i) for i in range(INPUTS_A_STREAM + 2)]
    for offset, asked in enumerate(inputs):
        partition.aggregator.add(batch([value(input=asked, output="1")], offset), CLOCK_MS)
    partition.aggregator.take()

    again = [value(input=asked, output="1") for asked in (inputs[0], inputs[-INPUTS_A_STREAM // 2])]
    partition.aggregator.add(batch(again, len(inputs)), CLOCK_MS)

    assert partition.counted().rate("inconsistent") == (0, 1)


def test_memory_is_bounded_over_all_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[repeats.Repeats] = []
    monkeypatch.setattr("monitor.records.asked.Repeats", lambda: made.append(repeats.Repeats()) or made[0])
    partition = Partition.make(asking("inconsistent"))
    for stream in range(12):
        values = [value(model=f"m{stream}", input=str(i), output="1") for i in range(INPUTS_A_STREAM)]
        partition.aggregator.add(batch(values, stream * INPUTS_A_STREAM), CLOCK_MS)
        partition.aggregator.take()

    assert INPUTS // 2 < made[0].held <= INPUTS
