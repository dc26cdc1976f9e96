"""The notifier at work: real outbox, real receivers that misbehave, nothing lost and nothing out of order."""

import threading
import time

import pytest
from incident_facts import BASE
from notify_flow import HASTY, ID, PATIENT, all_done, notifying, open_to, rows, steps, texts, until
from notify_parties import SECRET, Answer, fine
from sqlalchemy import select, update
from standardwebhooks import Webhook as Verifier

from monitor.killswitch.switches import trip
from monitor.ledger.announcements import announce
from monitor.ledger.decided import delivery, incident
from monitor.ledger.facts import Facts
from monitor.ledger.incidents import acknowledge, escalate, resolve
from monitor.ledger.outbox import Addressee, enqueue
from monitor.notify.worker import Notifier


def test_an_incident_reaches_every_receiver_and_the_ledger_says_so(ledger, config, party):
    seen = []
    with ledger.begin() as conn:
        open_to(conn, config, "slack", "hook", "pager")
    with notifying(ledger, config, observe=lambda *result: seen.append(result)):
        done = until(lambda: all_done(ledger))
    assert {row.state for row in done} == {"delivered"}
    assert {(row.receiver, row.response.split()[1]) for row in done} == {
        ("slack", "200"),
        ("hook", "204"),
        ("pager", "202"),
    }
    assert all(row.attempts == 1 and row.delivered_at is not None for row in done)
    assert sorted(seen) == [("hook", "delivered"), ("pager", "delivered"), ("slack", "delivered")]
    assert steps(ledger) == ["opened", "delivered", "delivered", "delivered"]
    (hooked,) = party.to("/webhook")
    assert Verifier(SECRET).verify(hooked.body, hooked.headers)["type"] == "incident.opened"


def test_a_commit_is_sent_at_once_when_woken_long_before_the_poll(ledger, config, party):
    with notifying(ledger, config, poll_s=30) as notifier:
        time.sleep(0.2)
        begun = time.monotonic()
        with ledger.begin() as conn:
            open_to(conn, config, "slack")
        notifier.wake()
        party.wait_for(1)
    assert time.monotonic() - begun < 5


def test_without_being_woken_the_poll_finds_it(ledger, config, party):
    with notifying(ledger, config, poll_s=0.1):
        with ledger.begin() as conn:
            open_to(conn, config, "slack")
        party.wait_for(1)


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(429, b"", {"retry-after": "0"}),
        Answer(500),
        Answer(200, cut=True),
        Answer(200, b"<html>"),
        Answer(307, b"", {"location": "/elsewhere"}),
    ],
    ids=["429", "500", "cut", "wrong body", "redirect"],
)
def test_trouble_that_passes_loses_nothing_and_keeps_the_order(ledger, config, party, trouble):
    party.first(trouble, trouble)
    with ledger.begin() as conn:
        open_to(conn, config, "slack")
        resolve(conn, ID)
        announce(conn, ID, "resolved")
    with notifying(ledger, config):
        done = until(lambda: all_done(ledger))
    assert [(row.event, row.state, row.attempts) for row in done] == [
        ("opened", "delivered", 3),
        ("resolved", "delivered", 1),
    ]
    texts = [request.json["text"].split()[0] for request in party.to("/slack")]
    assert texts == ["chat-eu:"] * 3 + ["RESOLVED"]
    assert "delivery_failed" not in steps(ledger)


def test_a_pause_that_the_receiver_asked_for_is_kept_by_all_its_lanes(ledger, config, party):
    party.first(Answer(429, b"", {"retry-after": "1"}))
    with ledger.begin() as conn:
        open_to(conn, config, "slack", name="inc1")
        open_to(conn, config, "slack", name="inc2")
    with notifying(ledger, config, most_each=1):
        first, *others = party.wait_for(3)
        until(lambda: all_done(ledger))
    assert all(request.at_s - first.at_s >= 0.95 for request in others)


def test_a_refusal_for_good_is_recorded_announced_and_never_repeated(ledger, config, party):
    party.answer = lambda request: (
        Answer(404, b"no_service") if request.path == "/webhook" else Answer(200, b"ok")
    )
    party.answer = lambda request: Answer(410, b"gone") if request.path == "/webhook" else Answer(200, b"ok")
    with ledger.begin() as conn:
        open_to(conn, config, "hook")
    with notifying(ledger, config):
        done = until(lambda: len(rows(ledger)) == 2 and all_done(ledger))
    failed, alert = done
    assert (failed.state, failed.attempts, failed.last_error) == ("failed", 1, "answered HTTP 410 gone")
    assert (alert.receiver, alert.event, alert.state) == ("slack", "opened", "delivered")
    assert steps(ledger) == ["opened", "delivery_failed"]
    (told,) = party.to("/slack")
    assert told.json["text"].startswith("hook does not take messages: given up, answered HTTP 410 gone")
    with ledger.begin() as conn:
        internal = conn.execute(select(incident).where(incident.c.stream == "(tocsin)")).one()
    assert (internal.rule, internal.severity, internal.state) == (
        "tocsin.delivery_failed",
        "critical",
        "firing",
    )


def test_an_alert_about_a_failed_delivery_never_produces_another(ledger, config, party):
    party.answer = lambda request: Answer(404, b"no_service")
    with ledger.begin() as conn:
        open_to(conn, config, "slack")
    with notifying(ledger, config):
        done = until(lambda: len(rows(ledger)) == 2 and all_done(ledger))
        time.sleep(0.3)
        assert len(rows(ledger)) == 2
    assert [row.state for row in done] == ["failed", "failed"]
    assert done[1].payload["rule"] == "tocsin.delivery_failed"


def test_a_receiver_that_recovers_ends_its_alert(ledger, config, party):
    party.answer = lambda request: Answer(410 if request.path == "/webhook" else 200, b"ok")
    with ledger.begin() as conn:
        open_to(conn, config, "hook", name="inc1")
    with notifying(ledger, config) as notifier:
        until(lambda: len(rows(ledger)) == 2 and all_done(ledger))
        party.first()
        with ledger.begin() as conn:
            open_to(conn, config, "hook", name="inc2")
        notifier.wake()
        until(lambda: len(rows(ledger)) == 4 and all_done(ledger))
    assert [(row.receiver, row.event) for row in rows(ledger)] == [
        ("hook", "opened"),
        ("slack", "opened"),
        ("hook", "opened"),
        ("slack", "resolved"),
    ]


def test_a_receiver_that_keeps_failing_is_announced_long_before_it_is_given_up(ledger, config, party):
    party.answer = lambda request: Answer(503) if request.path == "/webhook" else Answer(200, b"ok")
    with ledger.begin() as conn:
        open_to(conn, config, "hook")
    with notifying(ledger, config):
        (told,) = party.wait_for(1, "/slack")
    assert told.json["text"].startswith("hook does not take messages: still trying, answered HTTP 503")
    assert rows(ledger)[0].state == "pending"


def test_a_message_is_given_up_after_its_day(ledger, config, party):
    party.answer = lambda request: Answer(503) if request.path == "/webhook" else Answer(200, b"ok")
    with ledger.begin() as conn:
        open_to(conn, config, "hook")
    with notifying(ledger, config, incidents=HASTY):
        done = until(lambda: len(rows(ledger)) == 2 and all_done(ledger))
    assert done[0].state == "failed"
    assert done[0].attempts > 2


def test_a_change_event_that_nobody_took_in_time_expires_and_is_announced(ledger, config, party):
    party.answer = lambda request: Answer(503) if request.path.endswith("change/enqueue") else fine(request)
    with ledger.begin() as conn:
        enqueue(
            conn,
            incident_id=None,
            kill_id=None,
            receiver="pager",
            kind="pagerduty",
            event="changed",
            payload={"stream": "chat-eu", "version": "v42", "at": "2026-11-22T02:50:40.000Z", "labels": {}},
            not_after_ms=round(time.time() * 1000) + 300,
            about="chat-eu/v42",
        )
    with notifying(ledger, config, incidents=PATIENT):
        done = until(lambda: len(rows(ledger)) == 2 and all_done(ledger))
    assert [(row.event, row.state) for row in done] == [("changed", "expired"), ("opened", "delivered")]
    assert texts(party)[0].startswith("pager does not take messages: expired, answered HTTP 503")


def test_backoff_survives_a_restart(ledger, config, party):
    party.answer = lambda request: Answer(503)
    with ledger.begin() as conn:
        open_to(conn, config, "slack")
    with notifying(ledger, config, incidents=PATIENT):
        until(lambda: rows(ledger)[0].last_error)
    party.first()
    with notifying(ledger, config) as again:
        again.wake()
        time.sleep(0.3)
        assert len(party.requests) == 1
        with ledger.begin() as conn:
            conn.execute(update(delivery).values(next_attempt_at=delivery.c.created_at))
        until(lambda: all_done(ledger))
    assert [(row.state, row.attempts) for row in rows(ledger)] == [("delivered", 2)]


def test_a_hanging_receiver_delays_nobody_else_and_no_kill(ledger, config, party):
    released = threading.Event()
    party.answer = lambda request: (
        Answer(204, hold=released) if request.path == "/webhook" else Answer(200, b"ok")
    )
    with ledger.begin() as conn:
        for number in range(50):
            open_to(conn, config, "hook", name=f"hang{number}")
    with notifying(ledger, config) as notifier:
        party.wait_for(4, "/webhook")
        begun = time.monotonic()
        with ledger.begin() as conn:
            trip(conn, config.kill_switches["chat"], stream="chat-eu", reason="r", actor="ann")
            open_to(conn, config, "slack")
        notifier.wake()
        party.wait_for(1, "/kill", within_s=5)
        party.wait_for(1, "/slack", within_s=5)
        assert time.monotonic() - begun < 5
        assert len(party.to("/webhook")) == 4
        released.set()
        party.wait_for(50, "/webhook")


def test_two_notifiers_send_everything_once(ledger, config, party):
    with ledger.begin() as conn:
        for number in range(30):
            open_to(conn, config, "slack", "hook", name=f"inc{number}")
            resolve(conn, f"inc{number}")
            announce(conn, f"inc{number}", "resolved")
    with notifying(ledger, config), notifying(ledger, config):
        done = until(lambda: all_done(ledger), within_s=60)
    assert {row.state for row in done} == {"delivered"}
    assert {row.attempts for row in done} == {1}
    assert len(party.requests) == len(done) == 120
    for number in range(30):
        kinds = [
            r.json["type"] for r in party.to("/webhook") if r.json["data"]["incident_id"] == f"inc{number}"
        ]
        assert kinds == ["incident.opened", "incident.resolved"]


def test_a_receiver_that_is_no_longer_in_alerts_yaml_is_tried_by_others(ledger, config, party):
    with ledger.begin() as conn:
        open_to(conn, config)
        announce(conn, ID, "opened", [Addressee("gone", "slack")])
    with notifying(ledger, config, incidents=PATIENT):
        until(lambda: rows(ledger)[0].last_error)
    assert rows(ledger)[0].state == "pending"
    assert rows(ledger)[0].last_error == "gone is not in this alerts.yaml"


def test_a_message_that_cannot_be_made_does_not_stop_the_others(ledger, config, party):
    with ledger.begin() as conn:
        open_to(conn, config, "slack", name="broken")
        conn.execute(update(delivery).values(payload={"facts": {"env": 1}}))
        open_to(conn, config, "slack")
    with notifying(ledger, config, incidents=PATIENT):
        until(lambda: {row.incident_id: row.state for row in rows(ledger)}.get(ID) == "delivered")
        until(lambda: rows(ledger)[0].last_error)
    assert rows(ledger)[0].last_error.startswith("could not be sent: ")


def test_the_outbox_is_worked_on_after_the_database_cut_all_connections(ledger, config, party):
    with notifying(ledger, config):
        until(lambda: ledger.pool.checkedin())
        with ledger.connect() as conn:
            conn.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).close()
        with ledger.begin() as conn:
            open_to(conn, config, "slack")
        party.wait_for(1)
        until(lambda: all_done(ledger))


def test_stopping_waits_for_what_is_under_way_and_begins_nothing_new(ledger, config, party):
    released = threading.Event()
    party.answer = lambda request: Answer(200, b"ok", hold=released)
    with ledger.begin() as conn:
        open_to(conn, config, "slack")
        resolve(conn, ID)
        announce(conn, ID, "resolved")
    notifier = Notifier(ledger, config, poll_s=0.05)
    notifier.start()
    party.wait_for(1)
    threading.Timer(0.3, released.set).start()
    assert notifier.stop(5) is True
    assert [row.state for row in rows(ledger)] == ["delivered", "pending"]


def test_stopping_has_a_deadline_and_what_hangs_is_sent_again(ledger, config, party):
    released = threading.Event()
    party.answer = lambda request: Answer(200, b"ok", hold=released)
    with ledger.begin() as conn:
        open_to(conn, config, "slack")
    notifier = Notifier(ledger, config, poll_s=0.05, lease_s=1)
    notifier.start()
    party.wait_for(1)
    begun = time.monotonic()
    assert notifier.stop(0.3) is False
    assert time.monotonic() - begun < 3
    party.first()
    with notifying(ledger, config):
        party.wait_for(2)
        until(lambda: all_done(ledger))
    released.set()


def test_every_event_of_an_incident_has_its_words(ledger, config, party):
    critical = Facts(
        **BASE | {"signal": "error", "quantity": "rate", "observed": 0.5, "severity": "critical"}
    )

    with ledger.begin() as conn:
        mild = Facts(**BASE | {"signal": "error", "quantity": "rate", "observed": 0.2})
        open_to(conn, config, "slack", facts=mild)
        escalate(conn, ID, critical)
        announce(conn, ID, "escalated", delivery_key="critical")
        acknowledge(conn, ID, "ann")
        announce(conn, ID, "acknowledged")
        resolve(conn, ID)
        announce(conn, ID, "resolved")
    with notifying(ledger, config):
        until(lambda: all_done(ledger))
    assert [text.splitlines()[0] for text in texts(party)] == [
        "chat-eu: 20% of requests fail",
        "NOW CRITICAL chat-eu: 50% of requests fail",
        "ACKNOWLEDGED by ann · chat-eu: 50% of requests fail",
        "RESOLVED chat-eu: 50% of requests fail",
    ]
