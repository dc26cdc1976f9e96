"""PagerDuty: an incident is ended under the key and name that opened it, and a new version is a change event."""

from dataclasses import replace

import pytest
from notify_parties import ROUTING_KEY, Answer, config_for
from test_formats import delivery_of
from test_receivers import message, refusal, senders  # noqa: F401

from monitor.notify.pagerduty import fingerprint
from monitor.notify.senders import Senders

NEWER = "f" * 32
OPENED = {"routing_key": fingerprint(ROUTING_KEY), "dedup_key": "before/k3v9q2m7ab"}


@pytest.fixture
def rotated(tmp_path, party):
    extra = f'routing_key: "{NEWER}", routing_key_previous: "{ROUTING_KEY}"'
    line = f'  rotated: {{pagerduty: {{{extra}, url: "{party.url}/pagerduty/v2/enqueue"}}}}'
    made = Senders(config_for(tmp_path, party.url, receivers=line))
    yield made
    made.close()


def test_the_name_of_the_key_and_the_dedup_key_are_kept_and_neither_is_a_secret(senders):  # noqa: F811
    receipt = senders.send(message("pager")).receipt
    assert receipt == {"routing_key": fingerprint(ROUTING_KEY), "dedup_key": "prod-eu/k3v9q2m7ab"}
    assert ROUTING_KEY not in str(receipt)


@pytest.mark.parametrize(
    ("event", "action"), [("acknowledged", "acknowledge"), ("resolved", "resolve"), ("escalated", "trigger")]
)
def test_what_was_opened_through_another_key_goes_through_it_to_the_end(rotated, party, event, action):
    rotated.send(replace(message("pager", event, first=OPENED), receiver="rotated"))
    (request,) = party.requests
    assert (request.json["routing_key"], request.json["event_action"]) == (ROUTING_KEY, action)
    assert request.json["dedup_key"] == "before/k3v9q2m7ab"


def test_what_is_new_goes_through_the_newest_key(rotated, party):
    rotated.send(replace(message("pager"), receiver="rotated"))
    assert party.requests[0].json["routing_key"] == NEWER


def test_a_resolve_whose_key_is_gone_is_refused_in_clear_words_rather_than_lost(senders, party):  # noqa: F811
    refused = refusal(senders, message("pager", "resolved", first={"routing_key": "abcdefgh"}))
    assert refused.permanent
    assert "give it as routing_key_previous, or resolve it in PagerDuty" in str(refused)
    assert party.requests == []


def test_an_answer_that_does_not_say_success_is_tried_again(senders, party):  # noqa: F811
    party.first(Answer(202, b"<html>ok</html>"))
    assert not refusal(senders, message("pager")).permanent


def test_a_new_version_is_a_change_event(rotated, party):
    news = {
        "stream": "chat-eu",
        "version": "v42",
        "at": "2026-11-22T02:50:40.000Z",
        "labels": {"model": "chat-eu"},
    }
    rotated.send(replace(delivery_of("changed", news), receiver="rotated", kind="pagerduty"))
    (request,) = party.to("/pagerduty/v2/change/enqueue")
    assert request.json == {
        "routing_key": NEWER,
        "payload": {
            "summary": "chat-eu: version v42 appeared",
            "source": "tocsin/prod-eu",
            "timestamp": "2026-11-22T02:50:40.000Z",
            "custom_details": {"stream": "chat-eu", "version": "v42", "labels": {"model": "chat-eu"}},
        },
    }
