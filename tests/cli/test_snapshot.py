"""What `/metrics` and the sign of life are gathered from."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import insert

from monitor import config
from monitor.cli.snapshot import Snapshot
from monitor.ingest.service import Ingest
from monitor.ledger.counted import judge_cursor, topic_partition
from monitor.ledger.engine import connect
from monitor.ledger.moments import moment

ALERTS = """
name: test
source: {bootstrap_servers: "localhost:9092", topic: predictions}
store: {url: "postgresql://localhost/none"}
rules: [{name: errors, signal: error, above: 10%}]
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
"""


@pytest.fixture
def snapshot(engine: Engine, tmp_path: Path) -> Snapshot:
    path = tmp_path / "alerts.yaml"
    path.write_text(ALERTS)
    return made_of(path, engine)


def made_of(path: Path, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> Snapshot:
    settings = config.load(path, environ={})
    ingest = Ingest(
        settings,
        engine,
        clock=lambda: 0,
        instance=None,
        accept_new_topic=False,
        on_checkpoint=lambda: None,
    )
    made = Snapshot(settings, engine, ingest, monotonic)
    made.ledger_ready()
    return made


def test_a_schema_registry_that_was_asked_is_told_of_by_itself(snapshot: Snapshot, tmp_path: Path) -> None:
    assert "schema_registry" not in snapshot.status().ready
    [consumer] = snapshot._ingest._consumers
    consumer.board.registry("https://a", None)
    assert snapshot.status().ready["schema_registry"] is None
    consumer.board.registry("https://b", "The schema registry at https://b does not answer: refused")
    assert (
        snapshot.status().ready["schema_registry"]
        == "The schema registry at https://b does not answer: refused"
    )


def test_a_postgres_that_hangs_makes_nobody_wait(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(ALERTS)
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(20) as probes:
        engine = connect(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d")
        snapshot = made_of(path, engine)
        began = time.monotonic()
        asked = [probes.submit(snapshot.status) for _ in range(20)]
        snapshot.delivered("desk", "delivered")
        assert time.monotonic() - began < 0.9
        assert [probe.result().incidents for probe in asked] == [{}] * 20
        assert time.monotonic() - began < 3
        engine.dispose()


def reached_by_ingest(snapshot: Snapshot) -> None:
    [consumer] = snapshot._ingest._consumers
    consumer.board.postgres(None)


def test_a_postgres_that_hangs_for_five_seconds_is_not_ready(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(ALERTS)
    now = [100.0]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = connect(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d")
        snapshot = made_of(path, engine, lambda: now[0])
        reached_by_ingest(snapshot)
        assert snapshot.status().ready["postgres"] is None
        now[0] += 5
        assert snapshot.status().ready["postgres"] == "Postgres does not answer"
        engine.dispose()


def test_a_postgres_that_answers_again_is_ready(snapshot: Snapshot) -> None:
    reached_by_ingest(snapshot)
    snapshot._unread_since = 0.0
    assert snapshot.status().ready["postgres"] is None


def reached(engine: Engine, topic_id: str, age_s: int, topic: str = "predictions") -> None:
    """A partition of one life of the topic, listed and judged up to `age_s` ago."""
    at_ms = time.time_ns() // 1_000_000 - age_s * 1_000
    with engine.begin() as conn:
        partition = {"topic_id": topic_id, "partition": 0}
        conn.execute(insert(topic_partition).values(**partition, topic=topic, listed_at=moment(at_ms)))
        conn.execute(insert(judge_cursor).values(**partition, seq=1, judged_offset=1, watermark_ms=at_ms))


def test_the_watermark_is_as_old_as_that_of_the_judge(engine: Engine, snapshot: Snapshot) -> None:
    reached(engine, "00000000-0000-0000-0000-000000000001", age_s=400)
    age_s = snapshot.status().watermark_age_s
    assert age_s is not None
    assert 400 <= age_s < 430


def test_a_topic_that_was_made_anew_does_not_wait_for_its_earlier_life(
    engine: Engine, snapshot: Snapshot
) -> None:
    reached(engine, "00000000-0000-0000-0000-000000000001", age_s=90_000)
    reached(engine, "00000000-0000-0000-0000-000000000002", age_s=5)
    age_s = snapshot.status().watermark_age_s
    assert age_s is not None
    assert age_s < 60


def test_topics_of_labels_and_those_that_are_read_no_more_make_no_watermark_old(
    engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "alerts.yaml"
    labels = "{bootstrap_servers: k, topic: labels, type: label}"
    predictions = '{bootstrap_servers: "localhost:9092", topic: predictions}'
    path.write_text(ALERTS.replace(predictions, f"[{predictions}, {labels}]") + "labels: {join: 2h}\n")
    made = made_of(path, engine)
    reached(engine, "00000000-0000-0000-0000-000000000001", age_s=5)
    reached(engine, "00000000-0000-0000-0000-000000000002", age_s=90_000, topic="labels")
    reached(engine, "00000000-0000-0000-0000-000000000003", age_s=90_000, topic="of-last-year")
    age_s = made.status().watermark_age_s
    assert age_s is not None
    assert age_s < 60
