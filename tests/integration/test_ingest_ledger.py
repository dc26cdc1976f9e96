"""Ingest and a ledger that is slow, away, another's, older, or refuses what it is given."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from ingest_bench import Bench, bench_of, clock_ms, record, records, until
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from monitor.errors import CheckpointRefused, OwnershipLost
from monitor.ingest import progress
from monitor.ingest.checkpoint import Checkpoint, store
from monitor.ledger.migrate import upgrade
from monitor.local.kafka import KafkaServer
from monitor.local.postgres import PostgresServer, local_postgres
from monitor.records.aggregate import PartitionAggregator
from monitor.records.decode import RawBatch
from monitor.records.delta import Delta, Intake, SkippedRange

Topic = Callable[..., str]


@pytest.fixture
def bench(kafka: KafkaServer, ledger_url: str, tmp_path: Path) -> Iterator[Bench]:
    with bench_of(kafka.bootstrap_servers, ledger_url, tmp_path) as made:
        yield made


def checkpoint(owner: object, first: int, until_: int, **changes: object) -> Checkpoint:
    intake = Intake(first, until_, 0, None, None, Delta())
    values: dict[str, object] = {
        "topic": "t",
        "topic_id": "id",
        "partition": 0,
        "owner": owner,
        "intake": intake,
        "max_event_ms": None,
        "max_kafka_ms": None,
        "last_record_ms": None,
        "end_offset": until_,
        "caught_up": True,
        "clock_ms": clock_ms(),
    }
    return Checkpoint(**(values | changes))  # type: ignore[arg-type]


def owned(bench: Bench) -> object:
    """A partition that is listed from offset 0 and owned by the caller."""
    progress.enlist(bench.engine, "t", "id", {0: 0})
    owner = uuid4()
    assert progress.acquire(bench.engine, ("id", 0), owner, time.monotonic()) is not None
    return owner


def same(intake: Intake) -> Intake:
    return intake


def test_rule_13_a_checkpoint_table_that_is_missing_is_made_and_the_checkpoint_stored_again(
    bench: Bench,
) -> None:
    owner = owned(bench)
    with bench.engine.begin() as connection:
        parent = "'tocsin_ledger.checkpoint'::regclass"
        names = text(f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = {parent}")
        for name in connection.execute(names).scalars().all():
            connection.execute(text(f"DROP TABLE {name}"))
    first = checkpoint(owner, 0, 10)
    with pytest.raises(IntegrityError):
        store(bench.engine, first, same)
    store(bench.engine, first, same)
    assert bench.one("SELECT count(*) FROM tocsin_ledger.checkpoint") == 1


def test_a_checkpoint_moves_the_offset_and_numbers_without_a_gap(bench: Bench) -> None:
    owner = owned(bench)
    for first in (0, 10, 20):
        store(bench.engine, checkpoint(owner, first, first + 10), same)
    assert bench.rows("SELECT next_offset, seq FROM tocsin_ledger.topic_partition") == [(30, 3)]
    bench.check_chain()


def test_a_checkpoint_from_another_offset_than_the_ledgers_changes_nothing(bench: Bench) -> None:
    owner = owned(bench)
    with pytest.raises(OwnershipLost, match="another process owns the partition"):
        store(bench.engine, checkpoint(owner, 5, 10), same)
    assert bench.rows("SELECT next_offset, seq FROM tocsin_ledger.topic_partition") == [(0, 0)]
    assert bench.rows("SELECT 1 FROM tocsin_ledger.checkpoint") == []


def test_a_checkpoint_never_moves_the_offset_back(bench: Bench) -> None:
    owner = owned(bench)
    store(bench.engine, checkpoint(owner, 0, 10), same)
    with pytest.raises(OwnershipLost, match="stands before what the ledger has"):
        store(bench.engine, checkpoint(owner, 10, 0), same)
    assert bench.rows("SELECT next_offset, seq FROM tocsin_ledger.topic_partition") == [(10, 1)]


def test_rule_9_a_zombies_checkpoint_loses_whatever_its_timing(bench: Bench) -> None:
    zombie = owned(bench)
    progress.acquire(bench.engine, ("id", 0), uuid4(), time.monotonic())
    with pytest.raises(OwnershipLost):
        store(bench.engine, checkpoint(zombie, 0, 10), same)


def test_a_checkpoint_whose_commit_was_not_answered_can_be_stored_again(bench: Bench) -> None:
    owner = owned(bench)
    skipped = (SkippedRange(0, 9, 10, "not_json", "", clock_ms()),)
    twice = checkpoint(owner, 0, 10, intake=Intake(0, 10, 0, None, None, Delta(), skipped))
    store(bench.engine, twice, same)
    store(bench.engine, twice, same)
    assert bench.rows("SELECT next_offset, seq, skipped FROM tocsin_ledger.topic_partition") == [(10, 1, 10)]
    assert bench.skipped() == [(0, 0, 9, "not_json")]


def test_rule_9_nobody_takes_a_partition_long_after_the_heartbeat(bench: Bench) -> None:
    owner = owned(bench)
    long_ago = time.monotonic() - 3.0
    assert progress.acquire(bench.engine, ("id", 0), uuid4(), long_ago) is None
    assert bench.one("SELECT owner FROM tocsin_ledger.topic_partition") == owner


def test_rule_8_what_postgres_will_never_take_is_refused_and_nothing_is_stored(bench: Bench) -> None:
    owner = owned(bench)
    skipped = (SkippedRange(0, 9, 10, "a\0b", "", clock_ms()),)
    with pytest.raises(CheckpointRefused, match=r"t\[0\] offsets 0 to 9"):
        store(
            bench.engine,
            checkpoint(owner, 0, 10, intake=Intake(0, 10, 0, None, None, Delta(), skipped)),
            same,
        )
    assert bench.rows("SELECT next_offset, seq FROM tocsin_ledger.topic_partition") == [(0, 0)]


def test_the_start_of_a_partition_is_decided_once(bench: Bench) -> None:
    progress.enlist(bench.engine, "t", "id", {0: 5})
    progress.enlist(bench.engine, "t", "id", {0: 70, 1: 80})
    assert progress.known(bench.engine, "t") == {("id", 0): 5, ("id", 1): 80}


def test_rule_3_an_idle_partition_says_every_second_that_it_is(bench: Bench, topic: Topic) -> None:
    name = topic()
    bench.produce(name, records(10))
    empty = "SELECT count(*) FROM tocsin_ledger.checkpoint WHERE from_offset = next_offset AND caught_up"
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 10)
        until(lambda: bench.one(empty) >= 3, 8)
    clocks = [clock for (clock,) in bench.rows("SELECT clock_ms FROM tocsin_ledger.checkpoint ORDER BY seq")]
    assert max(b - a for a, b in pairwise(clocks)) < 2_500
    assert bench.one("SELECT count(DISTINCT last_record_ms) FROM tocsin_ledger.checkpoint") == 1
    bench.check_chain()


def test_rule_9_whoever_loses_a_partition_but_is_still_assigned_takes_it_back(
    bench: Bench, topic: Topic
) -> None:
    name = topic()
    bench.produce(name, records(100))
    with bench.ingesting(name) as ingest:
        until(lambda: bench.accounted() == 100)
        thief = uuid4()
        bench.run("UPDATE tocsin_ledger.topic_partition SET owner = :thief", thief=thief)
        bench.produce(name, records(100))
        until(lambda: bench.accounted() == 200)
        assert bench.one("SELECT owner FROM tocsin_ledger.topic_partition") != thief
        assert ingest.failure() is None
    bench.check_chain()


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.counted > 0 AND EXISTS (
        SELECT 1 FROM unnest(ARRAY[:poison]) AS poison
        WHERE poison >= NEW.from_offset AND poison < NEW.next_offset
    ) THEN
        RAISE EXCEPTION 'will not have it' USING ERRCODE = '22P05';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON tocsin_ledger.checkpoint FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def test_rule_8_a_checkpoint_that_the_database_refuses_is_bisected_down_to_the_record(
    bench: Bench, topic: Topic
) -> None:
    name = topic()
    bench.run(REFUSE.replace(":poison", "77, 78, 250"))
    bench.produce(name, records(300))
    with bench.ingesting(name) as ingest:
        until(lambda: bench.accounted() == 300)
        bench.produce(name, records(100))
        until(lambda: bench.accounted() == 400)
        assert ingest.failure() is None
    assert bench.totals() == (397, 3)
    assert bench.skipped() == [(0, 77, 78, "refused"), (0, 250, 250, "refused")]
    bench.check_chain()


def test_rule_8_a_record_that_measuring_fails_on_is_found_and_the_others_count(
    bench: Bench, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = PartitionAggregator.add

    def fragile(self: PartitionAggregator, batch: RawBatch, clock: int) -> None:
        if any(value is not None and b'"poison"' in value for value in batch.values):
            raise KeyError("poison")
        add(self, batch, clock)

    monkeypatch.setattr(PartitionAggregator, "add", fragile)
    name = topic()
    bench.produce(name, [*records(300), record(300, id="poison"), *records(200)])
    with bench.ingesting(name) as ingest:
        until(lambda: bench.accounted() == 501)
        assert ingest.failure() is None
    assert bench.skipped() == [(0, 300, 300, "refused")]
    bench.check_chain()


def test_when_measuring_fails_on_every_record_ingest_stops_rather_than_lose_them(
    bench: Bench, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(PartitionAggregator, "add", broken)
    name = topic()
    bench.produce(name, records(100))
    with bench.ingesting(name) as ingest:
        failure = until(ingest.failure)
    assert "a mistake of ours" in str(failure)
    assert bench.accounted() <= 2


def test_rule_7_a_ledger_that_went_back_is_one_incident_and_records_are_counted_again(
    bench: Bench, topic: Topic
) -> None:
    name = topic(partitions=2)
    for partition in (0, 1):
        bench.produce(name, records(100), partition)
    with bench.ingesting(name):
        until(lambda: bench.accounted() == 200)
        # What restoring a copy of the database does to the row.
        bench.run(
            "UPDATE tocsin_ledger.topic_partition"
            " SET owner = NULL, next_offset = 40, counted = 40, seq = seq + 1000"
        )
        until(lambda: bench.accounted() == 200)
    incidents = bench.rows("SELECT rule, state, summary FROM tocsin.incidents")
    assert incidents == [("tocsin.ledger_went_back", "firing", "The ledger went back to an older copy")]


def test_while_postgres_is_away_memory_is_bounded_and_then_everything_is_counted(
    kafka: KafkaServer, topic: Topic, tmp_path: Path
) -> None:
    name = topic(partitions=2)
    with local_postgres(settings={"fsync": "off"}) as postgres:
        url = postgres.create_database("ledger")
        upgrade(url)
        with bench_of(kafka.bootstrap_servers, url, tmp_path) as bench:
            bench.produce(name, records(100))
            with bench.ingesting(name, memory_bytes=20_000) as ingest:
                until(lambda: bench.accounted() == 100)
                postgres.stop()
                for partition in (0, 1):
                    bench.produce(name, distinct(20_000), partition)
                until(lambda: ingest.status().paused)
                until(lambda: not ingest.status().postgres.ok)
                assert "Postgres at" in ingest.status().postgres.why
                assert 20_000 < ingest.status().held_bytes < 20_000_000
                assert ingest.failure() is None
                postgres.restart()
                until(lambda: back(bench, 40_100), 40)
                until(lambda: ingest.status().ready)
            assert bench.totals() == (40_100, 0)
            bench.check_chain()


def distinct(n: int) -> list[bytes]:
    """Records that fill memory, as no two are of the same pane."""
    now_s = clock_ms() / 1000
    return [record(i, ts=now_s - 86_400 + 4 * i) for i in range(n)]


def back(bench: Bench, n: int) -> bool:
    try:
        return bench.accounted() == n
    except Exception:
        bench.engine.dispose()
        return False


def test_postgres_not_there_at_start_is_waited_for(
    kafka: KafkaServer, postgres: PostgresServer, topic: Topic, tmp_path: Path
) -> None:
    """The database is made only after ingest has been trying for a while."""
    name = topic()
    url = postgres.create_database("template_for_late")
    upgrade(url)
    late = url.replace("template_for_late", "late")
    with bench_of(kafka.bootstrap_servers, late, tmp_path) as bench:
        bench.produce(name, records(100))
        with bench.ingesting(name) as ingest:
            until(lambda: 'database "late" does not exist' in ingest.status().postgres.why)
            postgres.create_database("late", template="template_for_late")
            until(lambda: back(bench, 100))
            assert ingest.status().ready
    postgres.drop_database("late")
    postgres.drop_database("template_for_late")


def stored_bytes(bench: Bench) -> int:
    """What checkpoints and skipped ranges take on disk, with their indexes."""
    return bench.one(
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'tocsin_ledger'::regnamespace AND relname ~ '^(checkpoint|skipped_range)'"
    )


def skipping(bench: Bench, owner: object, n: int, ranges: list[tuple[int, int]], at_ms: int) -> None:
    """A checkpoint of `n` records, of which those of `ranges` are no JSON."""
    first = ranges[0][0] // n * n
    skipped = tuple(SkippedRange(a, b, b - a + 1, "not_json", f"line {a}", at_ms) for a, b in ranges)
    counted = n - sum(r.count for r in skipped)
    intake = Intake(first, first + n, counted, None, None, Delta(), skipped=skipped)
    store(bench.engine, checkpoint(owner, first, first + n, intake=intake, clock_ms=at_ms), same)


def test_rule_15_ten_million_records_in_a_row_that_are_none_take_less_than_ten_megabytes(
    bench: Bench,
) -> None:
    owner, start_ms = owned(bench), clock_ms()
    for i in range(200):
        skipping(bench, owner, 50_000, [(i * 50_000, (i + 1) * 50_000 - 1)], start_ms + i * 5_000)
    assert bench.totals() == (0, 10_000_000)
    assert bench.one("SELECT sum(n)::int FROM tocsin_ledger.skipped_range") == 10_000_000
    assert stored_bytes(bench) < 1_000_000


def test_rule_15_every_second_record_that_is_none_takes_a_bit_and_each_can_still_be_named(
    bench: Bench,
) -> None:
    owner, start_ms = owned(bench), clock_ms()
    empty = stored_bytes(bench)
    for i in range(20):
        first = i * 5_000
        every_second = [(o, o) for o in range(first + i % 2, first + 5_000, 2)]
        skipping(bench, owner, 5_000, every_second, start_ms + i * 500)
    assert bench.totals() == (50_000, 50_000)
    named = bench.rows("SELECT kafka_offset FROM tocsin.skipped_records ORDER BY 1")
    assert [o for (o,) in named] == [
        o for i in range(20) for o in range(i * 5_000 + i % 2, (i + 1) * 5_000, 2)
    ]
    assert stored_bytes(bench) - empty < 100_000
