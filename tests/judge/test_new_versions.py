"""A version that a stream had not shown before goes to PagerDuty as a change, once, and only while it is news."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, insert, select

from monitor import config
from monitor.config.model import Config
from monitor.judge import new_versions, pane_rows
from monitor.ledger.counted import slice_, stream
from monitor.ledger.decided import delivery
from monitor.ledger.engine import connect
from monitor.records.delta import Versions

NOW = 1_763_780_000_000
ALERTS = """
name: prod
source: {bootstrap_servers: k, topic: predictions}
store: {url: "postgresql://u@localhost/d"}
rules:
  - {name: errors, signal: error, above: 2x, match: {model: chat-*}, notify: [pager, quiet, slack]}
  - {name: search, signal: error, above: 2x, match: {model: search}, notify: [other]}
receivers:
  pager: {pagerduty: {routing_key: 0123456789abcdef0123456789abcdef}}
  quiet: {pagerduty: {routing_key: 0123456789abcdef0123456789abcdef, change_events: false}}
  other: {pagerduty: {routing_key: 0123456789abcdef0123456789abcdef}}
  slack: {slack: {url: "https://slack.example/x"}}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    path = tmp_path / "alerts.yaml"
    path.write_text(ALERTS)
    return config.load(path, environ={})


@pytest.fixture
def conn(ledger_url: str) -> Iterator[Connection]:
    engine: Engine = connect(ledger_url)
    with engine.begin() as conn:
        conn.execute(insert(stream).values(stream_id=1, key="chat-eu", labels={"model": "chat-eu"}))
        for number, version in enumerate(("v41", "v42", "(none)"), start=1):
            conn.execute(insert(slice_).values(slice_id=number, stream_id=1, field="version", value=version))
        yield conn
    engine.dispose()


def seen(conn: Connection, settings: Config, slice_id: int, at_ms: int = NOW) -> None:
    columns = (np.array([value], np.int64) for value in (1, slice_id, at_ms, at_ms, 5))
    versions = Versions(*columns)
    new_versions.announce(conn, settings, versions, NOW)
    pane_rows.write_versions(conn, versions)


def told(conn: Connection) -> list[tuple[str, str, str]]:
    rows = conn.execute(select(delivery).order_by(delivery.c.position))
    return [(row.receiver, row.event, row.payload["version"]) for row in rows]


def test_the_first_version_of_a_stream_is_no_change(conn: Connection, settings: Config) -> None:
    seen(conn, settings, 1)
    assert told(conn) == []


def test_the_next_one_is_told_once_to_those_whose_rules_watch_the_stream(
    conn: Connection, settings: Config
) -> None:
    for slice_id in (1, 2, 2, 1):
        seen(conn, settings, slice_id)
    assert told(conn) == [("pager", "changed", "v42")]
    (payload,) = conn.execute(select(delivery.c.payload)).scalars()
    assert (payload["stream"], payload["at"]) == ("chat-eu", "2025-11-22T02:53:20.000Z")


def test_records_without_a_version_and_old_news_are_no_change(conn: Connection, settings: Config) -> None:
    seen(conn, settings, 1)
    seen(conn, settings, 3)
    seen(conn, settings, 2, NOW - settings.fresh_ms - 1)
    assert told(conn) == []
