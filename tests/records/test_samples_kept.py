"""Samples: which few records of a stream are kept, and how much of them; clean and small."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from record_building import CLOCK_MS, GERMAN, START_MS, Counted, Partition, batch, count, value

from monitor.records.cleaning import RECORD_BYTES, WITH_TEXT_BYTES, cleaned
from monitor.records.delta import Sample
from monitor.records.samples import BUDGET_BYTES, MOST
from monitor.records.sampling import record_hashes
from monitor.records.settings import MeasureSettings, SampleSettings
from monitor.records.shown import Sought
from monitor.records.signals import Kind
from monitor.records.user_signals import UserSignal, user_signal

NONE = SampleSettings(share=0, first=0)


def kept(*values: bytes, sought: tuple[Sought, ...] = (), **settings: Any) -> tuple[Sample, ...]:
    """Samples of one batch; neither a share nor the first unless `settings` say so."""
    chosen = SampleSettings(**{"share": 0.0, "first": 0} | settings)
    partition = Partition.make(MeasureSettings(samples=chosen))
    if sought:
        # A stream is known once it was seen.
        partition.aggregator.add(batch([value(status="rejected")]), CLOCK_MS)
        partition.aggregator.take()
        partition.aggregator.seek(sought)
    partition.aggregator.add(batch(values, first=1 if sought else 0), CLOCK_MS)
    return partition.aggregator.take().samples


def whys(counted: Counted) -> Counter[tuple[str, str]]:
    return Counter((counted.names.stream(s.stream).key, s.why) for s in counted.intake.samples)


def test_the_first_three_failures_of_each_stream_are_kept() -> None:
    values = [
        value(model=m, id=f"{m}{i}", status=s) for m in ("a", "b") for i in range(5) for s in ("ok", "error")
    ]
    assert [(s.why, s.signal, s.record_id) for s in kept(*values)] == [
        ("error", "error", f"{m}{i}") for m in "ab" for i in range(3)
    ]


def test_the_first_of_each_version_are_kept_and_no_record_twice() -> None:
    partition = Partition.make(MeasureSettings(samples=SampleSettings(share=0, first=2)))
    for i in range(3):
        values = [value(id=f"{v}{i}", version=v, status=s) for v, s in (("v1", "error"), ("v2", "ok"))]
        partition.aggregator.add(batch(values, 2 * i), CLOCK_MS)
        taken = [(s.why, s.record_id) for s in partition.aggregator.take().samples]
        assert taken == [("error", f"v1{i}")] + [("first", f"v2{i}")] * (i < 2)


def test_the_share_is_chosen_by_hash_and_not_by_batches() -> None:
    values, hashes = [value(id=str(i)) for i in range(400)], record_hashes("predictions", 0, np.arange(400))
    wanted = np.flatnonzero(hashes < 0.02 * 2**64).tolist()
    assert 2 < len(wanted) < 20

    partition, found = Partition.make(MeasureSettings(samples=SampleSettings(share=0.02, first=0))), []
    for i in range(0, 400, 5):
        partition.aggregator.add(batch(values[i : i + 5], i), CLOCK_MS + i * 1_000_000)
        found += [(s.why, s.offset) for s in partition.aggregator.take().samples]
    assert found == [("share", i) for i in wanted]


def test_a_trace_is_kept_whole_whatever_its_models_and_offsets() -> None:
    values = [value(model=m, trace_id=f"t{i}", id=f"{m}t{i}") for m in ("chat", "rank") for i in range(300)]
    found = set()
    for start in range(0, 600, 10):
        found |= {s.record_id for s in kept(*values[start : start + 10], share=0.02)}
    assert {name[4:] for name in found if name.startswith("chat")} == {n[4:] for n in found if n[0] == "r"}
    assert 2 <= len(found) / 2 <= 15


def test_no_share_and_no_first_keep_failures_alone() -> None:
    assert kept(*(value(id=str(i)) for i in range(1_000))) == ()


def test_the_quota_is_a_checkpoints_and_not_a_batchs() -> None:
    partition = Partition.make(MeasureSettings(samples=NONE))
    for first in range(0, 10_000, 5_000):
        partition.aggregator.add(batch([value(status="error")] * 5_000, first), CLOCK_MS)
    assert [s.offset for s in partition.aggregator.take().samples] == [0, 1, 2]

    partition.aggregator.add(batch([value(status="timeout")], 10_000), CLOCK_MS)
    assert [s.offset for s in partition.aggregator.take().samples] == [10_000]


@pytest.mark.parametrize(
    ("sought", "fields"),
    [
        ({"signal": "truncated"}, {"finish_reason": "length"}),
        ({"signal": "latency_ms", "above": 800.0}, {"latency_ms": 801}),
        ({"signal": "output_tokens", "below": 10.0}, {"output_tokens": 3}),
        ({"signal": "finish_reason", "category": "content_filter"}, {"finish_reason": "content_filter"}),
        ({"signal": "output_language", "category": "de"}, {"output": GERMAN}),
        ({"signal": "wrong_language"}, {"output": GERMAN, "expected_language": "en"}),
        ({"signal": "truncated", "version": "v2"}, {"finish_reason": "length", "version": "v2"}),
    ],
)
def test_while_something_fires_records_that_show_it_are_kept(
    sought: dict[str, Any], fields: dict[str, Any]
) -> None:
    calm = {"latency_ms": 800, "output_tokens": 10, "finish_reason": "stop", "version": "v1"}
    values = [value(**calm | (fields if i % 2 else {})) for i in range(100)]
    [search] = [Sought("chat-eu", **sought)]
    found = kept(*values, sought=(search,))
    assert [(s.why, s.signal, s.offset % 2) for s in found] == [("incident", search.signal, 0)] * 3
    assert all(search.shown_in(s.signals) for s in found)


def test_nothing_is_sought_in_another_stream() -> None:
    assert kept(value(finish_reason="length"), sought=(Sought("chat-us", "truncated"),)) == ()


def test_a_sample_says_what_was_measured_of_it() -> None:
    [sample] = kept(
        value(status="error", error_type="upstream", latency_ms=1_250.5, cost_usd=2, confidence=0.5), share=0
    )
    assert sample.signals == {"error": True, "error_type": "upstream", "cost_usd": 2, "version": "(none)"}

    fields = {"output": GERMAN, "expected_language": "en", "latency_ms": 12.5, "finish_reason": "length"}
    [sample] = kept(value(**fields), first=1)
    assert sample.signals == {
        "finish_reason": "length",
        "truncated": True,
        "latency_ms": 12.5,
        "output_chars": len(GERMAN),
        "output_language": "de",
        "wrong_language": True,
        "version": "(none)",
    }


def test_a_sample_says_what_links_need_and_leaves_the_texts_out() -> None:
    texts = {"input": "secret", "output": "secret", "features": {"income": 1}, "error_message": "xy " * 500}
    names = {"id": 7, "trace_id": "t\x001", "version": "v1", "segment": {"plan": "free"}}
    (sample,) = kept(value(**texts, **names, status="error"))

    assert (sample.record_id, sample.trace_id, sample.version) == ("7", "t1", "v1")
    assert (sample.why, sample.signal, sample.at_ms, sample.offset) == ("error", "error", START_MS, 0)
    record = json.loads(sample.record)
    assert record["error_message"] == "xy " * 100
    assert record["segment"] == {"plan": "free"}
    assert not record.keys() & {"input", "output", "features"}


def test_texts_are_kept_where_they_are_asked_for_and_cut() -> None:
    texts = {"input": "Where is it?", "output": "ä" * 10_000, "features": {"income": 1, "why": "so it is"}}
    [sample] = kept(value(**texts, note="of the caller's"), first=1, text=True)
    record = json.loads(sample.record)
    assert (record["input"], record["features"]) == (texts["input"], texts["features"])
    assert set(record["output"]) == {"ä"}
    assert 3_000 < len(record["output"]) <= 4_000
    assert len(sample.record.encode()) <= WITH_TEXT_BYTES
    assert record["note"] == "..."


def test_of_unknown_fields_words_stay_and_texts_go() -> None:
    fields = {
        "region": "eu-west-1",
        "prompt": "Dear sir",
        "messages": [{"role": "user", "content": "I am Ada"}],
    }
    assert json.loads(cleaned(fields, NONE)) == {
        "region": "eu-west-1",
        "prompt": "...",
        "messages": [{"role": "user", "content": "..."}],
    }


def test_error_texts_are_scrubbed_whatever_else_is_kept() -> None:
    message = (
        "401 at https://ada:pw@host/v1?key=abc for ada@example.com: Bearer abcdef.ghi, 4111 1111 1111 1111"
    )
    for settings in (NONE, SampleSettings(text=True)):
        record = json.loads(cleaned({"error_message": message, "error_type": "of ada@example.com"}, settings))
        assert record == {
            "error_message": "401 at https://host/v1?[...] for [e-mail]: Bearer [secret], [number]",
            "error_type": "of [e-mail]",
        }


def test_an_error_type_is_scrubbed_wherever_it_stands() -> None:
    [sample] = kept(value(status="error", error_type="no such user ada@example.com"))
    assert sample.signals["error_type"] == "no such user [e-mail]"
    assert "ada" not in sample.record


def test_a_signal_of_the_users_own_is_dropped_with_its_field() -> None:
    income = UserSignal(user_signal("income", Kind.DISTRIBUTION, "/extra/income"), ("extra", "income"))
    settings = SampleSettings(share=0, first=1, drop=(("extra", "i*"),))
    counted = count(
        value(extra={"income": 30, "plan": "free"}),
        settings=MeasureSettings(user_signals=(income,), samples=settings),
    )
    [sample] = counted.intake.samples
    assert (sample.signals, json.loads(sample.record)["extra"]) == ({"version": "(none)"}, {"plan": "free"})


def test_what_is_to_be_dropped_stands_nowhere() -> None:
    fields = {"trace_id": "t1", "user": "ada", "prediction": "loan", "segment": {"plan": "x", "city": "Bern"}}
    drop = (("trace_id",), ("us*",), ("segment", "city"), ("pred*",), ("*", "0"))
    [sample] = kept(value(**fields, tags=["a", "b"]), first=1, drop=drop)
    record = json.loads(sample.record)
    assert record.keys() == {"model", "ts", "segment", "tags"}
    assert (record["segment"], record["tags"]) == ({"plan": "x"}, ["b"])
    assert (sample.trace_id, sample.signals) == ("", {"version": "(none)"})


def test_a_sample_is_text_that_any_database_takes() -> None:
    poison = (
        b'{"model": "chat-eu", "a\\u0000": "b\\u0000\\ud800", "n": NaN, "i": 18446744073709551616,'
        b' "deep": {"a": {"b": {"c": {"d": 1}}}}, "x": ' + b"[" * 1_000 + b"]" * 1_000 + b"}"
    )
    (sample,) = kept(poison, first=1)

    assert "\x00" not in sample.record
    assert "\\u0000" not in sample.record
    record = json.loads(sample.record.encode())
    assert record["a"] == "b\ufffd"
    assert record["n"] is None
    assert record["i"] == "18446744073709551616"
    assert record["deep"] == {"a": {"b": {"c": "..."}}}


def test_a_sample_has_at_most_4_kib_of_whole_members() -> None:
    record = cleaned({f"field{i}": [1_000_000] * 40 for i in range(100)} | {"last": 1}, NONE)
    assert len(record.encode()) <= RECORD_BYTES
    assert json.loads(record)["last"] == 1


def test_samples_of_many_streams_are_bounded() -> None:
    counted = count(*(value(model=f"m{i}", status="error") for i in range(200)))
    assert len(counted.intake.samples) == MOST

    big = count(*(value(model=f"m{i}", status="error", note="z" * 10_000) for i in range(20)))
    assert 0 < len(big.intake.samples) <= BUDGET_BYTES // 10_000


def test_unless_told_the_first_twenty_and_one_in_a_hundred_are_kept() -> None:
    counted = count(*(value() for _ in range(1_000)))
    assert whys(counted) == {("chat-eu", "first"): 20, ("chat-eu", "share"): 1}
