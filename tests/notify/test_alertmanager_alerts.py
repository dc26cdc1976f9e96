"""What Alertmanager is told: one alert an incident, its end, and labels that it can route by."""

import json
import re

from hypothesis import example, given, settings
from incident_facts import BASE, FAILING, GERMAN, any_message, payload_of
from test_formats import LONG

from monitor.ledger.facts import Facts
from monitor.ledger.moments import instant_ms
from monitor.notify.alertmanager import alerts

NOW = FAILING.detected_ms + 60_000


def ms(text):
    return instant_ms(text)


def test_an_open_incident_is_an_alert_that_lasts_for_a_while():
    facts = Facts(**BASE | {"labels": {"model": "chat-eu", "segment.region": "eu"}, "signal": "error"})
    (alert,) = alerts("prod", "opened", payload_of(facts), NOW)
    assert alert["labels"] == {
        "alertname": "language",
        "severity": "warning",
        "stream": "chat-eu",
        "signal": "error",
        "tocsin": "prod",
        "model": "chat-eu",
        "segment_region": "eu",
    }
    assert ms(alert["startsAt"]) == facts.onset_ms
    assert ms(alert["endsAt"]) == NOW + 15 * 60_000


def test_the_incidents_id_is_an_annotation_and_no_label():
    (alert,) = alerts("prod", "opened", payload_of(GERMAN), NOW)
    assert alert["annotations"]["incident_id"] == "k3v9q2m7ab"
    assert alert["annotations"]["runbook_url"] == "https://wiki.corp/runbooks/language"
    assert alert["annotations"]["summary"] == "chat-eu: 31% of answers are German, was 2%"
    assert "k3v9q2m7ab" not in alert["labels"].values()


def test_an_escalation_ends_what_it_was_before_and_nothing_else():
    mild, now = alerts("prod", "escalated", payload_of(FAILING), NOW, "warning")
    assert (mild["labels"]["severity"], now["labels"]["severity"]) == ("warning", "critical")
    assert ms(mild["endsAt"]) == NOW < ms(now["endsAt"])


def test_a_resolve_ends_it_when_it_ended_and_never_in_the_future():
    ended = payload_of(FAILING, resolved_at="2026-11-22T03:12:30.000Z", state="resolved")
    assert {a["endsAt"] for a in alerts("prod", "resolved", ended, NOW)} == {"2026-11-22T03:12:30.000Z"}
    early = alerts("prod", "resolved", ended, FAILING.detected_ms)
    assert {ms(a["endsAt"]) for a in early} == {FAILING.detected_ms}


@settings(max_examples=200, deadline=None)
@given(any_message)
@example(("opened", payload_of(LONG)))
def test_every_incident_fits_what_alertmanager_takes(message):
    event, payload = message
    if "facts" not in payload:
        return
    for alert in json.loads(json.dumps(alerts("prod", event, payload, 4_102_444_800_000, "info"))):
        assert alert["labels"]["alertname"]
        for name, value in [*alert["labels"].items(), *alert["annotations"].items()]:
            assert re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name)
            assert value
        assert ms(alert["startsAt"]) <= ms(alert["endsAt"])
