"""The demo reads what it tells from the public views of a real ledger."""

import pytest
from sqlalchemy import insert

from monitor.cli.demo.ledger import DELIVERIES_SQL, INCIDENTS_SQL, Learning, Ledger
from monitor.ledger import counted as tables
from monitor.ledger import decided
from monitor.ledger.moments import moment

AT = 1_763_800_000_123


def test_an_empty_ledger_has_nothing_to_tell(engine):
    ledger = Ledger(engine)
    assert (ledger.incidents(), ledger.learning("chat-eu"), ledger.counted()) == ([], None, (0, 0))


def test_incidents_learning_and_accounts_are_read(engine):
    with engine.begin() as connection:
        connection.execute(
            insert(decided.incident).values(
                incident_id="k3v9q2m7ab",
                rule="slow",
                stream="chat-eu",
                labels={"model": "chat-eu"},
                signal="latency_ms",
                severity="warning",
                state="firing",
                onset_at=moment(AT - 60_000),
                detected_at=moment(AT),
                opened_at=moment(AT + 5_000),
                guaranteed=True,
                summary="chat-eu: p99 latency 6.8 s, was 2.1 s",
                config_hash="h",
                facts={},
            )
        )
        connection.execute(
            insert(tables.stream).values(
                key="chat-eu", labels={}, state="watched", learned=10_000, needed=10_000
            )
        )
        counts = [(0, 70, 1), (1, 30, 0)]
        for partition, counted, skipped in counts:
            connection.execute(
                insert(tables.topic_partition).values(
                    topic_id="t", partition=partition, topic="predictions", counted=counted, skipped=skipped
                )
            )
    ledger = Ledger(engine)
    (incident,) = ledger.incidents()
    assert (incident.incident_id, incident.rule, incident.signal) == ("k3v9q2m7ab", "slow", "latency_ms")
    assert (incident.onset_ms, incident.detected_ms, incident.opened_ms) == (AT - 60_000, AT, AT + 5_000)
    assert ledger.learning("chat-eu") == Learning("watched", 10_000)
    assert ledger.counted() == (100, 1)


@pytest.mark.parametrize("sql", [INCIDENTS_SQL, DELIVERIES_SQL])
def test_the_queries_that_the_demo_shows_can_be_run_as_shown(engine, sql):
    columns, rows = Ledger(engine).answer(sql)
    assert len(columns) >= 5
    assert rows == []
