"""Rule 13: partitions come and go while everything else goes on."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from sqlalchemy import Connection, Engine, text

from monitor.ledger import partitions, tables
from monitor.ledger.engine import connect, set_local
from monitor.ledger.moments import millis
from monitor.ledger.tables import DAY_MS, HOUR_MS, PANE_1H, drop_old, ensure_pane_days, ensure_partitions

TOPIC = "topic-id"
OLD_DAYS = (10_000, 10_001)
OLD_PANES = ["pane_10s_19970519", "pane_10s_19970520"]


def database_now(ledger: Engine) -> datetime:
    with ledger.connect() as connection:
        return connection.execute(text("SELECT now()")).scalar_one()


def children(ledger: Engine, parent: str) -> dict[str, bool]:
    """Attached partitions, and whether they are being detached."""
    with ledger.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT c.relname, i.inhdetachpending FROM pg_inherits i "
                "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(:parent)"
            ),
            {"parent": f"tocsin_ledger.{parent}"},
        )
        return dict(rows.all())


def add_checkpoint(connection: Connection, seq: int, at: datetime | None = None) -> None:
    connection.execute(
        text(
            "INSERT INTO tocsin_ledger.checkpoint (topic_id, partition, seq, at, from_offset, next_offset, "
            "clock_ms, caught_up, counted, skipped) "
            "VALUES (:topic, 0, :seq, coalesce(:at, now()), 0, 1, 0, true, 1, 0)"
        ),
        {"topic": TOPIC, "seq": seq, "at": at},
    )


def add_pane(connection: Connection, start: datetime, signal: int = 0) -> None:
    connection.execute(
        text("INSERT INTO tocsin_ledger.pane VALUES (1, :signal, 0, :start, :start, 1, NULL, '{0}', '{1}')"),
        {"start": start, "signal": signal},
    )


def consume(ledger: Engine, seq: int) -> None:
    with ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO tocsin_ledger.judge_cursor VALUES (:topic, 0, :seq, 0) "
                "ON CONFLICT (topic_id, partition) DO UPDATE SET seq = excluded.seq"
            ),
            {"topic": TOPIC, "seq": seq},
        )


@contextmanager
def reading(ledger: Engine, parent: str) -> Iterator[None]:
    """Somebody's open transaction that has read the table, as a psql left open or pg_dump."""
    with ledger.connect() as reader:
        set_local(reader, {"idle_in_transaction_session_timeout": "0"})
        reader.execute(text(f"SELECT count(*) FROM tocsin_ledger.{parent}"))
        yield


@pytest.fixture(autouse=True)
def partitions_of_now(ledger: Engine) -> None:
    """Those of a database made in an earlier hour are gone, and those of this hour are there."""
    ensure_partitions(ledger)
    drop_old(ledger)


@pytest.fixture
def hours_ago(ledger: Engine) -> datetime:
    """Five hours ago by the database's clock; there are partitions of that time."""
    now = database_now(ledger)
    ensure_partitions(ledger, millis(now - timedelta(hours=5)))
    return now - timedelta(hours=5)


def test_there_are_partitions_for_now_and_the_next_three_hours(ledger):
    now = database_now(ledger)
    with ledger.begin() as connection:
        for seq, hours in enumerate((0, 1, 2, 3)):
            add_checkpoint(connection, seq, now + timedelta(hours=hours))
        add_pane(connection, now + timedelta(days=1))


def test_a_process_clock_hours_away_from_the_databases_is_provided_for(ledger):
    now = database_now(ledger)
    ensure_partitions(ledger, millis(now + timedelta(hours=40)))
    with ledger.begin() as connection:
        add_checkpoint(connection, 1)
        add_checkpoint(connection, 2, now + timedelta(hours=40))


def test_making_partitions_again_changes_nothing(ledger):
    ensure_pane_days(ledger, OLD_DAYS)
    before = children(ledger, "pane_10s"), children(ledger, "checkpoint")
    ensure_pane_days(ledger, OLD_DAYS)
    ensure_partitions(ledger)
    assert (children(ledger, "pane_10s"), children(ledger, "checkpoint")) == before


def test_a_partition_has_the_keys_and_indexes_of_its_parent(ledger):
    ensure_pane_days(ledger, OLD_DAYS[:1])
    with ledger.connect() as connection:
        indexes = connection.execute(
            text(
                "SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid "
                "WHERE i.indrelid = to_regclass('tocsin_ledger.pane_10s_19970519')"
            )
        ).scalar_one()
    assert indexes == 2


def test_replicas_that_make_the_same_days_at_once_all_succeed(ledger_url, ledger):
    engines = [connect(ledger_url) for _ in range(4)]
    days = range(12_000, 12_015)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda engine: ensure_pane_days(engine, days), engines))
    made = {
        name
        for name, pending in children(ledger, "pane_10s").items()
        if name < "pane_10s_2010" and not pending
    }
    assert len(made) == len(days)
    for engine in engines:
        engine.dispose()


def test_rule_13_inserts_do_not_wait_while_partitions_are_made_and_removed_under_an_open_select(ledger):
    ensure_pane_days(ledger, OLD_DAYS)
    now, stop = database_now(ledger), Event()

    def insert() -> list[float]:
        took = []
        while not stop.is_set():
            began = time.monotonic()
            with ledger.begin() as connection:
                add_pane(connection, now, signal=len(took))
            took.append(time.monotonic() - began)
            stop.wait(0.02)
        return took

    with reading(ledger, "pane_10s"), ThreadPoolExecutor(1) as pool:
        inserting = pool.submit(insert)
        try:
            began = time.monotonic()
            ensure_pane_days(ledger, (9_000, 9_001))
            ensure_partitions(ledger, millis(now + timedelta(days=9)))
            assert time.monotonic() - began < 5
            with ledger.begin() as connection:
                add_pane(connection, datetime(1994, 8, 23, 12, tzinfo=UTC))
            assert drop_old(ledger) == []
            assert sum(children(ledger, "pane_10s").values()) == 1
        finally:
            stop.set()
        took = inserting.result()
    assert len(took) > 20
    assert max(took) < 1

    assert set(drop_old(ledger)) == {"pane_10s_19940824", *OLD_PANES}


def test_a_partition_that_a_crash_left_half_detached_is_finished(ledger):
    ensure_pane_days(ledger, OLD_DAYS)
    with reading(ledger, "pane_10s"):
        assert drop_old(ledger) == []
        assert drop_old(ledger) == []
    assert children(ledger, "pane_10s")["pane_10s_19970519"] is True
    assert drop_old(ledger) == OLD_PANES
    assert set(OLD_PANES) & set(children(ledger, "pane_10s")) == set()


def test_a_day_that_is_needed_again_while_half_detached_is_made_again(ledger):
    ensure_pane_days(ledger, OLD_DAYS[:1])
    with reading(ledger, "pane_10s"):
        assert drop_old(ledger) == []
    ensure_pane_days(ledger, OLD_DAYS[:1])
    assert children(ledger, "pane_10s")["pane_10s_19970519"] is False
    with ledger.begin() as connection:
        add_pane(connection, datetime(1997, 5, 19, tzinfo=UTC))


def test_a_table_that_a_crash_left_detached_is_dropped(ledger):
    ensure_pane_days(ledger, OLD_DAYS)
    with ledger.begin() as connection:
        connection.execute(
            text("ALTER TABLE tocsin_ledger.pane_10s DETACH PARTITION tocsin_ledger.pane_10s_19970520")
        )
    assert drop_old(ledger) == OLD_PANES
    with ledger.connect() as connection:
        assert (
            connection.execute(text("SELECT to_regclass('tocsin_ledger.pane_10s_19970520')")).scalar_one()
            is None
        )


def test_a_checkpoint_is_kept_until_the_judge_has_consumed_it(ledger, hours_ago):
    table = f"checkpoint_{hours_ago:%Y%m%d%H}"
    with ledger.begin() as connection:
        add_checkpoint(connection, 1, hours_ago)
        add_checkpoint(connection, 2, hours_ago)
    assert table not in drop_old(ledger)
    consume(ledger, 1)
    assert table not in drop_old(ledger)
    consume(ledger, 2)
    assert table in drop_old(ledger)


def test_a_checkpoint_that_came_while_its_partition_was_detached_is_not_lost(ledger, hours_ago):
    """As if drop_old had been killed between detaching and dropping."""
    table = f"checkpoint_{hours_ago:%Y%m%d%H}"
    with ledger.begin() as connection:
        add_checkpoint(connection, 7, hours_ago)
        connection.execute(
            text(f"ALTER TABLE tocsin_ledger.checkpoint DETACH PARTITION tocsin_ledger.{table}")
        )
    drop_old(ledger)
    assert table in children(ledger, "checkpoint")
    with ledger.connect() as connection:
        assert connection.execute(text("SELECT seq FROM tocsin_ledger.checkpoint")).scalars().all() == [7]


def test_consumed_checkpoints_of_the_last_hour_are_kept(ledger):
    with ledger.begin() as connection:
        add_checkpoint(connection, 1)
    consume(ledger, 1)
    drop_old(ledger)
    with ledger.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tocsin_ledger.checkpoint")).scalar_one() == 1


def test_hours_are_kept_as_long_as_asked_and_by_the_slower_clock(ledger):
    now = database_now(ledger)
    month = millis(now) // PANE_1H.span_ms - 4
    partitions.ensure(ledger, PANE_1H, [month])
    slow = millis(now - timedelta(days=60))
    assert drop_old(ledger) == []
    assert drop_old(ledger, slow, keep_panes=timedelta(days=60)) == []
    far = millis(now) + 900 * DAY_MS
    assert drop_old(ledger, far, keep_panes=timedelta(days=60)) == [PANE_1H.child(month)]


def test_panes_that_were_not_made_coarser_yet_stay_however_old(ledger):
    ensure_pane_days(ledger, OLD_DAYS)
    with ledger.begin() as connection:
        add_pane(connection, datetime(1997, 5, 19, 12, tzinfo=UTC))
    assert drop_old(ledger) == OLD_PANES[1:]


def test_only_one_replica_removes_at_a_time(ledger_url, ledger):
    ensure_pane_days(ledger, range(10_000, 10_008))
    engines = [connect(ledger_url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        dropped = [name for names in pool.map(drop_old, engines) for name in names]
    assert len(dropped) == len(set(dropped)) == 8
    with ledger.begin() as connection:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({tables.DROP_LOCK})"))
        ensure_pane_days(engines[0], OLD_DAYS)
        assert drop_old(engines[0]) == []
    assert drop_old(engines[0]) == OLD_PANES
    for engine in engines:
        engine.dispose()


def test_a_partition_holds_exactly_its_hour(ledger, hours_ago):
    start = hours_ago.replace(minute=0, second=0, microsecond=0)
    assert millis(start) % HOUR_MS == 0
    with ledger.begin() as connection:
        add_checkpoint(connection, 1, start)
        add_checkpoint(connection, 2, start + timedelta(hours=1, microseconds=-1))
        add_checkpoint(connection, 3, start + timedelta(hours=1))
        found = connection.execute(
            text(f"SELECT seq FROM tocsin_ledger.checkpoint_{start:%Y%m%d%H} ORDER BY seq")
        )
        assert found.scalars().all() == [1, 2]
