"""Mapped messages count as records of Tocsin's own do, and each message is counted or skipped once."""

import json
from typing import Any

from mapping_building import form_of
from record_building import CLOCK_MS, START_MS, Partition, batch, count, value

from monitor.records.decode import RawBatch
from monitor.records.formats.decode import MOST_ITEMS
from monitor.records.settings import MeasureSettings, SampleSettings
from monitor.records.signals import Kind
from monitor.records.user_signals import UserSignal, user_signal

MAPPING = """
where: {type: null}
map: {model: name, ts: {field: at, unit: ms}, output_tokens: /usage/out, status: {field: ok, ok: true, error: false},
      output: answer, user: who, error_message: why}
"""


def theirs(**fields: Any) -> dict[str, Any]:
    return {"name": "chat-eu", "at": START_MS, "usage": {"out": 120}, "ok": True} | fields


def settings(**further: Any) -> MeasureSettings:
    return MeasureSettings(format=form_of(MAPPING), **further)


def test_a_mapped_message_comes_to_the_same_cells_as_an_own_record() -> None:
    own = count(value(output_tokens=120, status="ok"), value(output_tokens=7, status="error"))
    messages = [theirs(), theirs(usage={"out": 7}, ok=False)]
    mapped = count(*(json.dumps(m).encode() for m in messages), settings=settings())
    for signal in ("requests", "error", "output_tokens", "rejected"):
        assert (signal, mapped.of(signal)) == (signal, own.of(signal))


def test_every_message_is_counted_or_skipped_once_however_many_records_it_holds() -> None:
    messages = [[theirs(), theirs()], {"type": "ping"}, [theirs(), {"at": 1}], theirs(), [], "x"]
    counted = count(*(json.dumps(m).encode() for m in messages), settings=settings())
    assert (counted.intake.counted, counted.intake.ignored, counted.requests()) == (4, 2, 3)
    assert counted.reasons() == {2: "no_model", 5: "not_an_object"}
    assert counted.intake.next_offset == len(messages)


def test_a_message_of_more_records_than_memory_is_meant_for_is_skipped_and_its_neighbours_count() -> None:
    bomb = b"[" + b",".join([b"{}"] * (MOST_ITEMS + 1)) + b"]"
    counted = count(json.dumps(theirs()).encode(), bomb, json.dumps(theirs()).encode(), settings=settings())
    assert counted.reasons() == {1: "too_many_items"}
    assert counted.requests() == 2


def test_only_what_is_ignored_moves_the_offset_on() -> None:
    counted = count(b'{"type": "ping"}', settings=settings())
    assert (counted.intake.counted, counted.intake.ignored, counted.intake.skipped) == (1, 1, ())
    assert counted.intake.next_offset == 1
    assert counted.intake.delta.cells.count.size == 0


def test_a_record_that_is_too_old_takes_its_message_with_it() -> None:
    old = theirs(at=START_MS - 400 * 86_400_000)
    counted = count(*(json.dumps(m).encode() for m in ([theirs(), old], theirs())), settings=settings())
    assert (counted.intake.counted, counted.requests(), counted.reasons()) == (1, 1, {0: "too_old"})


def test_a_sample_of_a_mapped_message_is_the_record_without_texts_and_names_of_users() -> None:
    """The message's own texts stand under names that nobody knows, so it is never kept itself."""
    message = theirs(ok=False, answer="secret text", who="ada@example.com", why="upstream", id="r1")
    counted = count(json.dumps([message, message]).encode(), settings=settings())
    [sample] = counted.intake.samples
    kept = json.loads(sample.record)
    assert (kept["model"], kept["error_message"], kept["status"]) == ("chat-eu", "upstream", "error")
    assert (sample.record_id, sample.why, sample.offset) == ("r1", "error", 0)
    assert "secret text" not in sample.record
    assert "ada" not in sample.record


def test_texts_of_a_mapped_message_are_kept_where_they_are_asked_for() -> None:
    asked = settings(samples=SampleSettings(text=True, drop=(("error_message",),)))
    message = theirs(ok=False, answer="what it said", why="upstream", id="r1")
    [sample] = count(json.dumps(message).encode(), settings=asked).intake.samples
    kept = json.loads(sample.record)
    assert kept["output"] == "what it said"
    assert "error_message" not in kept


def test_a_signal_of_the_users_own_reads_the_message() -> None:
    income = UserSignal(user_signal("income", Kind.DISTRIBUTION, "/extra/income"), ("extra", "income"))
    counted = count(
        json.dumps(theirs(extra={"income": 30})).encode(), settings=settings(user_signals=(income,))
    )
    assert sum(counted.of("income").values()) == 1


def test_keys_and_headers_come_with_their_records_through_several_batches() -> None:
    form = form_of("map: {model: 'kafka:key', version: 'header:rev'}")
    partition = Partition.make(MeasureSettings(format=form))
    for i, name in enumerate((b"a", b"b")):
        partition.aggregator.add(
            RawBatch([i], [CLOCK_MS], [b"{}"], [name], [[("rev", b"v%d" % i)]]), CLOCK_MS
        )
    counted = partition.counted()
    assert [counted.of("requests", stream=name, version=v) for name, v in (("a", "v0"), ("b", "v1"))] == [
        {0: 1},
        {0: 1},
    ]


def test_records_of_one_message_are_sampled_by_numbers_of_their_own() -> None:
    answer = "Your parcel left the warehouse this morning and should reach you on Friday."
    messages = json.dumps([theirs(answer=answer) for _ in range(20)]).encode()
    counted = count(messages, settings=settings())
    languages = counted.intake.delta.languages
    assert len(set(languages.hash.tolist())) == 20


def test_own_records_in_a_registrys_frame_are_read() -> None:
    counted = Partition.make()
    counted.aggregator.add(batch([b"\x00\x00\x00\x00\x01" + value()]), CLOCK_MS)
    assert counted.counted().intake.counted == 1
