"""The mapping language: where a record's fields are found in messages of any form."""

from typing import Any

import pytest
from mapping_building import Log, form_of, mapped


def one(mapping: str, message: Any, **carried: Any) -> dict[str, Any]:
    [record] = mapped(mapping, message, **carried)
    return record


def test_the_classifier_of_the_contract_is_read_and_all_else_stays_where_a_record_has_it() -> None:
    mapping = """
    map: {model: model_name, prediction: decision, score: /probabilities/default, features: features,
          status: {field: outcome, ok: [APPROVE, DECLINE], error: [TECH_ERROR], timeout: [TIMEOUT]}}
    """
    message = {"model_name": "fraud", "decision": "DECLINE", "outcome": "DECLINE", "latency_ms": 12}
    message |= {"probabilities": {"default": 0.7}, "model": "not asked", "ts": "2024-11-14T03:11:51Z"}
    assert one(mapping, message) == {
        "model": "fraud",
        "prediction": "DECLINE",
        "score": 0.7,
        "status": "ok",
        "latency_ms": 12.0,
        "ts": "2024-11-14T03:11:51Z",
    }
    assert one(mapping, message | {"outcome": "TIMEOUT"})["status"] == "timeout"


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("a.b", "dotted"),
        ("/a/b", "inside"),
        ("/a.b", "dotted"),
        ("/list/1", "second"),
        ("/x~1y", "slash"),
        ("header:who", "me"),
        ("kafka:key", "k1"),
        ("kafka:topic", "topic"),
        ("const:fixed", "fixed"),
        ("[missing, empty, nothing, a.b]", "dotted"),
        ("/attributes/gen_ai.model", "gpt"),
        ("/events/first/at", "early"),
        ("/events/*/at", "early"),
    ],
)
def test_a_place_is_a_key_a_pointer_or_what_kafka_carried(place: str, found: str) -> None:
    message = {"a.b": "dotted", "a": {"b": "inside"}, "list": ["first", "second"], "x/y": "slash"}
    message |= {"empty": "", "nothing": None}
    message |= {"attributes": [{"key": "gen_ai.model", "value": {"stringValue": "gpt"}}]}
    message |= {"events": [{"name": "first", "at": "early"}, {"name": "first", "at": "late"}]}
    carried = {"headers": [[("who", b"you"), ("who", b"me")]], "keys": [b"k1"]}
    assert one(f"map: {{model: {place}}}", message, **carried)["model"] == found


@pytest.mark.parametrize(
    ("unit", "value", "ms"),
    [("s", 1.5, 1500), ("ms", "250", 250), ("us", 5_000, 5), ("ns", "2000000", 2)],
)
def test_a_unit_makes_ms_of_numbers_and_of_decimal_text(unit: str, value: Any, ms: float) -> None:
    mapping = f"map: {{latency_ms: {{field: took, unit: {unit}}}}}"
    assert one(mapping, {"model": "m", "took": value})["latency_ms"] == ms


@pytest.mark.parametrize(("unit", "value"), [("s", 99.5), ("ms", 99_500), ("ns", "99500000000")])
def test_a_time_with_a_unit_is_never_taken_for_one_of_another_unit(unit: str, value: Any) -> None:
    assert one(f"map: {{ts: {{field: at, unit: {unit}}}}}", {"model": "m", "at": value})["ts"] == 99.5


@pytest.mark.parametrize(("unit", "value"), [("ms", 1_731_553_911_123), ("ns", "1731553911123000000")])
def test_a_time_keeps_its_millisecond(unit: str, value: Any) -> None:
    mapping = f"map: {{ts: {{field: at, unit: {unit}}}}}"
    assert one(mapping, {"model": "m", "at": value})["ts"] == 1_731_553_911_123


def test_kafkas_time_is_the_time_of_a_record() -> None:
    assert one("map: {ts: 'kafka:timestamp'}", {"model": "m"})["ts"] == 1_731_553_911_500


def test_a_duration_is_between_two_times_of_one_unit_or_two_times_as_ts_is() -> None:
    message = {"model": "m", "a": 10.0, "b": 12.5, "begun": "2024-11-14T03:11:51Z", "done": 1_731_553_912}
    assert one("map: {latency_ms: {from: a, to: b, unit: s}}", message)["latency_ms"] == 2500
    assert one("map: {latency_ms: {from: begun, to: done}}", message)["latency_ms"] == 1000


def test_a_time_is_a_start_and_how_long_it_took() -> None:
    mapping = "map: {ts: {field: begun, unit: ms, plus: /took/all}}"
    [whole, part] = mapped(
        mapping, {"model": "m", "begun": 2e12, "took": {"all": "250"}}, {"model": "m", "begun": 2e12}
    )
    assert (whole["ts"], part["ts"]) == (2e12 + 250, 2e12)


def test_a_value_counts_only_when_its_condition_is_met() -> None:
    mapping = "map: {ttft_ms: {from: a, to: b, unit: ms, when: {stream: true}, other_than: c}}"
    message = {"model": "m", "a": 1, "b": 5, "c": 9, "stream": True}
    assert one(mapping, message)["ttft_ms"] == 4
    assert "ttft_ms" not in one(mapping, message | {"stream": False})
    assert "ttft_ms" not in one(mapping, message | {"c": 5})


@pytest.mark.parametrize(
    ("code", "status"),
    [(200, "ok"), ("504", "timeout"), (503, "error"), (429, "rejected"), (None, "ok"), ("odd", "error")],
)
def test_a_status_is_told_by_value_by_class_of_code_or_by_what_is_left(code: Any, status: str) -> None:
    mapping = """
    map: {status: {field: code, ok: [200], timeout: [504], error: [5xx], rejected: [4xx], absent: ok, else: error}}
    """
    assert one(mapping, {"model": "m", "code": code})["status"] == status


def test_a_status_that_is_not_known_is_left_to_the_next_place() -> None:
    mapping = "map: {status: [{field: a, error: bad}, {field: b, timeout: late}, status]}"
    assert one(mapping, {"model": "m", "a": "x", "b": "late"})["status"] == "timeout"
    assert one(mapping, {"model": "m", "a": "x", "status": "rejected"})["status"] == "rejected"


@pytest.mark.parametrize("split", [r"-(?=v\d+$)", r"^(.*)-(v\d+)$", r"(?P<model>.*)-(?P<version>v\d+)$"])
def test_one_name_is_split_into_model_and_version(split: str) -> None:
    [first, second] = mapped(
        f"map: {{model: {{field: name, split: '{split}'}}}}", {"name": "fraud-v7"}, {"name": "other"}
    )
    assert (first["model"], first["version"]) == ("fraud", "v7")
    assert (second["model"], second.get("version")) == ("other", None)


def test_objects_are_made_of_values() -> None:
    mapping = "map: {model: m, segment: {any: /meta/team, kind: [x, 'const:none']}}"
    assert one(mapping, {"m": "a", "meta": {"team": "red"}})["segment"] == {"any": "red", "kind": "none"}


def test_messages_become_the_last_text_of_the_user_and_the_texts_of_the_assistant() -> None:
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": [{"type": "text", "text": "One."}, {"type": "image", "url": "x"}]},
        {"role": "user", "parts": [{"type": "text", "content": "Two?"}]},
        {"role": "assistant", "content": "Two."},
    ]
    record = one("map: {input: said, output: said}", {"model": "m", "said": talk})
    assert (record["input"], record["output"]) == ("Two?", "One.\nTwo.")


def test_json_in_a_text_is_looked_into_and_what_stands_for_nothing_is_missing() -> None:
    mapping = (
        "map: {input: {field: body, json: /messages, missing: [redacted]}, output: {field: said, json: true}}"
    )
    message = {"model": "m", "body": '{"messages": [{"role": "user", "content": "Hi"}]}', "said": "[broken"}
    assert one(mapping, message)["input"] == "Hi"
    assert "output" not in one(mapping, message)
    redacted = message | {"body": '{"messages": "redacted"}'}
    assert "input" not in one(mapping, redacted)


def test_an_answer_that_is_empty_is_one_where_nothing_better_is_found() -> None:
    [empty, full, none] = mapped(
        "map: {output: [a, b]}", {"model": "m", "a": ""}, {"model": "m", "a": "", "b": "x"}, {"model": "m"}
    )
    assert (empty["output"], full["output"], none.get("output")) == ("", "x", None)


def test_several_records_of_a_message_share_what_is_around_them() -> None:
    mapping = """
    root: /payload
    each: /groups/*/items/*
    map: {model: "outer:/model", prediction: value, segment: {any: "outer:/name"}}
    """
    first, second = (
        {"name": "a", "items": [{"value": 1}, {"value": 2}]},
        {"name": "b", "items": [{"value": 3}]},
    )
    message = {"model": "m", "payload": {"groups": [first, second]}}
    found = [(r["model"], r["prediction"], r["segment"]["any"]) for r in mapped(mapping, message)]
    assert found == [("m", 1, "a"), ("m", 2, "a"), ("m", 3, "b")]


def test_an_item_that_is_no_object_is_a_value_itself() -> None:
    mapping = "{each: /predictions, map: {model: 'outer:/name', prediction: /}}"
    assert [r["prediction"] for r in mapped(mapping, {"name": "m", "predictions": [1, "b"]})] == [1, "b"]


def test_objects_and_lists_of_attributes_are_read_alike_in_one_batch() -> None:
    """Messages of one kind are taken apart in one pass; those of several forms one by one."""
    flat = {"attributes": {"model": "a", "said.0.content": "x"}, "events": {"end": {"at": 1, "name": "n"}}}
    listed = {
        "attributes": [
            {"key": "model", "value": {"stringValue": "b"}},
            {"key": "said.0.content", "value": "y"},
        ],
        "events": [{"name": "begin", "at": 0}, {"name": "end", "at": 2}],
    }
    mapping = """
    map: {model: /attributes/model, output: "/attributes/said.*", latency_ms: /events/end/at, id: /events/end/name,
          user: /attributes/n}
    """
    number = {
        "attributes": [{"key": "model", "value": "c"}, {"key": "n", "value": {"intValue": "7"}}],
        "events": 3,
    }
    found = mapped(mapping, flat, listed, [listed, number])
    assert [
        (r["model"], r.get("output"), r.get("latency_ms"), r.get("id"), r.get("user")) for r in found
    ] == [
        ("a", "x", 1.0, "n", None),
        ("b", "y", 2.0, "end", None),
        ("b", "y", 2.0, "end", None),
        ("c", None, None, None, 7),
    ]


def test_texts_of_all_parts_are_one_text() -> None:
    parts = [
        {"content": [{"text": "One."}, {"text": "Two."}]},
        {"content": [{"other": 1}]},
        {"content": None},
    ]
    mapping = (
        "map: {output: '/response/output/*/content/*/text', prediction: '/response/output/*/content/0/text'}"
    )
    record = one(mapping, {"model": "m", "response": {"output": parts}})
    assert (record["output"], record["prediction"]) == ("One.\nTwo.", "One.")


def test_where_tells_by_text_by_absence_and_by_alternatives() -> None:
    log = Log(form_of("{where: [{kind: [a, null], n: 1}, {kind: z}], map: {model: model}}"))
    messages = [{"kind": "a", "n": 1}, {"n": 1.0}, {"kind": "z"}, {"kind": "b", "n": 1}, {"kind": "a"}]
    read = log.read(*({"model": "m", **m} for m in messages))
    assert (list(read.decoded.rows), list(read.decoded.ignored), read.reasons()) == ([0, 1, 2], [3, 4], {})


def test_where_takes_any_value_that_is_there() -> None:
    log = Log(form_of("{where: {/ai/model: '*'}, map: {model: /ai/model}}"))
    read = log.read({"ai": {"model": "m"}}, {"ai": {}}, {"ai": {"model": ""}})
    assert (list(read.decoded.rows), list(read.decoded.ignored)) == ([0], [1, 2])


def test_an_array_holds_several_records_and_one_that_is_refused_takes_its_message_with_it() -> None:
    log = Log(form_of("{where: {n: 1}, map: {model: name}}"))
    good, ignored, bad = {"name": "m", "n": 1}, {"n": 2}, {"name": " ", "n": 1}
    read = log.read([good, ignored, good], [good, bad], [ignored], [], [good, 7], good)
    assert list(read.decoded.rows) == [0, 0, 5]
    assert list(read.decoded.ignored) == [2, 3]
    assert read.reasons() == {1: "no_model", 4: "not_an_object"}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "tombstone"),
        (b"\xff", "invalid_utf8"),
        (b"{", "not_json"),
        (b"7", "not_an_object"),
        (b"{}", "no_root"),
        (b'{"payload": 1}', "no_root"),
        (b'{"payload": {}}', "no_items"),
        (b'{"payload": {"items": [{}]}}', "no_model"),
        (b"\x00\x00\x00\x00\x07\x02\xfe", "binary"),
        (b"\x00\x00\x00\x00\x07\x02 avro", "binary"),
        (b'{"payload": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "no_root"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(message: bytes | None, reason: str) -> None:
    log = Log(form_of("{root: /payload, each: /items/*, map: {model: name}}"))
    good = {"payload": {"items": [{"name": "m"}]}}
    read = log.read(good, message, good)
    assert (list(read.decoded.rows), read.reasons()) == ([0, 2], {1: reason})


def test_the_frame_of_a_schema_registry_is_stripped() -> None:
    assert one("map: {model: name}", b'\x00\x00\x00\x01\xff{"name": "m"}')["model"] == "m"


def test_numbers_that_the_fast_parser_refuses_cost_their_field_only() -> None:
    log = Log(form_of("map: {model: name, cost_usd: /a/cost}"))
    read = log.read(b'{"name": "m\\ud800", "a": {"cost": NaN}}', {"name": "n", "a": {"cost": 2}})
    assert read.records() == [{"model": "m\ufffd"}, {"model": "n", "cost_usd": 2.0}]


def test_a_value_of_the_wrong_type_is_dropped_and_counted_for_its_field() -> None:
    message = {"model": 7, "cost": "much", "hit": "yes", "user": 2**60, "ts": True, "tokens": "12"}
    log = Log(form_of("map: {cost_usd: cost, cache_hit: hit, input_tokens: tokens}"))
    read = log.read(message)
    assert read.records() == [{"model": "7", "user": str(2**60), "input_tokens": 12.0}]
    assert read.dropped == {"cost_usd": 1, "cache_hit": 1, "ts": 1}


def test_a_number_that_is_too_large_in_milliseconds_is_dropped() -> None:
    read = Log(
        form_of("""
    map:
      model: m
      latency_ms: {field: took, unit: s}
      ttft_ms: {from: start, to: end, unit: s}
    """)
    ).read({"m": "x", "took": 1e308, "start": -1.7e308, "end": 1.7e308})
    assert read.records() == [{"model": "x"}]


def test_words_and_splits_may_be_of_the_json_in_a_text() -> None:
    mapping = """
    map:
      model: {field: body, json: /name, split: "-(?=v[0-9])"}
      status: {field: body, json: /state, error: [failed], else: ok}
    """
    message = {"body": '{"name": "fraud-v7", "state": "failed"}'}
    assert one(mapping, message) == {"model": "fraud", "version": "v7", "status": "error"}
