"""Samples, from records to `tocsin.samples`: which are kept, what they say, how long they stay."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sample_log import SampleLog

from monitor.cli.housekeeping import tidy
from monitor.ledger import partitions, tables

RULES = """
reference: {learn: 1000, at_least: 0s}
rules: [{name: errors, signal: error, above: 2x}]
"""


@pytest.fixture
def log(ledger_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SampleLog]:
    made = SampleLog(ledger_url, tmp_path, getattr(request, "param", "samples: {first: 2, share: 0}") + RULES)
    yield made
    made.engine.dispose()


def kept(log: SampleLog) -> list[tuple[str, str]]:
    return [tuple(row) for row in log.read("SELECT why, record_id FROM tocsin.samples ORDER BY kafka_offset")]


def test_a_sample_in_sql_says_what_was_measured_of_it(log: SampleLog) -> None:
    log.take({"id": "r1", "trace_id": "t1", "version": "v1", "latency_ms": 12.5, "finish_reason": "length"})
    [row] = log.read("SELECT stream, why, signal, version, trace_id, kafka_offset, mark FROM tocsin.samples")
    assert row == ("chat", "first", "", "v1", "t1", 0, None)
    [(measured, found)] = log.read("SELECT signals, sample_id FROM tocsin.samples")
    assert measured == {"latency_ms": 12.5, "finish_reason": "length", "truncated": True, "version": "v1"}
    assert len(found) == 12


def test_a_process_that_begins_anew_does_not_take_for_new_what_the_ledger_knows(log: SampleLog) -> None:
    for begin, named in ((0, {"version": "v1"}), (200_000, {"model": "rank"})):
        log.judged(*({"id": f"a{i}", "ts": log.start_ms + begin + i * 30_000} | named for i in range(3)))
        log.restart()
        log.judged({"id": "again"} | named, {"id": "new", "version": f"v2 of {named}"})
        log.restart()
    assert kept(log) == [("first", "a0"), ("first", "a1"), ("first", "new")] * 2


@pytest.mark.parametrize("log", ["samples: {retain: 7d}"], indirect=True)
def test_samples_go_when_their_time_is_over(log: SampleLog) -> None:
    today = tables.database_ms(log.engine) // tables.DAY_MS
    partitions.ensure(log.engine, tables.SAMPLE, [today - 9, today - 6])
    tidy(log.engine, log.settings, log.clock_ms)
    there = partitions.attached(log.engine, tables.SAMPLE)
    assert (today - 9 in there, today - 6 in there) == (False, True)
    tables.drop_old(log.engine, keep_checkpoints=timedelta(0))
    assert today - 6 in partitions.attached(log.engine, tables.SAMPLE)
