"""Rule 8 and the issue's "Bad input": nothing stops a partition, and each poison has one exact outcome."""

import pytest
from record_building import CLOCK_MS, Partition, batch, count, value

from monitor.records.settings import MeasureSettings

DEEP = b"[" * 1_000 + b"]" * 1_000
DEEPER = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
HUGE = b"9" * 5_000
NO_RECORD = {
    "not JSON": (b"<html>", "not_json"),
    "an empty value": (b"", "not_json"),
    "half a record": (b'{"model": "chat-eu", "latency_ms": 1', "not_json"),
    "a record and more": (b'{"model": "chat-eu"} {"model": "chat-eu"}', "not_json"),
    "a number with a leading zero": (b'{"model": "chat-eu", "other": 01}', "not_json"),
    "an array": (b'[{"model": "chat-eu"}]', "not_an_object"),
    "a text": (b'"chat-eu"', "not_an_object"),
    "null": (b"null", "not_an_object"),
    "a bare NaN": (b"NaN", "not_an_object"),
    "a deep array": (DEEP, "not_an_object"),
    "a deep object that is not closed": (b'{"model": "chat-eu", "x": ' + DEEP[:-1] + b"}", "not_json"),
    "a deep object with rubbish beside": (b'{"model": "chat-eu", "x": ' + DEEP + b', "y": @}', "not_json"),
    "a deep object with a name that is none": (b'{"model": "chat-eu", [1]: ' + DEEP + b"}", "not_json"),
    "a deep object and more": (b'{"model": "chat-eu", "x": ' + DEEP + b"} {}", "not_json"),
    "objects 100,000 deep": (DEEPER, "no_model"),
    "no model": (b'{"version": "v1"}', "no_model"),
    "an empty object": (b"{}", "no_model"),
    "model null": (b'{"model": null}', "no_model"),
    "a number as model": (b'{"model": 7}', "no_model"),
    "an array as model": (b'{"model": ["chat-eu"]}', "no_model"),
    "an empty model": (b'{"model": ""}', "no_model"),
    "a model of white space": (b'{"model": " \\t"}', "no_model"),
    "a model of NUL": (b'{"model": "\\u0000"}', "no_model"),
    "invalid UTF-8": (b'{"model": "chat-\xff"}', "invalid_utf8"),
    "invalid UTF-8 where nobody looks": (b'{"model": "chat-eu", "other": "\xff"}', "invalid_utf8"),
    "UTF-16": ('{"model": "chat-eu"}'.encode("utf-16"), "invalid_utf8"),
    "5 MB": (value(output="x" * 5_000_000), "too_large"),
    "a tombstone": (None, "tombstone"),
    "1970": (value(ts="1970-01-01T00:00:00Z"), "too_old"),
    "the epoch in numbers": (value(ts=0), "too_old"),
    "before the epoch": (value(ts=-1e300), "too_old"),
    "a year and a day ago": (value(ts=CLOCK_MS - 366 * 86_400_000), "too_old"),
}


@pytest.mark.parametrize(("poison", "reason"), NO_RECORD.values(), ids=NO_RECORD.keys())
def test_what_is_no_record_is_skipped_and_its_neighbours_count(poison: bytes | None, reason: str) -> None:
    counted = count(value(), poison, value())

    assert counted.reasons() == {1: reason}
    assert counted.intake.counted == counted.requests() == 2
    assert not counted.dropped


MENDED = {
    "a bare NaN": (b'{"model": "chat-eu", "latency_ms": NaN}', {"latency_ms": 1}),
    "a bare Infinity": (b'{"model": "chat-eu", "cost_usd": -Infinity}', {"cost_usd": 1}),
    "NaN where nobody looks": (b'{"model": "chat-eu", "other": NaN}', {}),
    "a float out of range": (b'{"model": "chat-eu", "cost_usd": 1e999}', {"cost_usd": 1}),
    "2^64-1": (value(memory_bytes=2**64 - 1), {"memory_bytes": 1}),
    "2^64-1 as a class": (value(prediction=2**64 - 1), {"prediction": 1}),
    "an integer of 5,000 digits": (b'{"model": "chat-eu", "latency_ms": ' + HUGE + b"}", {"latency_ms": 1}),
    "5,000 digits where nobody looks": (
        b'{"model": "chat-eu", "cost_usd": NaN, "x": ' + HUGE + b"}",
        {"cost_usd": 1},
    ),
    "a negative latency": (value(latency_ms=-1), {"latency_ms": 1}),
    "confidence of 1.2": (value(confidence=1.2), {"confidence": 1}),
    "a score below 0": (value(score=-0.1), {"score": 1}),
    "a number as text": (value(latency_ms="12"), {"latency_ms": 1}),
    "a flag as a number": (value(fallback=1), {"fallback": 1}),
    "a text as an object": (value(output={"text": "hi"}), {"output": 1}),
    "two wrong types": (value(output=1, input=2), {"output": 1, "input": 1}),
    "an unknown status": (value(status="exploded"), {"status": 1}),
    "a time that is none": (value(ts="yesterday"), {"ts": 1}),
    "a time without a zone's colon": (value(ts="2024-11-14 03:00"), {"ts": 1}),
    "2100": (value(ts="2100-01-01T00:00:00Z"), {}),
    "a time in the far future": (value(ts=1e300), {}),
    "a deep field": (b'{"model": "chat-eu", "output": "hi", "x": ' + DEEP + b"}", {}),
    "a deep field that is read": (
        b'{"model": "chat-eu", "error_type": "a", "label": ' + DEEP + b"}",
        {"label": 1},
    ),
    "half a surrogate pair": (b'{"model": "chat-eu", "output": "a\\ud83d"}', {}),
    "NUL in a name": (b'{"model": "chat\\u0000-eu"}', {}),
    "a byte order mark": (b'\xef\xbb\xbf{"model": "chat-eu"}', {}),
    "null everywhere": (value(version=None, output=None, latency_ms=None, fallback=None, ts=None), {}),
}


@pytest.mark.parametrize(("mended", "dropped"), MENDED.values(), ids=MENDED.keys())
def test_a_wrong_field_is_dropped_and_counted_and_the_rest_counts(
    mended: bytes, dropped: dict[str, int]
) -> None:
    counted = count(value(), mended, value())

    assert counted.intake.skipped == ()
    assert counted.of("requests") == {0: 3}
    assert dict(counted.dropped) == dropped


def test_the_rest_of_a_mended_record_is_measured() -> None:
    poison = (
        b'{"model": "chat-eu", "status": "timeout", "latency_ms": NaN, "cost_usd": 2, "finish_reason": 4}'
    )

    counted = count(poison)

    assert counted.rate("timeout") == (1, 1)
    assert sum(counted.of("cost_usd").values()) == 1
    assert not counted.signals() & {"latency_ms", "finish_reason"}


def test_a_mended_surrogate_still_counts_as_one_code_point() -> None:
    mended = count(b'{"model": "chat-eu", "output": "Na\\ud83dja"}')

    assert mended.of("output_chars") == count(value(output="Naxja")).of("output_chars")


def test_the_largest_record_allowed_counts_and_one_byte_more_does_not() -> None:
    settings = MeasureSettings(max_record_bytes=100)
    just = value(output="")
    just = value(output="x" * (100 - len(just)))

    counted = count(just, just + b" ", settings=settings)

    assert counted.reasons() == {1: "too_large"}
    assert counted.intake.skipped[0].detail == "101 bytes, over source.max_record_bytes of 100"


def test_a_name_that_would_break_an_index_becomes_its_beginning_and_a_hash() -> None:
    long = "x" * 4_096

    counted = count(value(model=long, version=long + "1"), value(model=long + "2", version=long))

    keys = [counted.names.stream(code).key for code in (1, 2)]
    assert keys[0] != keys[1]
    assert all(key.startswith("x" * 190) and len(key.encode()) <= 200 for key in keys)


def test_poison_in_a_batch_of_its_own_counts_nothing_and_moves_on() -> None:
    partition = Partition.make()
    partition.aggregator.add(batch([None, b"{", b"[]"], first=7), CLOCK_MS)

    intake = partition.aggregator.take()

    assert (intake.counted, intake.skipped_count, intake.next_offset) == (0, 3, 10)
    assert intake.max_event_ms is None
    assert intake.max_kafka_ms == CLOCK_MS


def test_neighbours_skipped_for_one_reason_are_one_range() -> None:
    counted = count(b"x", b"y", value(), b"z", None, None)

    ranges = [(r.first, r.last, r.count, r.reason) for r in counted.intake.skipped]
    assert ranges == [(0, 1, 2, "not_json"), (3, 3, 1, "not_json"), (4, 5, 2, "tombstone")]


def test_details_are_text_that_any_database_takes() -> None:
    counted = count(b'{"model": "chat-eu", "x": \x00}', b'{"model": \xed\xa0\x80}')

    for skipped in counted.intake.skipped:
        assert "\x00" not in skipped.detail
        assert len(skipped.detail.encode()) <= 800


def test_half_a_surrogate_pair_in_a_name_is_shown_as_what_it_is() -> None:
    counted = count(b'{"model": "chat\\ud83d", "version": "v1\\udc00"}')

    assert counted.of("requests", stream="chat\ufffd", version="v1\ufffd") == {0: 1}


def test_a_field_named_twice_is_its_last() -> None:
    assert count(b'{"model": "other", "model": "chat-eu"}').of("requests") == {0: 1}
