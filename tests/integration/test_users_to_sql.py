"""Users from their records to SQL and to the message of an outage: counted, never stored by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sql_log import Log

from monitor.ledger.facts import facts_of
from monitor.notify.story import story

ALERTS = """
reference: {learn: 1000, at_least: 0s}
defaults: {min_n: 20}
rules:
  - {name: errors, signal: error, above: 2x}
"""


@pytest.fixture
def log(ledger_url: str, tmp_path: Path) -> Iterator[Log]:
    made = Log(ledger_url, tmp_path, ALERTS)
    yield made
    made.engine.dispose()


def requests(log: Log, first: int, last: int, *, users: int, failing: int) -> list[dict[str, Any]]:
    """Panes of 25 requests each, by users in turn; of these some fail."""
    return [
        {
            "ts": log.start_ms - 4_000_000 + 10_000 * pane + 100 * i,
            "user": f"user-{(25 * pane + i) % users}",
            "status": "error" if i < failing else "ok",
        }
        for pane in range(first, last)
        for i in range(25)
    ]


def test_an_outage_says_how_many_users_it_met(log: Log) -> None:
    log.judge(*requests(log, 0, 200, users=400, failing=0))
    log.judge(*requests(log, 200, 400, users=40, failing=24))
    [(facts,)] = log.read("SELECT facts FROM tocsin_ledger.incident WHERE rule = 'errors'")
    told = facts_of(facts)
    assert (told.users, told.users_exact) == (40, True)
    assert story(told).endswith(" requests, 40 users.")
    [(users, failed)] = log.read(
        "SELECT users, failed_users FROM tocsin.distinct_users('chat', now() - interval '1 day', now())"
    )
    assert users == pytest.approx(400, rel=0.25)
    assert failed == 40
    assert log.read("SELECT max(users), max(failed_users) FROM tocsin.users") == [(25, 24)]


def test_a_log_without_users_has_no_rows_of_them(log: Log) -> None:
    log.judge({"status": "error"}, {"status": "ok"})
    assert log.read("SELECT * FROM tocsin.users") == []
    assert log.read(
        "SELECT users, failed_users FROM tocsin.distinct_users('chat', now() - interval '1 day', now())"
    ) == [(0, 0)]
