"""Alertmanager is told again until the incident has ended: by any process, and never after the end."""

import threading
import time

from incident_facts import FAILING
from notify_flow import ID, all_done, notifying, open_to, rows, steps, until
from notify_parties import QUICK, Answer
from sqlalchemy import select, update

from monitor.ledger.announcements import announce
from monitor.ledger.decided import delivery, incident, repetition
from monitor.ledger.incidents import acknowledge, resolve
from monitor.notify.backoff import Backoff

WARY = Backoff(first_s=0.05, most_s=0.1, longest_wish_s=5, give_up_s=1, warn_after=3, warn_after_s=60)


def ends(party):
    return [request.json[-1]["endsAt"] for request in party.to("/alertmanager/api/v2/alerts")]


def told(party):
    return party.to("/alertmanager/api/v2/alerts")


def due_now(ledger):
    with ledger.begin() as conn:
        conn.execute(update(repetition).values(due_at=repetition.c.taken_at))


def end(ledger):
    with ledger.begin() as conn:
        resolve(conn, ID)
        announce(conn, ID, "resolved")


def test_an_alert_is_told_again_with_a_later_end_and_the_ledger_shows_one_delivery(ledger, config, party):
    with ledger.begin() as conn:
        open_to(conn, config, "am")
    with notifying(ledger, config):
        party.wait_for(3)
    first, *later = ends(party)
    assert min(later) > first
    (row,) = rows(ledger)
    assert (row.state, row.attempts) == ("delivered", 1)
    assert steps(ledger) == ["opened", "delivered"]


def test_another_process_goes_on_with_it(ledger, config, party):
    with ledger.begin() as conn:
        open_to(conn, config, "am")
    with notifying(ledger, config):
        until(lambda: all_done(ledger))
    before = len(told(party))
    due_now(ledger)
    with notifying(ledger, config):
        party.wait_for(before + 1)


def test_after_the_end_it_is_told_once_and_never_again(ledger, config, party):
    with ledger.begin() as conn:
        open_to(conn, config, "am")
    with notifying(ledger, config) as notifier:
        until(lambda: all_done(ledger))
        end(ledger)
        notifier.wake()
        until(lambda: len(rows(ledger)) == 2 and all_done(ledger))
        known = len(told(party))
        time.sleep(1.3)
        assert len(told(party)) == known
    with ledger.begin() as conn:
        resolved = conn.execute(select(incident.c.resolved_at)).scalar_one()
        assert conn.execute(select(repetition)).all() == []
    assert told(party)[-1].json[-1]["endsAt"][:19] == resolved.isoformat()[:19]


def test_the_end_does_not_overtake_a_repetition_that_is_under_way(ledger, config, party):
    with ledger.begin() as conn:
        open_to(conn, config, "am")
    held = threading.Event()
    with notifying(ledger, config) as notifier:
        until(lambda: all_done(ledger))
        party.first(Answer(200, hold=held))
        due_now(ledger)
        notifier.wake()
        party.wait_for(2)
        end(ledger)
        notifier.wake()
        time.sleep(0.3)
        assert len(told(party)) == 2
        held.set()
        party.wait_for(3)
        until(lambda: all_done(ledger))


def test_rule_6_a_repetition_that_stood_still_past_the_end_is_followed_by_the_end(ledger, config, party):
    with ledger.begin() as conn:
        open_to(conn, config, "am")
    held = threading.Event()
    with notifying(ledger, config, lease_s=0.5) as notifier:
        until(lambda: all_done(ledger))
        party.first(Answer(200, hold=held))
        due_now(ledger)
        notifier.wake()
        party.wait_for(2)
        end(ledger)
        party.wait_for(3)
        until(lambda: all_done(ledger))
        held.set()
        party.wait_for(4)
        until(lambda: all_done(ledger))
    assert ends(party)[3] == ends(party)[2] < ends(party)[1]


def test_a_repetition_that_fails_is_tried_again_and_announced_and_its_recovery_ends_that(
    ledger, config, party
):
    with ledger.begin() as conn:
        open_to(conn, config, "am")
    with notifying(ledger, config, incidents=WARY) as notifier:
        until(lambda: all_done(ledger))
        party.answer = lambda request: (
            Answer(503) if request.path.startswith("/alertmanager") else Answer(200, b"ok")
        )
        due_now(ledger)
        notifier.wake()
        (alert,) = party.wait_for(1, "/slack")
        assert alert.json["text"].startswith("am does not take messages: still trying, answered HTTP 503")
        party.first()
        due_now(ledger)
        ended = party.wait_for(2, "/slack")[-1]
        assert ended.json["text"].startswith("RESOLVED am does not take messages")
    assert [row.state for row in rows(ledger) if row.receiver == "am"] == ["delivered"]


def test_an_acknowledgement_means_nothing_to_alertmanager_and_news_of_a_switch_alone_neither(ledger, config):
    with ledger.begin() as conn:
        open_to(conn, config, "am", "pager")
        acknowledge(conn, ID, "ann")
        announce(conn, ID, "acknowledged")
        found = conn.execute(select(delivery.c.receiver, delivery.c.event)).all()
    assert set(found) == {("am", "opened"), ("pager", "opened"), ("pager", "acknowledged")}


def test_two_processes_share_the_repetitions(ledger, config, party):
    with ledger.begin() as conn:
        for number in range(5):
            open_to(conn, config, "am", name=f"inc{number}", facts=FAILING)
    with notifying(ledger, config, incidents=QUICK), notifying(ledger, config, incidents=QUICK):
        until(lambda: all_done(ledger))
        time.sleep(1.6)
    per_incident = {}
    for request in told(party):
        name = request.json[-1]["annotations"]["incident_id"]
        per_incident[name] = per_incident.get(name, 0) + 1
    assert set(per_incident.values()) <= {2, 3}
