"""Slack by token: one thread for each incident, and Slack's own words for what passes and what does not."""

from dataclasses import replace

import pytest
from notify_parties import TOKEN, Answer
from test_receivers import message, refusal, senders  # noqa: F401

THREAD = {"channel": "C024BE91L", "ts": "1763780000.000100"}


def said(error):
    return Answer(200, f'{{"ok":false,"error":"{error}"}}'.encode())


def test_the_first_message_opens_the_thread_and_its_place_is_kept(senders, party):  # noqa: F811
    assert senders.send(message("bot")).receipt == THREAD
    (request,) = party.to("/slackapi/chat.postMessage")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.json["channel"] == "C024BE91L"
    assert "thread_ts" not in request.json
    assert request.json["text"].startswith("chat-eu: 96% of requests fail")


@pytest.mark.parametrize(
    ("event", "shown"), [("escalated", True), ("resolved", True), ("acknowledged", False)]
)
def test_later_messages_answer_in_the_thread(senders, party, event, shown):  # noqa: F811
    senders.send(message("bot", event, first=THREAD | {"channel": "C_BEFORE"}))
    (request,) = party.requests
    assert (request.json["thread_ts"], request.json["channel"]) == (THREAD["ts"], "C_BEFORE")
    assert request.json["reply_broadcast"] is shown


def test_where_the_thread_was_deleted_the_message_stands_for_itself(senders, party):  # noqa: F811
    party.first(said("thread_not_found"))
    assert senders.send(message("bot", "resolved", first=THREAD))
    first, second = party.requests
    assert "thread_ts" in first.json
    assert "thread_ts" not in second.json


@pytest.mark.parametrize("error", ["channel_not_found", "invalid_auth", "is_archived", "msg_blocks_too_long"])
def test_what_slack_will_never_take_is_final(senders, party, error):  # noqa: F811
    party.first(said(error))
    refused = refusal(senders, message("bot"))
    assert refused.permanent
    assert error in str(refused)


@pytest.mark.parametrize("error", ["internal_error", "ratelimited", "service_unavailable", "fatal_error"])
def test_what_passes_is_tried_again(senders, party, error):  # noqa: F811
    party.first(said(error))
    assert not refusal(senders, message("bot")).permanent


def test_a_fault_of_slack_passes_also_where_its_word_is_not_known(senders, party):  # noqa: F811
    party.first(Answer(503, b'{"ok":false,"error":"new_word"}'))
    assert not refusal(senders, message("bot")).permanent


def test_a_webhooks_rollup_error_passes_and_no_service_does_not(senders, party):  # noqa: F811
    party.first(Answer(500, b"rollup_error"), Answer(404, b"no_service"))
    assert not refusal(senders, message("slack")).permanent
    assert refusal(senders, replace(message("slack"))).permanent
