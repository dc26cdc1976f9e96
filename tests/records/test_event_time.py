"""Event time: the forms of `ts`, clocks that are ahead (rule 4), and late records."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_building import CLOCK_MS, START_MS, Partition, batch, count, value

from monitor.records.decode import stated_times
from monitor.records.delta import PANE_MS
from monitor.records.settings import MeasureSettings
from monitor.records.timing import YEAR_MS, event_times, instants_ms, lateness

AT_MS = 1_731_553_911_123
FORMS: dict[str, tuple[Any, int]] = {
    "RFC 3339": ("2024-11-14T03:11:51.123Z", AT_MS),
    "whole seconds": ("2024-11-14T03:11:51Z", AT_MS - 123),
    "microseconds": ("2024-11-14T03:11:51.123999Z", AT_MS),
    "nanoseconds": ("2024-11-14T03:11:51.123999999Z", AT_MS),
    "an offset": ("2024-11-14T04:11:51.123+01:00", AT_MS),
    "UTC as an offset": ("2024-11-14T03:11:51.123+00:00", AT_MS),
    "lower case": ("2024-11-14t03:11:51.123z", AT_MS),
    "a space": ("2024-11-14 03:11:51.123Z", AT_MS),
    "a comma, as Python's logging writes it": ("2024-11-14 03:11:51,123", AT_MS),
    "an offset without a colon": ("2024-11-14T04:11:51.123+0100", AT_MS),
    "no zone is UTC": ("2024-11-14T03:11:51.123", AT_MS),
    "seconds": (1_731_553_911, AT_MS - 123),
    "seconds with a fraction": (1_731_553_911.123, AT_MS),
    "the largest seconds": (1e11, 100_000_000_000_000),
    "milliseconds": (AT_MS, AT_MS),
    "the smallest milliseconds": (100_000_000_001, 100_000_000_001),
    "microseconds as a number": (AT_MS * 1_000 + 999, AT_MS),
    "nanoseconds as a number": (AT_MS * 1_000_000 + 999_488, AT_MS),
    "before 1970": ("1969-12-31T23:59:59.999Z", -1),
}
NO_TIME = [
    "", "now", "today", "2024-11-14", "03:11:51Z", "2024-13-14T03:11:51Z", "2024-11-31T03:11:51Z",
    "2024-11-14T25:11:51Z", "2024-11-14T03:11:60Z", "2024-11-14T03:11:51.Z", "2024-11-14T03:11:51ZZ",
    "-024-11-14T03:11:51Z", "2024-11-14T03:11:5\u0661Z", "1731553911123", " 2024-11-14T03:11:51Z",
    "2024-W46-4T03:11:51Z",
]  # fmt: skip


def times(ts: Sequence[Any], kafka_ms: int = 10**15) -> tuple[list[int], int]:
    found = event_times(list(ts), np.full(len(ts), kafka_ms))
    return found.event_ms.tolist(), found.unreadable


@pytest.mark.parametrize(("ts", "ms"), FORMS.values(), ids=FORMS.keys())
def test_every_form_of_ts_is_the_same_time_alone_and_among_others(ts: Any, ms: int) -> None:
    ts = ts if isinstance(ts, str) else float(ts)
    assert times([ts]) == ([ms], 0)
    assert times([ts, ts]) == ([ms, ms], 0)
    assert times([ts, None, 1_731_553_911.0, "2024-11-14T03:11:51Z"])[0][0] == ms
    assert instants_ms([ts, None, ts]).tolist()[::2] == [ms, ms]


@pytest.mark.parametrize("ts", NO_TIME)
def test_a_text_that_is_no_time_leaves_kafkas(ts: str) -> None:
    assert times([ts], kafka_ms=AT_MS) == ([AT_MS], 1)
    assert times([ts, "2024-11-14T03:11:51Z"], kafka_ms=AT_MS) == ([AT_MS, AT_MS - 123], 1)
    assert np.isnan(instants_ms([ts, 1.0])[0])


@settings(deadline=None)
@given(st.lists(st.datetimes(), min_size=1), st.sampled_from(["seconds", "milliseconds", "microseconds"]))
def test_the_fast_way_reads_times_as_the_slow_one(moments: list[Any], precision: str) -> None:
    texts = [m.isoformat(timespec=precision) + "Z" for m in moments]
    together, unreadable = times(texts, kafka_ms=10**15)
    assert unreadable == 0
    assert together == [times([text, None])[0][0] for text in texts]


def test_an_absent_ts_is_kafkas_timestamp() -> None:
    assert times([None, None], kafka_ms=AT_MS) == ([AT_MS, AT_MS], 0)
    assert times([None, float(AT_MS - 5)], kafka_ms=AT_MS) == ([AT_MS, AT_MS - 5], 0)


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (b'{"ts": "2024-11-14T03:11:51.123Z"}', AT_MS),
        (b'{"ts": %d, "cost_usd": NaN}' % AT_MS, AT_MS),
        (b'{"ts": %d, "x": %s}' % (AT_MS, b"[" * 1_000 + b"]" * 1_000), AT_MS),
        (b'{"ts": null}', "no_ts"),
        (b'{"ts": true}', "no_ts"),
        (b'{"ts": "yesterday"}', "no_ts"),
        (b'{"ts": NaN}', "no_ts"),
        (b'{"ts": 1%s, "x": NaN}' % (b"0" * 400), "no_ts"),
        (b"{}", "no_ts"),
        (b"[]", "not_an_object"),
        (b"{", "not_json"),
        (b'{"ts": "\xff"}', "invalid_utf8"),
    ],
)
def test_a_line_of_a_file_states_its_time_or_why_not(line: bytes, outcome: int | str) -> None:
    times_ms, refused = stated_times([line, b'{"ts": 1}'])
    assert (refused[0].reason if refused else times_ms[0]) == outcome
    assert times_ms[1] == 1_000


@pytest.mark.parametrize(
    ("ts_ms", "kafka_ms", "event_ms"),
    [
        (CLOCK_MS + 60_000, CLOCK_MS + 60_000, CLOCK_MS + 2_000),
        (CLOCK_MS + 60_000, CLOCK_MS - 5_000, CLOCK_MS - 3_000),
        (CLOCK_MS + 1_000, CLOCK_MS, CLOCK_MS + 1_000),
        (CLOCK_MS - 7_000, CLOCK_MS, CLOCK_MS - 7_000),
        (4_102_444_800_000, 4_102_444_800_000, CLOCK_MS + 2_000),
        (CLOCK_MS, -1, CLOCK_MS),
        (CLOCK_MS + 60_000, -1, CLOCK_MS + 2_000),
    ],
)
def test_rule_4_event_time_is_at_most_two_seconds_ahead_of_kafka_and_of_our_clock(
    ts_ms: int, kafka_ms: int, event_ms: int
) -> None:
    partition = Partition.make()
    partition.aggregator.add(batch([value(ts=ts_ms)], kafka_ms=kafka_ms), CLOCK_MS)

    intake = partition.aggregator.take()

    assert intake.max_event_ms == event_ms
    assert intake.max_kafka_ms == (min(kafka_ms, CLOCK_MS) if kafka_ms >= 0 else CLOCK_MS)


def test_a_year_old_is_young_enough() -> None:
    counted = count(value(ts=CLOCK_MS - YEAR_MS), value(ts=CLOCK_MS - YEAR_MS - 1))
    assert counted.reasons() == {1: "too_old"}


def test_a_record_is_late_when_its_pane_ended_before_the_watermark() -> None:
    ahead = START_MS + PANE_MS + 3_000
    counted = count(
        value(ts=ahead - 1),
        value(),
        value(ts=ahead),
        value(ts=START_MS + PANE_MS - 1),
        value(ts=START_MS + PANE_MS),
    )

    assert counted.rate("late") == (1, 5)
    cells = counted.intake.delta.cells
    late = cells.pane != cells.evidence
    assert set(cells.pane[late].tolist()) == {START_MS // PANE_MS}
    assert set(cells.evidence[late].tolist()) == {START_MS // PANE_MS + 1}


def test_what_is_late_counts_by_event_time_and_is_evidence_on_arrival() -> None:
    found = lateness(np.array([50_000, 5_000, 61_000, 5_000]), 3_000, None)

    assert found.pane.tolist() == [5, 0, 6, 0]
    assert found.evidence.tolist() == [5, 4, 6, 5]
    assert found.late.tolist() == [False, True, False, True]
    assert found.max_event_ms == 61_000


def test_the_watermark_of_the_ledger_goes_on_after_a_restart() -> None:
    partition = Partition.make(max_event_ms=START_MS + 20_000)
    partition.aggregator.add(batch([value()]), CLOCK_MS)

    counted = partition.counted()

    assert counted.rate("late") == (1, 1)
    assert counted.intake.max_event_ms == START_MS + 20_000


def test_skipped_records_move_no_watermark() -> None:
    counted = count(b'{"ts": %d}' % CLOCK_MS, value())
    assert counted.rate("late") == (0, 1)
    assert counted.intake.max_event_ms == START_MS


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 100_000), min_size=1, max_size=60),
    st.lists(st.integers(1, 59), max_size=5),
    st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_lateness_is_the_same_however_batches_and_checkpoints_are_cut(
    steps: list[int], cuts: list[int], taken: list[bool]
) -> None:
    values = [json.dumps({"model": "chat-eu", "ts": START_MS + step}).encode() for step in steps]
    whole = Partition.make(MeasureSettings(lateness_ms=1_000))
    whole.aggregator.add(batch(values), CLOCK_MS)
    expected = whole.counted().intake

    parts = Partition.make(MeasureSettings(lateness_ms=1_000))
    found, last = [], None
    edges = sorted({0, *(c for c in cuts if c < len(values)), len(values)})
    for first, end, take in zip(edges, edges[1:], taken, strict=False):
        parts.aggregator.add(batch(values[first:end], first), CLOCK_MS)
        if take:
            found.append(parts.aggregator.take())
    found.append(last := parts.aggregator.take())

    panes = [(p, e, c) for i in found for p, e, c in _requests(i)]
    assert sorted(_added(panes)) == sorted(_added(_requests(expected)))
    assert last.max_event_ms == expected.max_event_ms


def _requests(intake: Any) -> list[tuple[int, int, int]]:
    cells = intake.delta.cells
    rows = (cells.signal == 0) & (cells.slice == 0)
    columns = (cells.pane[rows], cells.evidence[rows], cells.count[rows])
    return list(zip(*(c.tolist() for c in columns), strict=True))


def _added(rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    counts: dict[tuple[int, int], int] = {}
    for pane, evidence, n in rows:
        counts[pane, evidence] = counts.get((pane, evidence), 0) + n
    return [(*key, n) for key, n in counts.items()]
