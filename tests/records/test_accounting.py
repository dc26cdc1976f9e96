"""A record counts exactly once or is skipped, however batches, checkpoints and partitions are cut."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from record_building import CLOCK_MS, ENGLISH, GERMAN, START_MS, Counted, Partition, batch, value

from monitor.records.codec import decode, encode, fold
from monitor.records.delta import Delta
from monitor.records.names import Names
from monitor.records.remap import remap, used
from monitor.records.settings import MeasureSettings
from monitor.records.signals import BY_NAME, Kind
from monitor.records.user_signals import UserSignal, categories, user_signal

# The machine may be busy, and the language model is loaded once.
UNHURRIED = settings(deadline=None, max_examples=50)
ASKED = ("inconsistent", "missing.confidence", "missing.cached_version", "missing.features")
OWN = (
    UserSignal(user_signal("age", Kind.DISTRIBUTION, "/features/age"), ("features", "age")),
    UserSignal(user_signal("job", Kind.CATEGORY, "/features/job"), ("features", "job")),
)
SETTINGS = MeasureSettings(
    slices=("tenant",),
    window_signals=frozenset({1, 38}),
    kill_signals=frozenset({1}),
    fresh_ms=10**10,
    lateness_ms=1_000,
    asked=frozenset({*(BY_NAME[name].code for name in ASKED), *(user.missing.code for user in OWN)}),
    user_signals=OWN,
)

fields = st.fixed_dictionaries(
    {"model": st.sampled_from(["chat-eu", "chat-us", "a/b"])},
    optional={
        "version": st.sampled_from(["v1", "v2", 3, None]),
        "ts": st.integers(START_MS, START_MS + 60_000) | st.just("yesterday") | st.just(0),
        "status": st.sampled_from(["ok", "error", "timeout", "rejected", "odd"]),
        "type": st.sampled_from(["feedback", "label", "prediction"]),
        "tenant": st.sampled_from(["a", "b"]),
        "output": st.sampled_from(["", GERMAN, ENGLISH, "short"]),
        "expected_language": st.sampled_from(["de", "German"]),
        "latency_ms": st.sampled_from([0, 5, 250.5, -1, "slow"]),
        "confidence": st.sampled_from([0, 0.5, 0.95, 1, 1.2]),
        "rating": st.sampled_from([-1, 1]),
        "prediction": st.sampled_from(["a", 1, 0.5, True]),
        "label": st.sampled_from(["a", 1, 0.25]),
        "fallback": st.booleans(),
        "cache_hit": st.booleans(),
        "cached_version": st.sampled_from(["v1", "v2"]),
        "sample_rate": st.sampled_from([0.1, 1, 2]),
        "input": st.sampled_from(["a", "b"]),
        "features": st.fixed_dictionaries(
            {},
            optional={"age": st.sampled_from([3, 40, -1, "old"]), "job": st.sampled_from(["nurse", 1, 0.5])},
        ),
    },
)
poison = st.sampled_from(
    [None, b"", b"{", b"[]", b"{}", b'{"model": "\xff"}', b'{"model": "chat-eu", "cost_usd": NaN}']
)
logs = st.lists(fields.map(lambda f: value(**({"ts": START_MS} | f))) | poison, min_size=1, max_size=40)
cuts = st.lists(st.tuples(st.integers(1, 39), st.booleans()), max_size=6)


def table(delta: Delta, names: Names) -> dict[str, list[tuple[Any, ...]]]:
    """Rows with names instead of codes, so that intakes of different processes compare."""

    def rows(part: Any, *columns: str) -> list[tuple[Any, ...]]:
        found = []
        for i in range(part.stream.size):
            row: dict[str, Any] = {name: getattr(part, name)[i].item() for name in columns}
            stream, signal = row["stream"], row.get("signal", 0)
            if "bucket" in row and _named(signal):
                row["bucket"] = names.category(stream, signal, row["bucket"])
            if row.get("slice"):
                row["slice"] = (names.slice(row["slice"]).field, names.slice(row["slice"]).value)
            row["stream"] = names.stream(stream).key
            found.append(tuple(row.values()))
        return sorted(found, key=str)

    return {
        "cells": rows(delta.cells, "stream", "slice", "signal", "pane", "evidence", "bucket", "count"),
        "slots": rows(delta.slots, "clock", "stream", "signal", "slot", "bucket", "count"),
        "languages": rows(
            delta.languages, "stream", "slice", "signal", "pane", "evidence", "bucket", "wrong", "hash"
        ),
        "versions": rows(delta.versions, "stream", "slice", "first_ms", "last_ms", "count"),
    }


def _named(signal: int) -> bool:
    return bool(categories(np.array([signal]))[0])


def totals(delta: Delta) -> float:
    return float(delta.sums.total.sum())


@UNHURRIED
@given(logs)
def test_counted_and_skipped_are_the_offsets_given_and_requests_the_predictions(
    values: list[bytes | None],
) -> None:
    partition = Partition.make(SETTINGS)
    partition.aggregator.add(batch(values, first=100), CLOCK_MS)
    counted = partition.counted()
    intake = counted.intake

    assert intake.counted + intake.skipped_count == len(values)
    assert (intake.from_offset, intake.next_offset) == (0, 100 + len(values))
    records = [json.loads(v) for i, v in enumerate(values, 100) if i not in counted.reasons() and v]
    later = sum(record.get("type") in ("feedback", "label") for record in records)
    assert counted.requests() == intake.counted - later
    cells = intake.delta.cells
    by_version = np.isin(cells.slice, _codes(counted, "version")) & (cells.signal == 0)
    assert cells.count[by_version].sum() == counted.requests()


def _codes(counted: Counted, field: str) -> list[int]:
    return [
        c
        for c in np.unique(counted.intake.delta.cells.slice).tolist()
        if c and counted.names.slice(c).field == field
    ]


@UNHURRIED
@given(logs, cuts)
def test_results_do_not_depend_on_how_batches_and_checkpoints_are_cut(
    values: list[bytes | None], cut: Any
) -> None:
    whole = Partition.make(SETTINGS)
    whole.aggregator.add(batch(values), CLOCK_MS)
    expected = whole.aggregator.take()

    parts = Partition.make(SETTINGS)
    edges = dict(sorted((at, take) for at, take in cut if at < len(values))) | {len(values): True}
    intakes, first = [], 0
    for end, take in edges.items():
        parts.aggregator.add(batch(values[first:end], first), CLOCK_MS)
        first = end
        if take:
            intakes.append(parts.aggregator.take())

    folded = fold(i.delta for i in intakes)
    assert table(folded, parts.names) == table(expected.delta, whole.names)
    assert np.isclose(totals(folded), totals(expected.delta))
    assert parts.aggregator.dropped == whole.aggregator.dropped
    assert sum(i.counted for i in intakes) == expected.counted
    assert sum(i.skipped_count for i in intakes) == expected.skipped_count
    assert [i.from_offset for i in intakes[1:]] == [i.next_offset for i in intakes[:-1]]


@UNHURRIED
@given(logs, st.integers(1, 39))
def test_folding_and_storing_changes_nothing(values: list[bytes | None], at: int) -> None:
    partition = Partition.make(SETTINGS)
    deltas = []
    for part, first in ((values[:at], 0), (values[at:], at)):
        partition.aggregator.add(batch(part, first), CLOCK_MS)
        deltas.append(partition.aggregator.take().delta)

    stored = [decode(encode(d)) for d in deltas]

    assert table(fold(stored), partition.names) == table(fold(deltas), partition.names)
    assert table(fold([fold(deltas)]), partition.names) == table(fold(deltas[::-1]), partition.names)


@UNHURRIED
@given(logs)
def test_the_ledgers_ids_say_the_same_as_the_codes(values: list[bytes | None]) -> None:
    partition = Partition.make(SETTINGS)
    partition.aggregator.add(batch(values), CLOCK_MS)
    intake, names = partition.aggregator.take(), partition.names
    codes = used(intake)

    moved = remap(
        intake,
        {c: c * 10 for c in codes.streams},
        {c: c * 100 for c in codes.slices},
        {triple: triple[2] * 1_000 for triple in codes.categories},
    )

    for before, after in (
        (intake.delta.cells, moved.delta.cells),
        (intake.delta.languages, moved.delta.languages),
    ):
        assert sorted((before.stream * 10).tolist()) == sorted(after.stream.tolist())
        assert sorted((before.slice * 100).tolist()) == sorted(after.slice.tolist())
    categories = {
        (names.stream(s // 10).key, signal, names.category(s // 10, signal, b // 1_000 if b > 1 else b)): n
        for s, signal, b, n in zip(
            *(getattr(moved.delta.cells, c).tolist() for c in ("stream", "signal", "bucket", "count")),
            strict=True,
        )
        if _named(signal)
    }
    named = {
        (names.stream(s).key, signal, names.category(s, signal, b))
        for s, signal, b in zip(
            *(getattr(intake.delta.cells, c).tolist() for c in ("stream", "signal", "bucket")), strict=True
        )
        if _named(signal)
    }
    assert set(categories) == named
    assert moved.counted == intake.counted
    assert [s.stream for s in moved.samples] == [s.stream * 10 for s in intake.samples]
