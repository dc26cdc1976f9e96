"""A partition's memory: which offsets it takes up, what a checkpoint covers, when it has caught up."""

from dataclasses import replace
from uuid import uuid4

import pytest
from kafka.structs import TopicPartition

from monitor.ingest.partition import Flight, OwnedPartition
from monitor.ingest.progress import Progress
from monitor.ingest.unpack import Polled
from monitor.ingest.writer import Ticket
from monitor.records.aggregate import PartitionAggregator
from monitor.records.delta import SkippedRange
from monitor.records.formats.language import Condition, Format, Place
from monitor.records.language import LanguageDetector
from monitor.records.names import Names
from monitor.records.sampling import LanguageSampler
from monitor.records.settings import MeasureSettings

NOW_MS = 1_700_000_000_000
SETTINGS = MeasureSettings()
NAMES = Names(SETTINGS.by, SETTINGS.max_streams)
SAMPLER = LanguageSampler(LanguageDetector())


def record(offset: int, timestamp: int = NOW_MS, value: bytes | None = b'{"model": "chat"}') -> Polled:
    return offset, timestamp, value


def aggregator(topic: str, partition: int, offset: int, max_event_ms: int | None) -> PartitionAggregator:
    return PartitionAggregator(
        SETTINGS, NAMES, SAMPLER, topic, partition, from_offset=offset, max_event_ms=max_event_ms
    )


@pytest.fixture
def owned() -> OwnedPartition:
    """Owned from offset 100 on, at 0.0 of the monotonic clock."""
    row = Progress("id", 0, 100, 90, 10, NOW_MS - 5_000, NOW_MS - 4_000)
    return OwnedPartition.begin(TopicPartition("t", 0), uuid4(), row, 100, aggregator, 0.0)


def batch(first: int, until: int) -> list[Polled]:
    return [record(offset) for offset in range(first, until)]


def fly(owned: OwnedPartition, position: int) -> Flight:
    checkpoint = owned.take(position, NOW_MS, 0.0)
    owned.flight = Flight(checkpoint, Ticket(), 0)
    return owned.flight


def test_a_record_below_the_next_one_expected_is_not_taken_up_again(owned: OwnedPartition) -> None:
    owned.add(batch(95, 105), NOW_MS)
    assert owned.take(105, NOW_MS, 1.0).intake.counted == 5


def test_rule_3_a_checkpoint_reaches_to_the_position_past_control_records_and_gaps(
    owned: OwnedPartition,
) -> None:
    owned.add(batch(100, 103), NOW_MS)
    checkpoint = owned.take(110, NOW_MS, 1.0)
    assert (checkpoint.intake.from_offset, checkpoint.intake.next_offset) == (100, 110)
    assert owned.take(111, NOW_MS, 2.0).intake.from_offset == 110


def test_a_partition_that_was_lost_and_assigned_anew_sends_nothing_from_before_its_offset(
    owned: OwnedPartition,
) -> None:
    owned.add(batch(100, 103), NOW_MS)
    assert not owned.due(0, 60.0, 0.5, 1.0)
    assert not owned.due(99, 60.0, 0.5, 1.0)
    assert owned.due(103, 60.0, 0.5, 1.0)


def test_the_largest_times_go_on_from_the_ledgers(owned: OwnedPartition) -> None:
    assert owned.take(100, NOW_MS, 1.0).max_event_ms == NOW_MS - 5_000
    owned.add([record(100, NOW_MS - 60_000)], NOW_MS)
    assert owned.take(101, NOW_MS, 2.0).max_kafka_ms == NOW_MS - 4_000
    owned.add([record(101, NOW_MS)], NOW_MS)
    later = owned.take(102, NOW_MS, 3.0)
    assert (later.max_event_ms, later.max_kafka_ms, later.last_record_ms) == (NOW_MS, NOW_MS, NOW_MS)


def test_rule_3_messages_of_others_alone_leave_a_partition_quiet() -> None:
    """They come all the time and move no event time: a busy partition of such would hold the watermark for ever."""
    others = Format(
        {"model": Place(("model",))}, where=((Condition(Place(("kind",)), frozenset(), absent=True),),)
    )
    settings = replace(SETTINGS, format=others)

    def mapped(topic: str, partition: int, offset: int, max_event_ms: int | None) -> PartitionAggregator:
        return PartitionAggregator(
            settings, NAMES, SAMPLER, topic, partition, from_offset=offset, max_event_ms=max_event_ms
        )

    row = Progress("id", 0, 100, 90, 10, NOW_MS - 5_000, NOW_MS - 4_000)
    owned = OwnedPartition.begin(TopicPartition("t", 0), uuid4(), row, 100, mapped, 0.0)
    span = b'{"model": "chat", "kind": "http"}'

    owned.add([record(100, value=span)], NOW_MS)
    assert owned.take(101, NOW_MS, 1.0).last_record_ms is None
    owned.add([record(101), record(102, value=span)], NOW_MS + 1_000)
    assert owned.take(103, NOW_MS + 1_000, 2.0).last_record_ms == NOW_MS + 1_000
    owned.add([record(103, value=span)], NOW_MS + 4_000)
    later = owned.take(104, NOW_MS + 4_000, 5.0)
    assert (later.last_record_ms, later.intake.counted, later.intake.next_offset) == (NOW_MS + 1_000, 1, 104)


@pytest.mark.parametrize(
    ("position", "end", "sampled_at", "caught_up"),
    [
        (100, 100, 8.0, True),
        (101, 100, 8.0, True),
        (99, 100, 8.0, False),
        (100, 100, 7.9, False),
        (100, None, 8.0, False),
    ],
)
def test_rule_3_caught_up_is_an_end_reached_that_was_sampled_at_most_two_seconds_ago(
    owned: OwnedPartition, position: int, end: int | None, sampled_at: float, caught_up: bool
) -> None:
    owned.end, owned.end_at = end, sampled_at
    assert owned.caught_up(position, 10.0) is caught_up


def test_checkpoints_come_every_500_ms_with_data_every_second_without_one_at_a_time(
    owned: OwnedPartition,
) -> None:
    assert not owned.due(100, 0.9, 0.5, 1.0)
    assert owned.due(100, 1.0, 0.5, 1.0)
    assert owned.due(101, 0.5, 0.5, 1.0)
    owned.add(batch(100, 110), NOW_MS)
    assert not owned.due(110, 0.4, 0.5, 1.0)
    assert owned.due(110, 0.5, 0.5, 1.0)
    fly(owned, 110)
    owned.add(batch(110, 120), NOW_MS)
    assert not owned.due(120, 9.0, 0.5, 1.0)


def test_neighbouring_bad_batches_are_one_range(owned: OwnedPartition) -> None:
    for first in (100, 150, 300):
        owned.skip(SkippedRange(first, first + 49, 50, "bad_batch", "", NOW_MS))
    ranges = owned.take(350, NOW_MS, 1.0).intake.skipped
    assert [(r.first, r.last, r.count) for r in ranges] == [(100, 199, 100), (300, 349, 50)]


def test_skipped_batches_stand_between_the_records_around_them(owned: OwnedPartition) -> None:
    owned.add([record(100, value=None)], NOW_MS)
    owned.skip(SkippedRange(101, 150, 50, "bad_batch", "", NOW_MS))
    owned.add([record(151, value=None)], NOW_MS)
    ranges = owned.take(152, NOW_MS, 1.0).intake.skipped
    assert [(r.first, r.reason) for r in ranges] == [
        (100, "tombstone"),
        (101, "bad_batch"),
        (151, "tombstone"),
    ]


def test_rule_8_after_a_refusal_the_first_half_is_tried_alone_from_the_ledgers_state(
    owned: OwnedPartition,
) -> None:
    owned.add(batch(100, 180), NOW_MS)
    flight = fly(owned, 180)
    owned.add(batch(180, 200), NOW_MS)
    owned.refused(flight.checkpoint.intake.from_offset, flight.checkpoint.intake.next_offset, "why")
    assert owned.expected == 100
    owned.add(batch(100, 200), NOW_MS)
    half = owned.take(200, NOW_MS, 1.0)
    assert (half.intake.from_offset, half.intake.next_offset, half.intake.counted) == (100, 140, 40)


def test_rule_8_a_bad_batch_that_reaches_beyond_the_part_is_cut_there(owned: OwnedPartition) -> None:
    owned.refused(100, 200, "why")
    owned.skip(SkippedRange(140, 189, 50, "bad_batch", "", NOW_MS))
    (skipped,) = owned.take(190, NOW_MS, 1.0).intake.skipped
    assert (skipped.first, skipped.last, skipped.count) == (140, 149, 10)


def test_rule_8_the_one_record_is_skipped_with_the_reason(owned: OwnedPartition) -> None:
    owned.refused(100, 101, "invalid byte sequence")
    assert owned.held
    owned.add(batch(100, 101), NOW_MS)
    intake = owned.take(101, NOW_MS, 1.0).intake
    assert intake.counted == 0
    assert intake.skipped == (SkippedRange(100, 100, 1, "refused", "invalid byte sequence", NOW_MS),)


def test_what_fails_behind_a_checkpoint_in_flight_waits_for_it_and_is_read_again(
    owned: OwnedPartition,
) -> None:
    owned.add(batch(100, 110), NOW_MS)
    flight = fly(owned, 110)
    owned.add(batch(110, 120), NOW_MS)
    owned.retry()
    assert owned.held
    assert owned.expected == 110
    owned.landed(flight.checkpoint)
    assert not owned.held
    owned.add(batch(110, 125), NOW_MS)
    assert owned.take(125, NOW_MS, 1.0).intake.counted == 15


def test_the_ledgers_totals_go_on(owned: OwnedPartition) -> None:
    owned.add([record(100), record(101, value=None)], NOW_MS)
    owned.landed(fly(owned, 102).checkpoint)
    status = owned.status(102, 1.0)
    assert (status.counted, status.skipped, status.next_offset) == (91, 11, 102)
