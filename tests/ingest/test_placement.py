"""Where reading goes on: hazard 6 (offsets out of Kafka's range) and rule 7 (the ledger went back)."""

import pytest

from monitor.errors import TopicChanged
from monitor.ingest.placement import Placement, place

NOW_MS = 1_700_000_000_000


def test_reading_goes_on_where_the_ledger_stands() -> None:
    assert place("t[0]", 40, 0, 100, None, NOW_MS) == Placement(40)


def test_the_ends_of_what_kafka_has_are_good_places() -> None:
    assert place("t[0]", 100, 0, 100, 100, NOW_MS) == Placement(100)
    assert place("t[0]", 30, 30, 100, 30, NOW_MS) == Placement(30)


def test_offsets_above_the_end_stop_with_one_sentence_and_what_to_do() -> None:
    with pytest.raises(TopicChanged, match=r"t\[0\] ends at offset 90, .* up to 99 .* --accept-new-topic"):
        place("t[0]", 100, 0, 90, None, NOW_MS)


def test_records_that_retention_deleted_are_a_skipped_range_and_reading_goes_on_after_them() -> None:
    placement = place("t[0]", 40, 100, 200, 40, NOW_MS)
    assert placement.offset == 100
    assert placement.lost is not None
    assert (placement.lost.first, placement.lost.last, placement.lost.count) == (40, 99, 60)
    assert placement.lost.reason == "offsets_lost"
    assert placement.lost.at_ms == NOW_MS


def test_a_ledger_behind_what_this_process_committed_went_back() -> None:
    assert place("t[0]", 40, 0, 100, 70, NOW_MS) == Placement(40, None, went_back=30)


def test_a_ledger_ahead_of_what_this_process_committed_is_another_owners_work() -> None:
    assert place("t[0]", 80, 0, 100, 70, NOW_MS).went_back == 0
