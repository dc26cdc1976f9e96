"""Marks of people on samples: kept, counted once as labels that came later, and judged."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sample_log import SampleLog
from sqlalchemy import text

from monitor.judge import store
from monitor.ledger import partitions, tables
from monitor.ledger.reviewing import Mark, Outcome, Verdict, mark_samples

ALERTS = """
reference: {learn: 1000, at_least: 0s}
defaults: {min_n: 20}
samples: {first: 60, share: 0}
rules:
  - {name: accuracy, signal: incorrect, above: 20%}
  - {name: reviewed, signal: incorrect, window: 1h, above: 20%}
  - {name: silence, absent: 30m}
"""


@pytest.fixture
def log(ledger_url: str, tmp_path: Path) -> Iterator[SampleLog]:
    made = SampleLog(ledger_url, tmp_path, ALERTS)
    yield made
    made.engine.dispose()


def answers(log: SampleLog, n: int, **fields: Any) -> list[str]:
    """The ids of `n` answers that were kept."""
    log.judged(*({"id": str(i), "version": "v1"} | fields for i in range(n)))
    ids = log.read("SELECT sample_id FROM tocsin.samples ORDER BY kafka_offset DESC LIMIT :n", n=n)
    return [name for (name,) in ids]


def mark(
    log: SampleLog, ids: Sequence[str], verdict: Verdict = "bad", note: str = "", at_ms: int | None = None
) -> Outcome:
    said = Mark(verdict, note, "ada")
    return mark_samples(log.engine, ids, said, at_ms=at_ms or log.clock_ms)


def labelled(log: SampleLog) -> list[tuple[Any, ...]]:
    return log.read("SELECT sum(k)::int, sum(n)::int FROM tocsin.rates WHERE signal = 'incorrect'")


def opened(log: SampleLog) -> list[tuple[Any, ...]]:
    return log.read("SELECT rule, observed, affected, total FROM tocsin.incidents WHERE rule <> 'silence'")


def test_forty_bad_marks_at_once_are_over_a_plain_threshold(log: SampleLog) -> None:
    assert len(mark(log, answers(log, 40)).counted) == 40
    log.rest(log.clock_ms + 60_000)
    assert opened(log) == [("reviewed", 1.0, 40, 40)]


def test_forty_bad_marks_of_twenty_minutes_are_evidence_too(log: SampleLog) -> None:
    for i, name in enumerate(answers(log, 40)):
        mark(log, [name], at_ms=log.clock_ms + i * 30_000)
    log.rest(log.clock_ms + 1_500_000)
    assert [row[:2] for row in sorted(opened(log))] == [("accuracy", 1.0), ("reviewed", 1.0)]


def test_marks_count_as_labels_by_version_and_time_of_the_mark(log: SampleLog) -> None:
    first, second = answers(log, 2)
    mark(log, [first], "good")
    mark(log, [second], "bad")
    log.rest(log.clock_ms + 60_000)
    pane = log.clock_ms // 10_000 * 10
    by = "SELECT value, extract(epoch FROM pane_start)::int, k, n FROM tocsin.rates_by WHERE signal = 'incorrect'"
    assert log.read(by) == [("v1", pane, 1, 2)]
    assert log.read("SELECT n, unmatched FROM tocsin.labels") == [(2, 0)]
    assert log.read("SELECT sum(n)::int FROM tocsin.panes") == [(2,)]


def test_a_mark_brings_the_confidence_of_its_prediction_as_a_joined_label_does(log: SampleLog) -> None:
    [sure] = answers(log, 1, confidence=0.97)
    mark(log, [sure])
    log.rest(log.clock_ms + 60_000)
    assert log.rates("confidently_wrong") == {"confidently_wrong": (1, 1)}
    assert log.read("SELECT confidence_from, correct, n FROM tocsin.calibration") == [(0.95, 0, 1)]


def test_marks_move_neither_progress_nor_watermark(log: SampleLog) -> None:
    ids = answers(log, 5)
    before = log.read(
        "SELECT topic, counted, skipped, next_offset, judged_offset, watermark FROM tocsin.progress"
    )
    mark(log, ids, at_ms=log.clock_ms + 3_600_000)
    log.judged()
    assert before == log.read(
        "SELECT topic, counted, skipped, next_offset, judged_offset, watermark FROM tocsin.progress"
    )
    assert log.judges.event_ms == log.start_ms - 3_000
    assert log.read("SELECT seq FROM tocsin_ledger.judge_cursor WHERE topic_id = '(review)'") == [(1,)]
    assert log.read("SELECT count(*) FROM tocsin.incidents") == [(0,)]


def test_only_the_first_mark_counts_and_all_of_them_are_kept(log: SampleLog) -> None:
    ids = answers(log, 3)
    assert mark(log, ids) == Outcome(counted=tuple(ids))
    assert mark(log, [*ids, "none"]) == Outcome(same=tuple(ids), unknown=("none",))
    assert mark(log, ids[:1], "good", "it is right") == Outcome(changed=(ids[0],))
    log.rest(log.clock_ms + 60_000)
    assert labelled(log) == [(3, 3)]
    assert log.read("SELECT mark, note, marked_by FROM tocsin.samples WHERE sample_id = :id", id=ids[0]) == [
        ("good", "it is right", "ada")
    ]
    history = (
        "SELECT mark, note, counted FROM tocsin.marks WHERE sample_id = :id ORDER BY marked_at, counted DESC"
    )
    assert log.read(history, id=ids[0]) == [("bad", "", True), ("good", "it is right", False)]


def test_people_who_mark_the_same_at_once_count_once(log: SampleLog) -> None:
    ids = answers(log, 10)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(partial(mark, log, ids), ["good", "bad", "good", "bad"]))
    assert sorted(len(o.counted) for o in outcomes) == [0, 0, 0, 10]
    log.rest(log.clock_ms + 60_000)
    assert labelled(log)[0][1] == 10


def test_a_judge_that_dies_between_mark_and_commit_loses_and_doubles_nothing(
    log: SampleLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = answers(log, 20)
    mark(log, ids[:10])

    def killed(*_: object) -> None:
        raise ConnectionError("cut before COMMIT")

    with monkeypatch.context() as broken:
        broken.setattr(store, "save", killed)
        with pytest.raises(ConnectionError):
            log.judges.tick()
    mark(log, ids[10:])
    log.judges.drop()
    with log.engine.begin() as conn:
        conn.execute(text("UPDATE tocsin_ledger.judge_lease SET expires_at = now() - interval '1 s'"))
    log.rest(log.clock_ms + 60_000)
    assert labelled(log) == [(20, 20)]


def test_a_mark_does_not_fail_where_no_daemon_has_made_tables_for_hours(log: SampleLog) -> None:
    ids = answers(log, 1)
    for number in partitions.attached(log.engine, tables.CHECKPOINT):
        with log.engine.begin() as conn:
            conn.execute(text(f"DROP TABLE tocsin_ledger.{tables.CHECKPOINT.child(number)}"))
    assert mark(log, ids).counted == tuple(ids)
    log.rest(log.clock_ms + 60_000)
    assert labelled(log) == [(1, 1)]
