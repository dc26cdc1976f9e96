"""Whatever a record says, it is counted or skipped, and what it adds can be stored."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from record_building import CLOCK_MS, Partition, batch

from monitor.records.codec import decode, encode
from monitor.records.record import Record
from monitor.records.settings import MeasureSettings
from monitor.records.signals import SIGNALS, Kind
from monitor.records.user_signals import UserSignal, user_signal

OWN = (
    UserSignal(user_signal("when", Kind.RATE, "tenant"), ("tenant",), when=("true", "1")),
    UserSignal(user_signal("flag", Kind.RATE, "/a/0"), ("a", "0")),
    UserSignal(user_signal("number", Kind.DISTRIBUTION, "/features/x"), ("features", "x")),
    UserSignal(user_signal("share", Kind.DISTRIBUTION, "b", probability=True), ("b",), high=1.0),
    UserSignal(user_signal("name", Kind.CATEGORY, "/segment/x"), ("segment", "x")),
)
SLICED = MeasureSettings(
    by=("model", "region", "segment.plan"),
    slices=("version", "tenant", "segment.country", "label"),
    window_signals=frozenset(s.code for s in SIGNALS if s.of != "ok, sampled by hash"),
    kill_signals=frozenset({1, 38, 66}),
    fresh_ms=10**15,
    input_language=True,
    asked=frozenset({*(s.code for s in SIGNALS), *(user.missing.code for user in OWN)}),
    user_signals=OWN,
)
any_text = st.text(alphabet=st.characters(exclude_categories=[]), max_size=30)
numbers = st.integers(-(2**70), 2**70) | st.integers(-3, 3) | st.floats() | st.just(10**400)
scalars = st.none() | st.booleans() | numbers | any_text | st.sampled_from(["ok", "length", "de", "feedback"])
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text | st.just("x"), inner, max_size=3),
)
names = [
    *Record.__struct_fields__,
    "region",
    "tenant",
    "segment",
    "id",
    "trace_id",
    "user",
    "features",
    "a",
    "b",
]
records = st.dictionaries(st.sampled_from(names), anything, max_size=12).map(
    lambda f: {"model": "chat-eu"} | f
)


def as_value(record: Any) -> bytes:
    return json.dumps(record).encode()


values = (records | anything).map(as_value) | st.binary(max_size=20) | st.none()


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(values, min_size=1, max_size=12), st.sampled_from([SLICED, MeasureSettings()]))
def test_any_value_is_counted_or_skipped_and_can_be_stored(
    log: list[bytes | None], measured: MeasureSettings
) -> None:
    partition = Partition.make(measured)
    partition.aggregator.add(batch(log), CLOCK_MS)
    intake = partition.aggregator.take()

    assert intake.counted + intake.skipped_count == len(log)
    assert decode(encode(intake.delta)).cells.count.sum() == intake.delta.cells.count.sum()
    for sample in intake.samples:
        stored = (sample.record_id, sample.trace_id, sample.version, sample.record)
        assert not any("\x00" in text for text in stored)
        assert all(text.encode() or text == "" for text in stored)
        json.loads(sample.record)
    for skipped in intake.skipped:
        assert "\x00" not in skipped.detail
        skipped.detail.encode()
    for code in set(intake.delta.cells.stream.tolist()):
        key = partition.names.stream(code).key
        assert "\x00" not in key
        assert len(key.encode()) <= 800


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records, min_size=2, max_size=8), st.sampled_from([SLICED, MeasureSettings()]))
def test_a_record_counts_the_same_alone_and_among_others(
    log: list[dict[str, Any]], measured: MeasureSettings
) -> None:
    together = Partition.make(measured)
    together.aggregator.add(batch([as_value(record) for record in log]), CLOCK_MS)
    alone = Partition.make(measured)
    counted = 0
    for offset, record in enumerate(log):
        alone.aggregator.add(batch([as_value(record)], offset), CLOCK_MS)
        counted += alone.aggregator.take().counted

    assert together.aggregator.take().counted == counted
    assert together.aggregator.dropped == alone.aggregator.dropped
