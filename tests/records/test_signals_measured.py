"""The contract's signals: which records each counts, and what of them."""

from typing import Any

import pytest
from record_building import CLOCK_MS, START_MS, Partition, batch, count, value

from detectors.buckets import LOG, LOGIT
from monitor.records.rates import RATES
from monitor.records.settings import MeasureSettings
from monitor.records.signals import ASKED_ONLY, SIGNALS, Kind, Of

OK: dict[str, Any] = {}
FAILED = {"status": "error"}
TIMED_OUT = {"status": "timeout"}
REJECTED = {"status": "rejected"}
STATUSES = (OK, FAILED, TIMED_OUT, REJECTED)


def test_every_rate_of_the_registry_has_its_measure() -> None:
    registered = {s.name for s in SIGNALS if s.kind is Kind.RATE and s.of is not Of.SAMPLED}
    assert set(RATES) == registered - ASKED_ONLY


def test_a_bare_record_has_only_what_can_be_said_of_any() -> None:
    counted = count(value())
    assert counted.signals() == {"requests", "error", "timeout", "rejected", "fallback", "late", "version"}


@pytest.mark.parametrize(("signal", "k", "n"), [("error", 2, 3), ("timeout", 1, 3), ("rejected", 1, 4)])
def test_failures_are_of_ok_error_and_timeout_and_rejected_is_of_all(signal: str, k: int, n: int) -> None:
    # The registry counts timeouts of the same three.
    assert count(*(value(**status) for status in STATUSES)).rate(signal) == (k, n)


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({}, False),
        ({"error_type": "OOM"}, True),
        ({"error_message": "out of memory"}, True),
        ({"error_type": "", "error_message": ""}, False),
        ({"status": "ok", "error_type": "OOM"}, False),
        ({"status": "exploded"}, False),
        ({"status": "exploded", "error_type": "OOM"}, True),
    ],
)
def test_an_absent_status_is_ok_unless_there_is_an_error(fields: dict[str, str], failed: bool) -> None:
    assert count(value(**fields)).rate("error") == (int(failed), 1)


QUALITY = {
    "input_tokens": {"input_tokens": 5},
    "output_tokens": {"output_tokens": 5},
    "input_chars": {"input": "hello"},
    "output_chars": {"output": "hello"},
    "confidence": {"confidence": 0.5},
    "score": {"score": 0.5},
    "ttft_ms": {"ttft_ms": 5},
    "finish_reason": {"finish_reason": "stop"},
    "truncated": {"finish_reason": "length"},
    "empty_output": {"output": "hello"},
    "abstained": {"abstained": True},
    "invalid_output": {"valid_output": False},
    "prediction": {"prediction": "spam"},
}


@pytest.mark.parametrize(("signal", "fields"), QUALITY.items(), ids=QUALITY.keys())
def test_quality_counts_ok_records_only_and_only_where_the_field_is(
    signal: str, fields: dict[str, Any]
) -> None:
    counted = count(*(value(**fields, **status) for status in STATUSES), value())
    assert sum(counted.of(signal).values()) == 1


@pytest.mark.parametrize("field", ["memory_bytes", "cost_usd", "batch_size"])
def test_costs_count_whatever_the_outcome(field: str) -> None:
    counted = count(*(value(**{field: 3}, **status) for status in STATUSES), value())
    assert counted.of(field) == {int(LOG.bucket([3])[0]): 4}


def test_latency_counts_ok_and_timeout() -> None:
    counted = count(*(value(latency_ms=100 * (i + 1), **s) for i, s in enumerate(STATUSES)))
    assert counted.of("latency_ms") == {int(b): 1 for b in LOG.bucket([100, 300])}


def test_a_distribution_keeps_the_sum_of_its_values_by_version_and_whole() -> None:
    counted = count(
        value(version="v1", cost_usd=0.5), value(version="v2", cost_usd=2), value(version="v1", cost_usd=1)
    )
    sums = counted.intake.delta.sums
    assert sorted(sums.total.tolist()) == [1.5, 2.0, 3.5]
    assert sums.total[sums.slice == 0].tolist() == [3.5]


def test_zero_is_a_value_and_has_its_bucket() -> None:
    counted = count(value(cost_usd=0, confidence=0, output_tokens=0), value(cost_usd=1, confidence=1))
    assert counted.of("cost_usd") == {int(b): 1 for b in LOG.bucket([0, 1])}
    assert counted.of("confidence") == {int(b): 1 for b in LOGIT.bucket([0, 1])}


def test_probabilities_have_logit_buckets_and_quantities_log_ones() -> None:
    counted = count(value(confidence=0.99, score=0.5, latency_ms=250.5))
    assert counted.of("confidence") == {int(LOGIT.bucket([0.99])[0]): 1}
    assert counted.of("score") == {int(LOGIT.bucket([0.5])[0]): 1}
    assert counted.of("latency_ms") == {int(LOG.bucket([250.5])[0]): 1}


def test_chars_are_code_points() -> None:
    counted = count(value(output="日本語😀"), value(output="abcd"))
    assert counted.of("output_chars") == {int(LOG.bucket([4])[0]): 2}


def test_truncated_is_the_length_limit_among_known_finish_reasons() -> None:
    counted = count(*(value(finish_reason=r) for r in ("length", "stop", "content_filter")), value())
    assert counted.rate("truncated") == (1, 3)
    assert counted.of("finish_reason") == {"length": 1, "stop": 1, "content_filter": 1}


def test_truncated_is_0_of_n_where_no_answer_was() -> None:
    assert count(value(finish_reason="stop"), value(finish_reason="stop")).rate("truncated") == (0, 2)


@pytest.mark.parametrize(
    ("fields", "k", "n"),
    [
        ({"output": ""}, 1, 1),
        ({"output": " \n\t"}, 1, 1),
        ({"output": "hi"}, 0, 1),
        ({"output_tokens": 0}, 1, 1),
        ({"output_tokens": 3}, 0, 1),
        ({"output": "hi", "output_tokens": 0}, 1, 1),
        ({"output": "", "output_tokens": 3}, 1, 1),
        ({}, 0, 0),
    ],
)
def test_an_answer_is_empty_by_its_text_or_its_tokens(fields: dict[str, Any], k: int, n: int) -> None:
    assert count(value(**fields)).rate("empty_output") == (k, n)
    assert count(value(**fields), value(output="x")).rate("empty_output") == (k, n + 1)


def test_flags_count_where_they_are_given() -> None:
    counted = count(
        value(abstained=True), value(abstained=False), value(valid_output=False), value(cold_start=True)
    )
    assert counted.rate("abstained") == (1, 2)
    assert counted.rate("invalid_output") == (1, 1)
    assert counted.rate("cold_start") == (1, 1)


def test_a_fallbacks_records_count_only_as_fallback_and_as_requests() -> None:
    served = value(
        fallback=True, version="rules-v3", latency_ms=1, output="", rating=-1, correct=False, status="error"
    )

    alone = count(served)
    beside = count(served, value(latency_ms=9), value(fallback=False))

    assert alone.signals() == {"requests", "fallback"}
    assert alone.intake.delta.versions.count.size == alone.intake.delta.languages.hash.size == 0
    assert alone.intake.samples == ()
    assert beside.of("requests") == {0: 3}
    assert beside.rate("fallback") == (1, 3)
    assert beside.rate("error") == (0, 2)
    assert sum(beside.of("latency_ms").values()) == 1


@pytest.mark.parametrize(("bad_below", "k"), [(0.0, 1), (0.5, 2), (3.0, 3)])
def test_feedback_is_negative_below_the_configured_rating(bad_below: float, k: int) -> None:
    values = [value(rating=r) for r in (-1, 0, 1)]
    assert count(*values, value(), settings=MeasureSettings(bad_below=bad_below)).rate(
        "negative_feedback"
    ) == (k, 3)


@pytest.mark.parametrize(
    ("fields", "k", "n"),
    [
        ({"correct": True}, 0, 1),
        ({"correct": False}, 1, 1),
        ({"correct": True, "prediction": "a", "label": "b"}, 0, 1),
        ({"prediction": "a", "label": "a"}, 0, 1),
        ({"prediction": "a", "label": "b"}, 1, 1),
        ({"prediction": 1, "label": 1}, 0, 1),
        ({"prediction": 1, "label": "1"}, 0, 1),
        ({"prediction": 1, "label": 0}, 1, 1),
        ({"prediction": True, "label": False}, 1, 1),
        ({"prediction": 1, "label": True}, 1, 1),
        ({"prediction": 3.5, "label": 3.25}, 0, 0),
        ({"prediction": "a"}, 0, 0),
        ({"label": "a"}, 0, 0),
    ],
)
def test_incorrect_is_of_labelled_predictions(fields: dict[str, Any], k: int, n: int) -> None:
    assert count(value(**fields)).rate("incorrect") == (k, n)
    others = [value(correct=True), value(prediction="x", label="x"), value(prediction=0.5), value()]
    assert count(value(**fields), *others).rate("incorrect") == (k, n + 2)


def test_confidently_wrong_is_of_labelled_with_a_confidence_of_at_least_90_percent() -> None:
    counted = count(
        value(correct=False, confidence=0.9),
        value(correct=False, confidence=0.89),
        value(correct=True, confidence=0.99),
        value(correct=False),
        value(confidence=0.99),
        value(prediction="a", label="b", confidence=1),
    )
    assert counted.rate("confidently_wrong") == (2, 4)


def test_the_error_of_a_regressor_is_the_distance_to_the_label() -> None:
    counted = count(
        value(prediction=3.5, label=3.0), value(prediction=3, label=7), value(prediction="a", label="b")
    )
    assert counted.of("abs_error") == {int(b): 1 for b in LOG.bucket([0.5, 4.0])}


def test_a_regressors_numbers_are_no_classes_and_whole_ones_are() -> None:
    counted = count(
        value(prediction=0.25), value(prediction=1), value(prediction="spam"), value(prediction=True)
    )
    assert counted.of("prediction") == {"1": 1, "spam": 1, "true": 1}


def test_error_types_are_of_failures() -> None:
    counted = count(
        value(error_type="OOM"), value(error_type="OOM", status="rejected"), value(status="error")
    )
    assert counted.of("error_type") == {"OOM": 1}


@pytest.mark.parametrize("kind", ["feedback", "label"])
def test_what_is_added_later_is_counted_but_is_no_request(kind: str) -> None:
    counted = count(
        value(version="v1"),
        value(type=kind, version="v1", id="a", rating=-1, correct=False),
        value(type=kind, id="b", rating=1, prediction=2, label=5, latency_ms=3, output="hi"),
    )

    assert counted.intake.counted == 3
    assert counted.of("requests") == {0: 1}
    assert counted.rate("negative_feedback") == (1, 2)
    assert counted.rate("negative_feedback", version="v1") == (1, 1)
    assert counted.rate("incorrect") == (2, 2)
    assert counted.of("abs_error") == {int(LOG.bucket([3])[0]): 1}
    assert counted.rate("late") == (0, 1)
    assert not counted.signals() & {"latency_ms", "output_chars"}
    assert counted.intake.delta.versions.count.tolist() == [1]


def test_a_record_of_another_type_is_a_prediction() -> None:
    assert count(value(type="chat.completion")).of("requests") == {0: 1}


def test_versions_are_a_slice_and_a_category_and_a_missing_one_is_none() -> None:
    counted = count(value(version="v1"), value(version="v1", status="error"), value(version=2), value())

    assert counted.of("version") == {"v1": 2, "2": 1, "(none)": 1}
    assert counted.rate("error", version="v1") == (1, 2)
    assert counted.rate("error", version="2") == (0, 1)
    assert counted.rate("error", version="(none)") == (0, 1)
    assert counted.rate("error") == (1, 4)


def test_a_versions_first_and_last_prediction_are_known_and_none_is_no_version() -> None:
    counted = count(
        *(value(version=v, ts=START_MS + at) for v, at in (("v1", 50), ("v2", 60), ("v1", 10), ("v1", 70))),
        value(),
    )

    versions = counted.intake.delta.versions
    names = [counted.names.slice(code).value for code in versions.slice.tolist()]
    seen = zip(
        names,
        (versions.first_ms - START_MS).tolist(),
        (versions.last_ms - START_MS).tolist(),
        versions.count.tolist(),
        strict=True,
    )
    assert sorted(seen) == [("v1", 10, 70, 3), ("v2", 60, 60, 1)]


def test_further_slices_count_the_records_that_have_them() -> None:
    settings = MeasureSettings(slices=("version", "segment.country", "tenant"))
    counted = count(
        value(segment={"country": "de", "plan": "free"}, tenant="a", status="error"),
        value(segment={"country": "fr"}, latency_ms=5),
        value(segment={}, tenant="a", latency_ms=7),
        value(),
        settings=settings,
    )

    assert counted.of("requests") == {0: 4}
    assert counted.of("requests", **{"segment.country": "de"}) == {0: 1}
    assert counted.of("requests", **{"segment.country": "fr"}) == {0: 1}
    assert counted.rate("error", tenant="a") == (1, 2)
    assert counted.of("latency_ms", tenant="a") == {int(LOG.bucket([7])[0]): 1}


def test_batch_sizes_are_counted_by_powers_of_two() -> None:
    settings = MeasureSettings(slices=("batch_size",))
    counted = count(
        *[value(batch_size=size, latency_ms=7) for size in (1, 32, 40, 63)],
        value(latency_ms=7),
        value(batch_size=0),
        settings=settings,
    )
    assert counted.of("requests", batch_size="32-63") == {0: 3}
    assert counted.of("latency_ms", batch_size="1") == {int(LOG.bucket([7])[0]): 1}


def test_a_wrong_member_of_a_segment_leaves_the_others() -> None:
    settings = MeasureSettings(slices=("segment.country",))
    counted = count(value(segment={"country": "de", "tags": ["a"]}), settings=settings)
    assert counted.of("requests", **{"segment.country": "de"}) == {0: 1}


def test_streams_are_the_values_of_by_joined_and_escaped() -> None:
    settings = MeasureSettings(by=("model", "region", "segment.plan"))
    counted = count(
        value(model="meta/llama", region="eu", segment={"plan": "50%"}), value(region="us"), settings=settings
    )

    assert counted.of("requests", stream="meta%2Fllama/eu/50%25") == {0: 1}
    assert counted.of("requests", stream="chat-eu/us/(none)") == {0: 1}
    labels = dict(counted.names.stream(1).labels)
    assert labels == {"model": "meta/llama", "region": "eu", "segment.plan": "50%"}


def slots_of(partition: Partition) -> list[tuple[int, ...]]:
    slots = partition.aggregator.take().delta.slots
    columns = (slots.clock, slots.signal, slots.slot - CLOCK_MS // 1_000, slots.bucket, slots.count)
    return sorted(zip(*(c.tolist() for c in columns), strict=True))


def test_event_time_slots_are_kept_for_the_signals_of_windows_only() -> None:
    partition = Partition.make(MeasureSettings(window_signals=frozenset({1})))
    values = [value(ts=CLOCK_MS - 1_500), value(ts=CLOCK_MS - 1_400, status="error"), value(ts=CLOCK_MS + 1)]
    partition.aggregator.add(batch(values), CLOCK_MS)

    assert slots_of(partition) == [(0, 1, -2, 0, 1), (0, 1, -2, 1, 1), (0, 1, 0, 0, 1)]


def test_rule_5_kill_slots_are_of_kafka_time_and_of_fresh_records_only() -> None:
    partition = Partition.make(MeasureSettings(kill_signals=frozenset({1}), fresh_ms=60_000))
    fresh = value(ts=CLOCK_MS - 59_999, status="error")
    partition.aggregator.add(batch([fresh], 0, kafka_ms=CLOCK_MS - 1), CLOCK_MS)
    partition.aggregator.add(batch([value(ts=CLOCK_MS - 60_000)], 1, kafka_ms=CLOCK_MS), CLOCK_MS)
    partition.aggregator.add(batch([value(ts=CLOCK_MS)], 2, kafka_ms=CLOCK_MS - 60_000), CLOCK_MS)

    assert slots_of(partition) == [(1, 1, -1, 1, 1)]


def test_rule_4_late_records_never_kill() -> None:
    partition = Partition.make(MeasureSettings(kill_signals=frozenset({1})))
    values = [value(ts=CLOCK_MS), value(ts=CLOCK_MS - 30_000, status="error")]
    partition.aggregator.add(batch(values), CLOCK_MS)

    assert slots_of(partition) == [(1, 1, 0, 0, 1)]


def test_a_producer_with_a_fast_clock_cannot_close_kill_slots_early() -> None:
    partition = Partition.make(MeasureSettings(kill_signals=frozenset({1})))
    partition.aggregator.add(batch([value(ts=CLOCK_MS)], kafka_ms=CLOCK_MS + 3_600_000), CLOCK_MS)

    intake = partition.aggregator.take()

    assert intake.max_kafka_ms == CLOCK_MS
    assert intake.delta.slots.slot.tolist() == [CLOCK_MS // 1_000]


def test_a_sampled_signal_has_no_slots_and_says_so() -> None:
    with pytest.raises(ValueError, match=r"wrong_language: sampled signals have no 1 s slots"):
        MeasureSettings(kill_signals=frozenset({12}))
