"""Roll-ups and the budget of `store.max_size`, as the daemon runs them, on a real ledger."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from monitor.cli import past
from monitor.cli.housekeeping import STORE_FULL, tidy
from monitor.config import load
from monitor.config.model import Config
from monitor.judge import store
from monitor.judge.memory import Memory
from monitor.judge.state import JudgeState
from monitor.judge.watermark import Progress
from monitor.ledger import partitions, room, tables
from monitor.ledger.tables import DAY_MS
from monitor.records.delta import PANE_MS

ALERTS = """
store: {url: "postgresql://tocsin@localhost/tocsin"}
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
rules: [{name: errors, signal: error, above: 2x}]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    path = tmp_path / "alerts.yaml"
    path.write_text(ALERTS)
    return load(str(path), need=frozenset())


@pytest.fixture
def now_ms(engine: Engine) -> int:
    """The database's clock; the judge has closed every pane until then."""
    now_ms = tables.database_ms(engine)
    with engine.begin() as conn:
        store.save(conn, Memory(Progress(3_000), JudgeState(next_pane=now_ms // PANE_MS)), None)
    return now_ms


def add_panes(engine: Engine, day: int, hours: int = 1) -> None:
    """360 panes of a stream an hour from the start of the day on, each with a wide histogram."""
    tables.ensure_pane_days(engine, [day])
    with engine.begin() as conn:
        conn.execute(
            text("""
                INSERT INTO tocsin_ledger.pane
                    (stream_id, signal, slice_id, pane_start, evidence_start, n, buckets, counts)
                SELECT 1, 42, 0, t, t, 200, b.buckets, b.counts
                FROM generate_series(to_timestamp(:start), to_timestamp(:until), interval '10 s') AS t,
                (SELECT array_agg(i) AS buckets, array_agg(1) AS counts FROM generate_series(1, 200) AS i) AS b
            """),
            {"start": day * 86_400, "until": day * 86_400 + hours * 3_600 - 10},
        )


def add_samples(engine: Engine, day: int) -> None:
    """Two megabytes of texts that no compression makes smaller."""
    partitions.ensure(engine, tables.SAMPLE, [day])
    with engine.begin() as conn:
        conn.execute(
            text("""
                INSERT INTO tocsin_ledger.sample
                    (topic_id, partition, kafka_offset, why, kept_at, topic, stream_id, at, sample_id, record)
                SELECT 't', 0, i, 'failed', to_timestamp(:start), 'p', 1, to_timestamp(:start), i::text,
                       (SELECT string_agg(md5(i::text || j::text), '') FROM generate_series(1, 64) AS j)
                FROM generate_series(1, 1000) AS i
            """),
            {"start": day * 86_400},
        )


def rows(engine: Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(query))]


def told(engine: Engine) -> list[tuple[object, ...]]:
    return rows(engine, f"SELECT state, summary FROM tocsin.incidents WHERE rule = '{STORE_FULL}'")


def test_panes_older_than_two_days_become_rows_of_five_minutes(engine, settings, now_ms):
    day = now_ms // DAY_MS - 4
    add_panes(engine, day)
    tidy(engine, settings, now_ms)
    assert rows(engine, "SELECT step_s, count(*), sum(n) FROM tocsin_ledger.pane GROUP BY 1") == [
        (300, 12, 72_000)
    ]
    assert day not in partitions.attached(engine, tables.PANE_10S)


def test_backtest_reaches_back_to_where_panes_of_ten_seconds_begin(engine, settings, now_ms):
    today = now_ms // DAY_MS
    for day in (today - 4, today - 1):
        add_panes(engine, day)
    tidy(engine, settings, now_ms)
    with engine.begin() as conn:
        kept = past.kept(conn)
    assert kept == past.Stretch((today - 1) * DAY_MS // PANE_MS, now_ms // PANE_MS)


def test_nothing_becomes_coarser_while_the_judge_is_behind(engine, settings, now_ms):
    with engine.begin() as conn:
        behind = JudgeState(next_pane=now_ms // PANE_MS - 5 * 8_640)
        store.save(conn, Memory(Progress(3_000), behind), None)
    add_panes(engine, now_ms // DAY_MS - 4)
    tidy(engine, settings, now_ms)
    assert rows(engine, "SELECT DISTINCT step_s FROM tocsin_ledger.pane") == [(10,)]


def test_a_ledger_without_a_judge_yet_is_left_alone(engine, settings):
    add_panes(engine, 10_000)
    tidy(engine, settings, tables.database_ms(engine))
    assert rows(engine, "SELECT DISTINCT step_s FROM tocsin_ledger.pane") == [(10,)]


def test_within_the_budget_everything_stays_and_nothing_is_told(engine, settings, now_ms):
    add_samples(engine, now_ms // DAY_MS - 3)
    tidy(engine, replace(settings, store_max_bytes=10**9), now_ms)
    assert rows(engine, "SELECT count(*) FROM tocsin_ledger.sample") == [(1000,)]
    assert told(engine) == []


def test_samples_of_past_days_go_first_and_the_oldest_of_them(engine, settings, now_ms):
    today = now_ms // DAY_MS
    for day in (today - 3, today - 2, today):
        add_samples(engine, day)
    add_panes(engine, today - 1)
    most = round((room.stored_bytes(engine) - 1_500_000) / room.ENOUGH)
    most = min(most, room.stored_bytes(engine) - 1)
    tidy(engine, replace(settings, store_max_bytes=most), now_ms)
    left = rows(
        engine,
        "SELECT DISTINCT extract(epoch FROM kept_at)::int / 86400 FROM tocsin_ledger.sample ORDER BY 1",
    )
    assert left == [(today - 2,), (today,)]
    assert rows(engine, "SELECT DISTINCT step_s FROM tocsin_ledger.pane") == [(10,)]
    ((state, summary),) = told(engine)
    assert state == "firing"
    assert str(summary).startswith("The ledger has reached store.max_size")


def test_then_panes_before_today_become_coarser_and_the_incident_ends_with_room_again(
    engine, settings, now_ms
):
    yesterday = now_ms // DAY_MS - 1
    add_panes(engine, yesterday - 1, hours=4)
    before = room.stored_bytes(engine)
    tidy(engine, replace(settings, store_max_bytes=before - 100_000), now_ms)
    assert rows(engine, "SELECT DISTINCT step_s FROM tocsin_ledger.pane") == [(300,)]
    assert rows(engine, "SELECT sum(n) FROM tocsin_ledger.pane") == [(288_000,)]
    assert "(made coarser)" in str(rows(engine, "SELECT facts ->> 'detail' FROM tocsin_ledger.incident"))
    tidy(engine, replace(settings, store_max_bytes=before * 2), now_ms)
    assert [state for state, _ in told(engine)] == ["resolved"]


def test_where_nothing_is_left_to_go_it_says_so(engine, settings, now_ms):
    tidy(engine, replace(settings, store_max_bytes=1), now_ms)
    assert "Nothing is left that may go." in str(
        rows(engine, "SELECT facts ->> 'detail' FROM tocsin_ledger.incident")
    )
