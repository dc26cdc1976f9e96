"""What is sent fits each receiver, whatever an incident holds; judged by what others wrote."""

import json
from uuid import uuid4

import pytest
from hypothesis import example, given, settings
from incident_facts import FAILING, GERMAN, SWITCH, any_message, kill_payload, killed, payload_of
from notify_parties import ROUTING_KEY
from slack_sdk.models.blocks import Block, ContextBlock, SectionBlock
from slackblocks import ContextBlock as CheckedContext
from slackblocks import Message as CheckedMessage
from slackblocks import SectionBlock as CheckedSection
from slackblocks import Text

from monitor.ledger.facts import Facts, storable
from monitor.notify import kill, pagerduty, slack, webhook
from monitor.notify.delivery import Delivery
from monitor.notify.message import compose

LONG = Facts(
    env="prod",
    rule="r" * 300,
    severity="critical",
    stream="<!channel>&" * 400,
    kind="category",
    onset_ms=0,
    detected_ms=0,
    signal="output_language",
    quantity="share:" + "<&>" * 2000,
    observed=0.5,
    detail="&" * 9000,
    runbook="https://wiki/" + "ü" * 900,
    labels={f"label{n}": "v" * 2_000 for n in range(40)},
    traces=("<" * 500,) * 9,
)


def delivery_of(event, payload, kind="webhook"):
    return Delivery(
        delivery_id="abcdefghij2345672345",
        lane="incident/x/y",
        position=1,
        incident_id=payload.get("incident_id"),
        kill_id=None,
        receiver="x",
        kind=kind,
        event=event,
        attempts=1,
        created_ms=1_763_780_000_000,
        claimed_ms=1_763_780_000_500,
        not_after_ms=None,
        payload=payload,
        claim=uuid4(),
    )


def texts(body):
    for block in body["blocks"]:
        for element in [block.get("text"), *block.get("elements", [])]:
            if element:
                yield element["text"]


@settings(max_examples=300, deadline=None)
@given(any_message)
@example(("opened", payload_of(LONG)))
@example(("tripped", kill_payload(LONG, killed(reason="&" * 5000))))
def test_slack_takes_every_message_that_facts_can_make(message):
    event, payload = message
    body = slack.body(event, payload)
    assert 0 < len(body["text"]) <= 4_000
    assert 1 <= len(body["blocks"]) <= 3
    for raw in body["blocks"]:
        block = Block.parse(raw)
        assert isinstance(block, SectionBlock | ContextBlock)
        block.validate_json()
        checked = (
            CheckedSection(Text(raw["text"]["text"]))
            if raw["type"] == "section"
            else CheckedContext([Text(e["text"]) for e in raw["elements"]])
        )
        CheckedMessage(channel="#c", text=body["text"], blocks=[checked]).json()
    shown = list(texts(body))
    assert sum(map(len, shown)) <= 13_200
    assert all(0 < len(text) <= 3_000 for text in shown)
    assert json.loads(json.dumps(body)) == body


@settings(max_examples=200, deadline=None)
@given(any_message)
@example(("opened", payload_of(LONG)))
def test_slack_sees_no_control_sequence_of_a_name(message):
    body = slack.body(*message)
    for text in [body["text"], *texts(body)]:
        links = text.count("<https://") + text.count("<http://")
        assert text.count("<") == text.count(">") == links
        assert (
            all(text.startswith(("&amp;", "&lt;", "&gt;"), at) for at, c in enumerate(text) if c == "&")
            or links
        )


def test_slack_says_it_all_in_three_blocks():
    body = slack.body("opened", payload_of(GERMAN, switch_state="released"))
    said, about, typed = body["blocks"]
    assert said["text"]["text"].startswith("*chat-eu: 31% of answers are German, was 2%*\nBegan 02:51:20 UTC")
    assert "reference #77" in about["elements"][0]["text"]
    assert about["elements"][0]["text"].endswith("<https://wiki.corp/runbooks/language|Runbook>")
    assert typed["text"]["text"].splitlines()[0] == "`tocsin ack k3v9q2m7ab`"


def test_what_is_escaped_is_never_cut_in_the_middle_of_an_entity():
    for length in range(3, 40):
        cut = slack.escaped("&<>" * 20, length)
        assert len(cut) <= length
        assert cut.endswith("…")
        assert cut[:-1].replace("&amp;", "").replace("&lt;", "").replace("&gt;", "") == ""


@settings(max_examples=200, deadline=None)
@given(any_message)
@example(("opened", payload_of(LONG)))
def test_pagerduty_takes_every_message_of_an_incident(message):
    event, payload = message
    if "facts" not in payload:
        return
    sent = pagerduty.event(ROUTING_KEY, payload["facts"]["env"], event, payload)
    encoded = pagerduty.encoded(sent)
    body = json.loads(encoded)
    assert len(encoded) <= 512_000
    assert body["event_action"] in ("trigger", "acknowledge", "resolve")
    assert 0 < len(body["dedup_key"]) <= 255
    assert body["dedup_key"].endswith("/k3v9q2m7ab")
    if body["event_action"] != "trigger":
        assert body.keys() == {"routing_key", "event_action", "dedup_key"}
        return
    assert 0 < len(body["payload"]["summary"]) <= 1024
    assert body["payload"]["source"].startswith("tocsin/")
    assert body["payload"]["severity"] in ("critical", "warning", "info")


def test_pagerduty_gets_the_fields_of_the_contract():
    facts = payload_of(GERMAN)
    facts["facts"]["labels"] = {"model": "chat-eu", "team": "chat"}
    sent = pagerduty.event(ROUTING_KEY, "prod-eu", "opened", facts)
    assert sent["dedup_key"] == "prod-eu/k3v9q2m7ab"
    assert sent["payload"] | {"custom_details": ...} == {
        "summary": "chat-eu: 31% of answers are German, was 2%",
        "source": "tocsin/prod-eu",
        "severity": "warning",
        "timestamp": "2026-11-22T02:51:20.000Z",
        "component": "chat-eu",
        "group": "chat",
        "class": "output_language",
        "custom_details": ...,
    }


def test_details_that_are_too_much_for_pagerduty_are_left_out():
    sent = pagerduty.event(ROUTING_KEY, "prod", "opened", payload_of(GERMAN))
    sent["payload"]["custom_details"] = {"huge": "x" * 600_000}
    body = json.loads(pagerduty.encoded(sent))
    assert "custom_details" not in body["payload"]
    assert body["payload"]["summary"]


@settings(max_examples=200, deadline=None)
@given(any_message)
@example(("opened", payload_of(LONG)))
def test_a_webhook_stays_below_20_kb(message):
    event, payload = message
    encoded = webhook.encoded(delivery_of(event, payload))
    body = json.loads(encoded)
    assert len(encoded) < 20_000
    assert body.keys() == {"type", "timestamp", "data"}


def test_a_webhook_carries_the_row_of_incidents_with_text_and_links():
    payload = payload_of(GERMAN, switch_state="released")
    body = json.loads(webhook.encoded(delivery_of("opened", payload)))
    assert body["type"] == "incident.opened"
    assert body["timestamp"] == "2025-11-22T02:53:20.000Z"
    row = {key: value for key, value in payload.items() if key not in ("facts", "switch_state")}
    assert body["data"] == row | {
        "text": compose("opened", payload).text,
        "links": {"runbook": "https://wiki.corp/runbooks/language"},
    }


def test_news_of_a_switch_has_the_type_and_data_of_its_own_webhook():
    body = json.loads(webhook.encoded(delivery_of("tripped", kill_payload(FAILING, killed()))))
    assert body["type"] == "kill_switch.tripped"
    assert {key: body["data"][key] for key in SWITCH} == SWITCH
    assert body["data"]["text"].startswith("KILLED chat-eu")


@pytest.mark.parametrize("event", ["tripped", "released"])
def test_a_kill_carries_exactly_the_fields_of_the_contract(event):
    body = json.loads(kill.encoded(delivery_of(event, SWITCH, "kill")))
    assert body == {
        "type": f"kill_switch.{event}",
        "timestamp": "2025-11-22T02:53:20.000Z",
        "data": SWITCH,
    }


def test_rule_8_what_postgres_refuses_is_replaced():
    odd = {"a\0": ["\ud800", float("nan"), float("inf"), 1.5, None, True], "b": {"c": "é"}}
    assert storable(odd) == {"a\ufffd": ["?", None, None, 1.5, None, True], "b": {"c": "é"}}
