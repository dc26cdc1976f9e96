"""Slices by segment and by top-level fields, from their records to the views by field and value."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sql_log import Log

from monitor.records.text import NAME_BYTES, clean_name

ALERTS = """
streams: {by: [model, segment.region], slices: [version, prompt_version, finish_reason, segment.plan, segment.team]}
rules:
  - {name: errors, signal: error, above: 2x}
"""
AWKWARD = [
    "eu/west",
    'it\'s "quoted"',
    "50%_off\\",
    "naïve café",
    "日本語",
    "  padded ",
    "a" * 300,
    "é" * 150,
]
SUMS = """
    SELECT r.signal, r.k, r.n, sum(b.k)::bigint, sum(b.n)::bigint FROM tocsin.rates r
    JOIN tocsin.rates_by b USING (stream, signal, pane_start)
    WHERE b.field = :field GROUP BY 1, 2, 3
"""


@pytest.fixture
def log(ledger_url: str, tmp_path: Path) -> Iterator[Log]:
    made = Log(ledger_url, tmp_path, ALERTS)
    yield made
    made.engine.dispose()


def answer(name: str, i: int, **fields: Any) -> dict[str, Any]:
    return {
        "version": name,
        "prompt_version": name,
        "segment": {"region": "eu", "plan": name},
        "latency_ms": 100 * (i + 1),
        "finish_reason": "stop",
        **fields,
    }


@pytest.mark.parametrize("field", ["version", "prompt_version", "segment.plan"])
def test_every_name_has_its_rates_percentiles_and_categories(log: Log, field: str) -> None:
    assert len(AWKWARD[-2].encode()) == len(AWKWARD[-1].encode()) == 300
    for repeat in range(2):
        log.judge(*(answer(name, i, status="error" if repeat else "ok") for i, name in enumerate(AWKWARD)))
    names = [clean_name(name) for name in AWKWARD]
    assert len(set(names)) == len(AWKWARD)
    assert max(len(name.encode()) for name in names) == NAME_BYTES
    rates = "SELECT value, k, n FROM tocsin.rates_by WHERE signal = 'error' AND field = :field"
    assert sorted(log.read(rates, field=field)) == sorted((name, 1, 2) for name in names)
    medians = "SELECT value, n, p50 FROM tocsin.quantiles_by WHERE signal = 'latency_ms' AND field = :field"
    assert sorted(log.read(medians, field=field)) == sorted(
        (name, 1, pytest.approx(100 * (i + 1), rel=0.01)) for i, name in enumerate(names)
    )
    reasons = "SELECT value, category, n FROM tocsin.categories_by WHERE signal = 'finish_reason' AND field = :field"
    assert sorted(log.read(reasons, field=field)) == sorted((name, "stop", 1) for name in names)


@pytest.mark.parametrize("name", AWKWARD)
def test_a_name_is_found_by_what_the_record_says_while_it_is_short(log: Log, name: str) -> None:
    log.judge(answer(name, 0))
    [(value,)] = log.read(
        "SELECT value FROM tocsin.rates_by WHERE signal = 'error' AND field = 'segment.plan'"
    )
    assert value == name if len(name.encode()) <= NAME_BYTES else value.startswith(name[:50])


def test_slices_of_a_field_that_all_records_have_add_up_to_the_whole(log: Log) -> None:
    log.judge(*(answer(f"plan-{i % 3}", i, status="error" if i % 5 == 0 else "ok") for i in range(60)))
    for field in ("version", "prompt_version", "segment.plan"):
        rows = log.read(SUMS, field=field)
        assert {signal for signal, *_ in rows} >= {"error", "timeout", "rejected"}
        assert [(k, n) for _, k, n, _, _ in rows] == [(k, n) for *_, k, n in rows]


def test_records_without_the_segment_are_in_no_slice_of_it(log: Log) -> None:
    log.judge(answer("pro", 0), {"segment": {"region": "eu"}}, {"segment": {"region": "eu", "team": 7}})
    rows = log.read(
        "SELECT field, value, n FROM tocsin.rates_by WHERE signal = 'error' ORDER BY field, value"
    )
    assert [row for row in rows if row[0].startswith("segment.")] == [
        ("segment.plan", "pro", 1),
        ("segment.team", "7", 1),
    ]


def test_a_stream_of_model_and_region_escapes_the_slashes_of_its_parts(log: Log) -> None:
    log.judge(answer("v1", 0, model="meta/llama", segment={"region": "eu/west 50%"}))
    assert log.read("SELECT stream, labels FROM tocsin.streams WHERE stream <> '(other)'") == [
        ("meta%2Fllama/eu%2Fwest 50%25", {"model": "meta/llama", "segment.region": "eu/west 50%"})
    ]
