"""Samples of incidents: those kept since the onset are attached, and more are kept while it fires, up to a bound."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sample_log import SampleLog

from monitor.ledger import attaching
from monitor.ledger.attaching import MOST_OF_INCIDENT, look_after
from monitor.records.shown import Sought

ALERTS = """
reference: {learn: 1000, at_least: 0s}
samples: {first: 0, share: 2%}
rules:
  - {name: cut, signal: truncated, above: 2x}
"""
CUT = Sought("chat", "truncated")


@pytest.fixture
def log(ledger_url: str, tmp_path: Path) -> Iterator[SampleLog]:
    made = SampleLog(ledger_url, tmp_path, ALERTS)
    yield made
    made.engine.dispose()


def minutes(log: SampleLog, first: int, last: int, *, cut: int) -> None:
    """Checkpoints of a minute with 250 answers each, of which every hundredth, or each of `cut`, is cut off."""
    for minute in range(first, last):
        begin = log.start_ms - 3_600_000 + minute * 60_000
        log.judged(
            *(
                {
                    "ts": begin + 240 * i,
                    "finish_reason": "length" if i % 100 < cut else "stop",
                    "id": f"{minute}-{i}",
                }
                for i in range(250)
            ),
            clock_ms=log.clock_ms + minute * 60_000,
        )


def attached(log: SampleLog) -> list[tuple[str, str, bool, int]]:
    found = log.read(
        "SELECT why, s.signal, at >= onset_at - interval '10 s', count(*) FROM tocsin.samples s "
        "JOIN tocsin.incidents USING (incident_id) GROUP BY 1, 2, 3 ORDER BY 1"
    )
    return [tuple(row) for row in found]


def test_what_was_kept_since_the_onset_belongs_to_the_incident_when_it_opens(log: SampleLog) -> None:
    minutes(log, 0, 30, cut=2)
    assert look_after(log.engine) == ()
    minutes(log, 30, 45, cut=60)
    assert log.read("SELECT signal, state FROM tocsin.incidents") == [("truncated", "firing")]
    assert look_after(log.engine) == (CUT,)
    [(why, signal, since_onset, n)] = attached(log)
    assert (why, signal, since_onset) == ("share", "truncated", True)
    shows = "SELECT count(*) FROM tocsin.samples, tocsin.incidents WHERE at >= onset_at - interval '10 s'"
    assert log.read(f"{shows} AND signals @> '{{\"truncated\": true}}'") == [(n,)]
    assert log.read("SELECT count(*) > 0 FROM tocsin.samples WHERE incident_id IS NULL") == [(True,)]
    with log.engine.begin() as conn:
        [shown] = attaching._shown(conn)
        assert attaching.attach(conn, shown) == 0


def test_while_it_fires_more_records_that_show_it_are_kept_up_to_its_bound(log: SampleLog) -> None:
    minutes(log, 0, 30, cut=2)
    minutes(log, 30, 45, cut=60)
    sought = look_after(log.engine)
    log.aggregator.seek(sought)
    minutes(log, 45, 80, cut=60)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(look_after, [log.engine] * 3))
    look_after(log.engine)
    found = attached(log)
    assert {row[:3] for row in found} == {("incident", "truncated", True), ("share", "truncated", True)}
    assert sum(row[3] for row in found) == MOST_OF_INCIDENT
    assert look_after(log.engine) == ()
