"""Incidents, their timeline and their messages, row by row."""

import re
import threading
from datetime import timedelta

import pytest
from incident_facts import BASE, GERMAN
from sqlalchemy import func, select

from monitor.ledger.announcements import announce, end_events, open_internal, resolve_internal
from monitor.ledger.decided import delivery, incident, timeline
from monitor.ledger.facts import Facts, facts_of
from monitor.ledger.incidents import (
    Acknowledgement,
    acknowledge,
    escalate,
    expire,
    incident_id,
    incident_row,
    last_resolved_ms,
    open_incident,
    refresh,
    resolve,
)
from monitor.ledger.moments import millis, moment
from monitor.ledger.outbox import Addressee, addressees, delivery_id, enqueue, oldest_pending_s, told

SLACK = Addressee("slack", "slack")
HOOK = Addressee("hook", "webhook")
ID = "k3v9q2m7ab"


def opened(conn, facts=GERMAN, name=ID):
    return open_incident(
        conn, incident_row(facts, incident_id=name, config_hash="c", cause=("version", "v42"))
    )


def row_of(conn, name=ID):
    return conn.execute(select(incident).where(incident.c.incident_id == name)).one()


def steps(conn, name=ID):
    lines = select(timeline.c.what, timeline.c.detail).where(timeline.c.incident_id == name)
    return [tuple(line) for line in conn.execute(lines.order_by(timeline.c.timeline_id))]


def put(conn, event, receiver="slack", key="", name=ID):
    enqueue(
        conn,
        incident_id=name,
        kill_id=None,
        receiver=receiver,
        kind="slack",
        event=event,
        payload={"a": 1},
        delivery_key=key,
    )


def test_rule_7_an_incidents_id_is_a_hash_of_what_it_is_about():
    first = incident_id("prod", "errors", "chat", "error", 1_763_780_000_000)
    assert re.fullmatch("[a-z2-7]{10}", first)
    assert first == incident_id("prod", "errors", "chat", "error", 1_763_780_000_000)
    others = {
        incident_id("prod", "errors", "chat", "error", 1_763_780_010_000),
        incident_id("prod", "errors", "chat", "erro", 1_763_780_000_000),
        incident_id("prod", "error", "schat", "error", 1_763_780_000_000),
        incident_id("prod", "errorsc", "hat", "error", 1_763_780_000_000),
    }
    assert first not in others
    assert len(others) == 4


def test_rule_7_a_deliverys_id_is_a_hash_of_the_incident_and_the_event(ledger):
    assert re.fullmatch("[a-z2-7]{20}", delivery_id(ID, "slack", "opened", ""))
    with ledger.begin() as conn:
        for _ in range(3):
            put(conn, "opened")
        put(conn, "escalated", key="critical")
        put(conn, "opened", receiver="hook")
        rows = conn.execute(select(delivery).order_by(delivery.c.position)).all()
    assert [(r.receiver, r.event, r.lane) for r in rows] == [
        ("slack", "opened", f"incident/slack/{ID}"),
        ("slack", "escalated", f"incident/slack/{ID}"),
        ("hook", "opened", f"incident/hook/{ID}"),
    ]
    assert rows[0].delivery_id == delivery_id(ID, "slack", "opened", "")


def test_a_message_about_nothing_is_refused(ledger):
    with ledger.begin() as conn, pytest.raises(ValueError, match="needs an incident or a kill"):
        put(conn, "opened", name=None)


def test_an_incident_is_stored_with_everything_its_messages_say(ledger):
    with ledger.begin() as conn:
        assert opened(conn) is True
        assert opened(conn) is False
        row = row_of(conn)
        assert steps(conn) == [("opened", "warning: chat-eu: 31% of answers are German, was 2%")]
    assert (row.state, row.severity, row.quantity, row.unit) == ("firing", "warning", "share:de", "share")
    assert (row.cause_field, row.cause_value, row.affected, row.total) == ("version", "v42", 4310, 13900)
    assert millis(row.onset_at) == GERMAN.onset_ms
    assert row.summary == "chat-eu: 31% of answers are German, was 2%"
    assert facts_of(row.facts) == GERMAN


def test_rule_8_names_and_numbers_that_postgres_refuses_are_mended(ledger):
    odd = Facts(
        **BASE | {"stream": "a\0b\ud800", "observed": float("nan"), "labels": {"m\0": "x"}, "traces": ("\0",)}
    )
    with ledger.begin() as conn:
        assert opened(conn, odd)
        announce(conn, ID, "opened", [SLACK])
        assert row_of(conn).observed is None


def test_an_incident_only_ever_escalates(ledger):
    critical = Facts(
        **BASE | {"signal": "error", "severity": "critical", "quantity": "rate", "observed": 0.5}
    )
    with ledger.begin() as conn:
        opened(conn)
        assert escalate(conn, ID, critical) is True
        assert escalate(conn, ID, critical) is False
        assert escalate(conn, ID, GERMAN) is False
        assert row_of(conn).severity == "critical"
        assert refresh(conn, ID, Facts(**BASE | {"severity": "critical", "observed": 0.7})) is True
        assert row_of(conn).observed == 0.7
        assert [what for what, _ in steps(conn)] == ["opened", "escalated"]


@pytest.mark.parametrize(("end", "state"), [(resolve, "resolved"), (expire, "expired")])
def test_an_incident_ends_once(ledger, end, state):
    with ledger.begin() as conn:
        opened(conn)
        assert end(conn, ID, "because") is True
        assert resolve(conn, ID) is False
        assert expire(conn, ID) is False
        assert escalate(conn, ID, Facts(**BASE | {"severity": "critical"})) is False
        assert (row_of(conn).state, row_of(conn).resolved_at is not None) == (state, True)
        assert steps(conn)[1:] == [(state, "because")]


def test_the_end_of_an_incident_can_be_told_by_the_judges_clock(ledger):
    with ledger.begin() as conn:
        opened(conn)
        resolve(conn, ID, at_ms=1_763_780_123_456)
        assert last_resolved_ms(conn, "language", "chat-eu", "output_language") == 1_763_780_123_456
        assert last_resolved_ms(conn, "language", "chat-eu", None) is None


def test_an_incident_is_acknowledged_once_and_its_outcome_may_follow(ledger):
    with ledger.begin() as conn:
        assert acknowledge(conn, ID, "ann") is Acknowledgement.UNKNOWN
        opened(conn)
        assert acknowledge(conn, ID, "ann") is Acknowledgement.DONE
        assert acknowledge(conn, ID, "bob") is Acknowledgement.ALREADY
        resolve(conn, ID)
        assert acknowledge(conn, ID, "bob", "false_alarm") is Acknowledgement.ALREADY
        row = row_of(conn)
    assert (row.acknowledged_by, row.outcome) == ("ann", "false_alarm")


def test_a_message_is_enqueued_with_the_incident_as_it_is_now(ledger):
    with ledger.begin() as conn:
        opened(conn)
        announce(conn, ID, "opened", [SLACK, HOOK])
        acknowledge(conn, ID, "ann")
        assert announce(conn, ID, "acknowledged") == 2
        assert told(conn, ID) == [HOOK, SLACK]
        assert announce(conn, "unknown234", "opened", [SLACK]) == 0
        rows = conn.execute(select(delivery).order_by(delivery.c.position)).all()
    first, last = rows[0].payload, rows[-1].payload
    assert first["acknowledged_by"] is None
    assert last["acknowledged_by"] == "ann"
    assert last["onset_at"] == "2026-11-22T02:51:20.000Z"
    columns = {column.name for column in incident.columns}
    assert first.keys() == columns | {"switch_state"}


def test_an_event_of_an_incident_nobody_was_told_of_goes_to_nobody(ledger):
    with ledger.begin() as conn:
        opened(conn)
        assert announce(conn, ID, "resolved") == 0


def test_an_outbox_knows_its_oldest_message(ledger):
    with ledger.begin() as conn:
        assert oldest_pending_s(conn) == 0
        put(conn, "opened")
        conn.execute(
            delivery.update().values(created_at=func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 5))
        )
        assert 300 <= oldest_pending_s(conn) < 330
        conn.execute(delivery.update().values(state="delivered"))
        assert oldest_pending_s(conn) == 0


def behind(conn, config, at_ms=1_763_780_000_000, key="predictions/0"):
    return open_internal(
        conn, config, rule="tocsin.behind", key=key, summary="behind by 9 min", detail="why", at_ms=at_ms
    )


def test_tocsins_own_incident_opens_once_and_goes_to_the_default_receivers(ledger, config):
    with ledger.begin() as conn:
        first = behind(conn, config)
        assert behind(conn, config, at_ms=1_763_780_900_000) == first
        assert behind(conn, config, key="predictions/1") != first
        row = row_of(conn, first)
        assert (row.rule, row.stream, row.summary) == ("tocsin.behind", "(tocsin)", "behind by 9 min")
        assert told(conn, first) == addressees(config, config.default_notify)


def test_tocsins_own_incident_resolves_and_can_come_again_in_the_same_pane(ledger, config):
    with ledger.begin() as conn:
        seen = set()
        for _ in range(3):
            name = behind(conn, config)
            assert (
                resolve_internal(conn, rule="tocsin.behind", key="predictions/0", detail="caught up") == name
            )
            seen.add(name)
        assert len(seen) == 3
        assert resolve_internal(conn, rule="tocsin.behind", key="predictions/0", detail="x") is None
        events = conn.execute(select(delivery.c.event).order_by(delivery.c.position)).scalars().all()
    assert events == ["opened", "resolved"] * 3


def test_an_incident_of_one_event_ends_by_itself_and_says_so(ledger, config):
    with ledger.begin() as conn:
        first = behind(conn, config)
        assert end_events(conn, ["tocsin.behind"], timedelta(hours=1)) == []
        conn.execute(incident.update().values(opened_at=func.now() - timedelta(hours=2)))
        assert end_events(conn, ["tocsin.other"], timedelta(hours=1)) == []
        assert end_events(conn, ["tocsin.behind"], timedelta(hours=1)) == [first]
        assert row_of(conn, first).state == "resolved"
        events = conn.execute(select(delivery.c.event).order_by(delivery.c.position)).scalars().all()
    assert events == ["opened", "resolved"]


def test_replicas_that_notice_the_same_at_once_open_one_incident(ledger, config):
    together, names = threading.Barrier(4), []

    def notice(number):
        together.wait()
        with ledger.begin() as conn:
            names.append(behind(conn, config, at_ms=1_763_780_000_000 + number * 60_000))

    threads = [threading.Thread(target=notice, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 1


def test_moments_keep_the_millisecond():
    assert millis(moment(1_763_780_123_457)) == 1_763_780_123_457
