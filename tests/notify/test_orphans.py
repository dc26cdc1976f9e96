"""Rule 7: what receivers were told of, and a ledger that was set back does not know, is ended for them."""

import pytest
from notify_flow import ID, all_done, notifying, open_to, rows, texts, until
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from monitor.ledger.counted import judge_cursor
from monitor.ledger.decided import delivery, incident, timeline
from monitor.notify import orphans

FAR_MS = 4_000_000_000_000


@pytest.fixture(autouse=True)
def often(monkeypatch, ledger):
    monkeypatch.setattr("monitor.notify.worker.LOST_EVERY_S", 0.05)
    yield
    with ledger.begin() as conn:
        conn.execute(delete(judge_cursor))


def told_and_lost(ledger, config):
    """Told of an incident, then set back to before it: True once that is so."""
    with ledger.begin() as conn:
        open_to(conn, config, "slack")
    until(lambda: all_done(ledger))
    with ledger.begin() as conn:
        for table in (delivery, timeline, incident):
            conn.execute(delete(table))


def judged_up_to(ledger, ms):
    row = {"topic_id": "t", "partition": 0, "seq": 1, "judged_offset": 1, "watermark_ms": ms}
    with ledger.begin() as conn:
        moved = insert(judge_cursor).values(row)
        conn.execute(moved.on_conflict_do_update(index_elements=["topic_id", "partition"], set_=row))


def test_a_lost_incident_is_ended_when_the_judge_has_passed_it_without_finding_it(ledger, config, party):
    with notifying(ledger, config):
        told_and_lost(ledger, config)
        judged_up_to(ledger, FAR_MS)
        party.wait_for(2, "/slack")
        until(lambda: all_done(ledger))
    assert [row.event for row in rows(ledger)] == ["resolved"]
    assert [text.split()[0] for text in texts(party)] == ["chat-eu:", "CLOSED"]
    with ledger.begin() as conn:
        (row,) = conn.execute(select(incident.c.incident_id, incident.c.state)).all()
    assert tuple(row) == (ID, "expired")


def test_one_that_the_judge_finds_again_goes_on(ledger, config, party):
    with notifying(ledger, config) as notifier:
        told_and_lost(ledger, config)
        with ledger.begin() as conn:
            open_to(conn, config)
        judged_up_to(ledger, FAR_MS)
        with ledger.begin() as conn:
            assert notifier._announced.end_lost(conn) == []
    assert rows(ledger) == []


def test_nothing_is_ended_before_the_judge_has_come_there_again(ledger, config, party):
    with notifying(ledger, config) as notifier:
        told_and_lost(ledger, config)
        judged_up_to(ledger, orphans.LATER_MS)
        with ledger.begin() as conn:
            assert notifier._announced.end_lost(conn) == []
    assert rows(ledger) == []


def test_what_has_ended_is_forgotten(ledger, config, party):
    with notifying(ledger, config) as notifier:
        told_and_lost(ledger, config)
        judged_up_to(ledger, FAR_MS)
        until(lambda: all_done(ledger))
        until(lambda: notifier._announced._told == {})
