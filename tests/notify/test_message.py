"""The words of the contract, section 6."""

import pytest
from incident_facts import BASE, FAILING, GERMAN, SWITCH, at, kill_payload, killed, payload_of
from msgspec.structs import replace

from monitor.ledger.facts import Budget, Coverage, Facts, stored_facts
from monitor.notify.message import Message, compose


def typed(message: Message) -> tuple[str, ...]:
    return tuple(map(str, message.commands))


def test_an_opened_incident_says_what_since_when_how_much_and_what_to_type():
    labelled = replace(GERMAN, labels={"model": "chat-eu"})
    message = compose("opened", payload_of(labelled, switch_state="released"))
    assert message.headline == "chat-eu: 31% of answers are German, was 2%"
    assert message.story == (
        "Began 02:51:20 UTC, 40 s after version v42 first appeared; v42: 58% German, v41: 2%. "
        "Still going: 4,310 of 13,900 answers."
    )
    assert " · ".join(message.context) == (
        "Rule language (warning) · at least +24 pp · reference #77 of 10,000 answers, 8-14 Nov · prod-eu · "
        "traces t1, t2, t3 · switch chat serving"
    )
    assert typed(message) == (
        "tocsin ack k3v9q2m7ab",
        "meant to be so: tocsin accept k3v9q2m7ab",
        "tocsin silence add model=chat-eu --for 2h",
        "SELECT * FROM tocsin.timeline WHERE incident_id = 'k3v9q2m7ab'",
    )
    assert message.links == (("Runbook", "https://wiki.corp/runbooks/language"),)


def test_a_link_to_the_incident_is_filled_in_and_left_out_of_what_has_none():
    linked = replace(GERMAN, links=(("Incident", "https://t.corp/incidents/{incident_id}"),), runbook=None)
    assert compose("opened", payload_of(linked)).links == (
        ("Incident", "https://t.corp/incidents/k3v9q2m7ab"),
    )
    assert compose("opened", payload_of(linked) | {"incident_id": None}).links == ()


def test_what_has_no_reference_an_absolute_limit_or_was_killed_is_not_meant_to_be_so():
    beyond = compose("opened", payload_of(replace(GERMAN, reference_id=None)))
    absolute = compose("opened", payload_of(replace(GERMAN, tolerance="10%")))
    pulled = compose("opened", payload_of(GERMAN, switch_state="tripped"))
    assert not any("accept" in command for command in (*typed(beyond), *typed(absolute), *typed(pulled)))


@pytest.mark.parametrize(
    ("model", "matcher"),
    [("my model", "'model=my model'"), ("a,b", "'model=a[,]b'"), ("m[1]", "'model=m[[]1]'")],
)
def test_the_silence_to_type_is_of_that_very_model(model, matcher):
    message = compose("opened", payload_of(replace(GERMAN, labels={"model": model})))
    assert f"tocsin silence add {matcher} --for 2h" in typed(message)


def test_a_reference_by_the_hour_says_which_hour():
    monday, any_day = (
        compose("opened", payload_of(replace(GERMAN, reference_hours=hours))).context
        for hours in ((3,), (3, 27, 51, 75, 99, 123, 147))
    )
    assert "reference #77 of 10,000 answers, 8-14 Nov, Mondays 03:00-04:00 UTC" in monday
    assert "reference #77 of 10,000 answers, 8-14 Nov, 03:00-04:00 UTC" in any_day


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (0.41, " 41% of the error budget of 30 d is left."),
        (0.0, " 0% of the error budget of 30 d is left."),
        (-0.2, " The error budget of 30 d is overspent by 20%."),
    ],
)
def test_an_objective_says_what_is_left_of_its_budget(left, said):
    burning = Facts(
        **BASE
        | {"kind": "objective", "signal": "error", "quantity": "rate", "observed": 0.2, "guaranteed": False}
        | {"tolerance": "14.4x in 1h/5m", "affected": 200, "total": 1_000, "window_ms": 3_600_000}
        | {"budget": Budget(target=0.99, over_ms=30 * 86_400_000, left=left)}
    )
    message = compose("opened", payload_of(burning))
    assert message.story == f"Began 02:51:20 UTC. Still going: 200 of 1,000 requests.{said}"
    assert "limit 14.4x in 1h/5m" in message.context
    assert "outside the false-alarm promise" in message.context


WRONG = Facts(
    **BASE
    | {
        "signal": "incorrect",
        "quantity": "rate",
        "observed": 0.3,
        "reference": 0.1,
        "affected": 30,
        "total": 100,
    }
)


@pytest.mark.parametrize(
    ("signal", "coverage", "said"),
    [
        ("incorrect", Coverage(share=0.12, before=0.4), " Labels for 12% of answers, was 40%."),
        ("incorrect", Coverage(share=0.12), " Labels for 12% of answers."),
        ("abs_error", Coverage(share=0.5, before=0.5), " Labels for 50% of answers, was 50%."),
        (
            "confidence",
            Coverage(share=0.91, before=1, withheld=0.09),
            " Confidence for 91% of answers, was 100%; 9% withheld.",
        ),
        ("negative_feedback", Coverage(share=0.031, before=0.029), " Ratings for 3.1% of answers, was 2.9%."),
        ("score", Coverage(share=1, before=1), ""),
        ("score", None, ""),
    ],
)
def test_an_incident_says_how_many_answers_it_could_speak_of(signal, coverage, said):
    facts = Facts(**BASE | {"signal": signal, "quantity": "rate", "observed": 0.3, "coverage": coverage})
    assert compose("opened", payload_of(facts)).story == f"Began 02:51:20 UTC.{said}"


def test_a_kill_for_wrong_answers_says_how_many_had_a_label():
    facts = replace(WRONG, coverage=Coverage(share=0.12, before=0.4))
    story = compose("tripped", kill_payload(facts, killed())).story
    assert story.endswith(
        "30 of 100 predictions were affected before it. Labels for 12% of answers, was 40%."
    )


def test_a_confirmed_kill_says_who_when_and_how_to_release():
    message = compose(
        "tripped",
        kill_payload(
            FAILING,
            killed(),
        )
        | {"acknowledged_at": None},
    )
    assert message.headline == "KILLED chat-eu: 96% of requests fail, was 0.4%"
    assert message.story == (
        "Began 03:11:51 UTC; switch chat tripped 03:12:03 UTC by errors: degrade to rules-v3, "
        "confirmed 03:12:04 UTC (HTTP 200). 1,539 of 1,603 failed before it, 143 users."
    )
    assert typed(message)[:3] == (
        "tocsin kill status",
        "tocsin kill release chat --reason ...",
        "tocsin ack k3v9q2m7ab",
    )


def test_a_kill_without_an_answer_is_shouted():
    kill = killed("unconfirmed", response="answered HTTP 503", attempts=4)
    message = compose("tripped", kill_payload(FAILING, kill))
    assert message.headline == "KILL NOT CONFIRMED chat-eu: 96% of requests fail, was 0.4%"
    assert "failed 4 times (answered HTTP 503); still serving as far as is known; retrying" in message.story


def test_a_kill_by_hand_stands_for_itself():
    kill = killed("confirmed", reason="it lies", actor="ann")
    message = compose("tripped", {"kill": stored_facts(kill), "switch": SWITCH})
    assert message.headline == "KILLED chat-eu: it lies"
    assert message.story.startswith("Switch chat tripped 03:12:03 UTC by ann: degrade to rules-v3, confirmed")
    assert typed(message) == ("tocsin kill status", "tocsin kill release chat --reason ...")


def test_a_release_says_who_and_why():
    kill = killed("released", reason="false alarm", actor="ann", confirmed_ms=at("03:20:01"))
    message = compose("released", kill_payload(FAILING, kill))
    assert message.headline == "RELEASED switch chat: false alarm"
    assert message.story.endswith("released 03:12:03 UTC by ann, confirmed 03:20:01 UTC (HTTP 200).")
    assert not any("release" in command for command in typed(message))


def test_a_held_kill_says_why_and_offers_no_release():
    held = killed("held_by_guard", reason="The guard allows 1")
    message = compose("escalated", kill_payload(FAILING, held))
    assert message.headline.startswith("KILL HELD BACK chat-eu:")
    assert "The guard allows 1" in message.story
    assert not any("release" in command for command in typed(message))


def test_an_escalation_shouts_the_new_severity():
    worse = Facts(**BASE | {"severity": "critical", "signal": "error", "quantity": "rate", "observed": 0.5})
    assert compose("escalated", payload_of(worse)).headline == "NOW CRITICAL chat-eu: 50% of requests fail"


def test_a_resolve_says_how_much_it_was_and_offers_no_ack():
    ended = {"state": "resolved", "resolved_at": "2026-11-22T03:20:00.000Z"}
    message = compose("resolved", payload_of(GERMAN, **ended))
    assert message.headline == "RESOLVED chat-eu: 31% of answers are German, was 2%"
    assert message.story == (
        "Began 02:51:20 UTC, ended 2026-11-22 03:20:00 UTC. In all: 4,310 of 13,900 answers."
    )
    assert not any("ack" in command for command in typed(message))


def test_an_incident_of_a_removed_rule_says_so():
    message = compose("resolved", payload_of(GERMAN, state="expired"))
    assert message.headline.startswith("CLOSED chat-eu")
    assert "Its rule was removed from alerts.yaml." in message.story


def test_an_acknowledgement_names_the_person():
    message = compose("acknowledged", payload_of(GERMAN, acknowledged_by="ann"))
    assert message.headline.startswith("ACKNOWLEDGED by ann · chat-eu")


def test_what_carries_no_promise_says_so():
    watched = Facts(**BASE | {"signal": "error", "quantity": "rate", "observed": 0.5, "guaranteed": False})
    assert "outside the false-alarm promise" in compose("opened", payload_of(watched)).context
    young = Facts(**BASE | {"signal": "error", "quantity": "rate", "observed": 0.5, "provisional": True})
    assert "reference still provisional" in compose("opened", payload_of(young)).context


def test_the_date_is_given_where_the_alarm_came_on_another_day():
    late = Facts(**BASE | {"signal": "error", "quantity": "rate", "observed": 0.5, "onset_ms": 1_000})
    assert compose("opened", payload_of(late)).story.startswith("Began 1 Jan 00:00:01 UTC")


def test_a_runbook_that_is_no_web_address_is_no_link():
    odd = Facts(**BASE | {"signal": "error", "observed": 0.5, "runbook": "javascript:alert(1)"})
    message = compose("opened", payload_of(odd))
    assert message.links == ()
    assert "runbook javascript:alert(1)" in message.context


@pytest.mark.parametrize(
    ("event", "more", "headline"),
    [
        ("opened", {"joined": True}, "ALSO chat-eu: 31% of answers are German, was 2%"),
        ("opened", {"again": True}, "STILL FIRING chat-eu: 31% of answers are German, was 2%"),
        ("opened", {"back": True}, "BACK chat-eu: 31% of answers are German, was 2%"),
        (
            "opened",
            {"digest": {"n": 3}, "also_n": 2},
            "FOUND LATE chat-eu: 31% of answers are German, was 2% (and 2 more)",
        ),
        (
            "resolved",
            {"left": 2},
            "RESOLVED chat-eu: 31% of answers are German, was 2% (2 of this page still firing)",
        ),
    ],
)
def test_a_headline_says_how_an_incident_comes_to_be_told(event, more, headline):
    assert compose(event, payload_of(GERMAN, **more)).headline == headline


def test_a_page_names_what_began_with_it():
    also = [{"summary": f"chat-{i}: no records for 2 min"} for i in range(9)]
    story = compose("opened", payload_of(GERMAN, also=also, also_n=9)).story
    assert story.endswith(" Also: " + "; ".join(each["summary"] for each in also[:5]) + ".")


def test_tocsins_own_incidents_cannot_be_silenced():
    internal = replace(GERMAN, kind="internal", title="Tocsin is behind the topic")
    assert [c for c in typed(compose("opened", payload_of(internal))) if "silence" in c] == []
