"""Kills on their way: confirmed, unconfirmed, too late, released; and who is told."""

import base64
import threading

import pytest
from incident_facts import FAILING
from notify_flow import ID, all_done, notifying, open_to, rows, steps, texts, until
from notify_parties import SECRET, Answer, alerts_yaml
from sqlalchemy import update
from standardwebhooks import Webhook as Verifier
from svix.webhooks import Webhook as SvixVerifier
from svix.webhooks import WebhookVerificationError as SvixRefusal

from monitor.config.loading import load
from monitor.killswitch.states import state
from monitor.killswitch.switches import release, trip
from monitor.ledger.announcements import announce
from monitor.ledger.decided import delivery
from monitor.ledger.incidents import resolve


def test_rule_6_a_worker_that_stood_still_while_sending_does_not_have_the_last_word(ledger, config, party):
    hanging, order, held = threading.Event(), [], []

    def answer(request):
        if request.path == "/slack":
            return Answer(200, b"ok")
        if request.json["data"]["state"] == "tripped" and not held:
            held.append(request)
            return Answer(200, hold=hanging)
        order.append(request.json["data"]["state"])
        return Answer(200)

    party.answer = answer
    chat = config.kill_switches["chat"]
    with ledger.begin() as conn:
        trip(conn, chat, stream="chat-eu", reason="r", actor="ann")
    with notifying(ledger, config, lease_s=60), notifying(ledger, config, lease_s=60):
        party.wait_for(1, "/kill")
        with ledger.begin() as conn:
            release(conn, chat, reason="mended", actor="ann")
        party.wait_for(2, "/kill")
        order.append("tripped, late")
        hanging.set()
        party.wait_for(3, "/kill")
        until(lambda: all_done(ledger))
    assert order == ["released", "tripped, late", "released"]
    ids = [request.id for request in party.to("/kill")]
    assert len(set(ids)) == 3
    with ledger.begin() as conn:
        assert state(conn)["chat", ""].tripped is False
    assert [r.state for r in rows(ledger) if r.kind == "kill"] == ["superseded", "delivered", "delivered"]


def test_a_kill_arrives_signed_is_confirmed_and_told_to_whoever_knows_of_the_incident(ledger, config, party):
    with ledger.begin() as conn:
        open_to(conn, config, "slack", "pager")
        trip(
            conn,
            config.kill_switches["chat"],
            stream="chat-eu",
            reason="96% fail",
            actor="errors",
            incident_id=ID,
            evidence_until_ms=FAILING.detected_ms,
        )
    with notifying(ledger, config):
        until(lambda: len(rows(ledger)) == 5 and all_done(ledger))
    (killed,) = party.to("/kill")
    body = Verifier(SECRET).verify(killed.body, killed.headers)
    assert (body["type"], body["data"]["mode"], body["data"]["target"]) == (
        "kill_switch.tripped",
        "degrade",
        "rules-v3",
    )
    with ledger.begin() as conn:
        assert state(conn)["chat", ""].confirmed_ms is not None
    assert [r.json["text"].splitlines()[0] for r in party.to("/slack")] == [
        "chat-eu: 96% of requests fail, was 0.4%",
        "KILLED chat-eu: 96% of requests fail, was 0.4%",
    ]
    assert [(r.json["event_action"], r.json["dedup_key"]) for r in party.to("/pagerduty")] == [
        ("trigger", f"prod-eu/{ID}")
    ] * 2
    assert {"tripped", "kill_confirmed"} <= set(steps(ledger))


def test_while_a_kills_key_is_changed_svix_verifies_by_the_old_and_the_new_one(ledger, tmp_path, party):
    newer, other = (f"whsec_{base64.b64encode(letter * 32).decode()}" for letter in (b"n", b"o"))
    rotated = f'url: "{party.url}/kill", secret: "{newer}", secret_previous: "{SECRET}"'
    path = tmp_path / "alerts.yaml"
    path.write_text(alerts_yaml(party.url).replace(f'url: "{party.url}/kill", secret: "{SECRET}"', rotated))
    config = load(path, environ={})
    with ledger.begin() as conn:
        trip(conn, config.kill_switches["chat"], stream="", reason="it lies", actor="ann")
    with notifying(ledger, config):
        (killed,) = party.wait_for(1, "/kill")
    for secret in (newer, SECRET):
        SvixVerifier(secret).verify(killed.body, killed.headers)
    assert killed.json["type"] == "kill_switch.tripped"
    with pytest.raises(SvixRefusal):
        SvixVerifier(other).verify(killed.body, killed.headers)


def test_a_kill_that_is_not_confirmed_is_announced_once_and_kept_trying(ledger, config, party):
    party.answer = lambda request: Answer(503) if request.path == "/kill" else Answer(200, b"ok")
    with ledger.begin() as conn:
        open_to(conn, config, "slack", name=ID)
        trip(conn, config.kill_switches["chat"], stream="chat-eu", reason="r", actor="errors", incident_id=ID)
    with notifying(ledger, config):
        party.wait_for(6, "/kill")
        shouts = until(lambda: [t for t in texts(party) if t.startswith("KILL NOT CONFIRMED")])
        assert "failed 3 times (answered HTTP 503); still serving" in shouts[0]
        with ledger.begin() as conn:
            assert state(conn)["chat", ""].confirmed_ms is None
        party.first()
        until(lambda: [t for t in texts(party) if t.startswith("KILLED")])
        until(lambda: all_done(ledger))
    assert len([t for t in texts(party) if t.startswith("KILL NOT CONFIRMED")]) == 1
    with ledger.begin() as conn:
        assert state(conn)["chat", ""].confirmed_ms is not None


def test_rule_5_a_trip_that_came_too_late_is_not_sent_and_that_is_an_alert(ledger, config, party):
    with ledger.begin() as conn:
        open_to(conn, config, "slack")
        trip(conn, config.kill_switches["chat"], stream="chat-eu", reason="r", actor="errors", incident_id=ID)
        conn.execute(
            update(delivery).where(delivery.c.kind == "kill").values(not_after=delivery.c.created_at)
        )
    with notifying(ledger, config):
        done = until(lambda: len(rows(ledger)) == 4 and all_done(ledger))
    assert party.to("/kill") == []
    assert [row.state for row in done if row.kind == "kill"] == ["expired"]
    assert {"delivery_expired", "kill_expired"} <= set(steps(ledger))
    assert any(text.startswith("KILL NOT CONFIRMED") and "given up" in text for text in texts(party))
    assert any(text.startswith("switch chat does not take messages: expired") for text in texts(party))


def test_a_kill_by_hand_is_told_to_the_default_receivers(ledger, config, party):
    with ledger.begin() as conn:
        trip(conn, config.kill_switches["chat"], stream="", reason="it lies", actor="ann")
    with notifying(ledger, config):
        until(lambda: len(rows(ledger)) == 2 and all_done(ledger))
    assert texts(party)[0].startswith("KILLED chat: it lies\nSwitch chat tripped")


def test_a_release_after_the_incident_is_told_but_opens_no_page_again(ledger, config, party):
    chat = config.kill_switches["chat"]
    with ledger.begin() as conn:
        open_to(conn, config, "slack", "pager")
        trip(conn, chat, stream="chat-eu", reason="r", actor="errors", incident_id=ID)
    with notifying(ledger, config) as notifier:
        until(lambda: len(rows(ledger)) == 5 and all_done(ledger))
        with ledger.begin() as conn:
            resolve(conn, ID)
            announce(conn, ID, "resolved")
            release(conn, chat, reason="mended", actor="ann")
        notifier.wake()
        until(lambda: any(text.startswith("RELEASED") for text in texts(party)))
        until(lambda: all_done(ledger))
    assert [r.json["event_action"] for r in party.to("/pagerduty")] == ["trigger", "trigger", "resolve"]
    last = rows(ledger)[-1]
    assert (last.event, last.incident_id, last.receiver) == ("released", None, "slack")
