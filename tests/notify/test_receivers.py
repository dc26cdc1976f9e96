"""One contract for all receivers: what each answer means, and what is never done."""

import itertools
import ssl
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from incident_facts import FAILING, SWITCH, payload_of
from notify_parties import AM_TOKEN, OK, ROUTING_KEY, SECRET, TOKEN, Answer, config_for
from standardwebhooks import Webhook as Verifier
from test_formats import delivery_of

from monitor.config import receiver_kinds
from monitor.errors import DeliveryError, UsageError
from monitor.notify import http
from monitor.notify.senders import KINDS as SENDERS
from monitor.notify.senders import Senders

PATHS = {
    "slack": "slack",
    "bot": "slackapi",
    "hook": "webhook",
    "pager": "pagerduty",
    "am": "alertmanager",
    "chat": "kill",
}
ANY_2XX = ("hook", "chat")
SECRETS = {"pager": ROUTING_KEY, "bot": TOKEN, "am": AM_TOKEN, "hook": SECRET, "chat": SECRET}
ELSEWHERE = {"email": "test_email.py", "kafka": "test_kafka_topic.py", "log": "test_plain_log.py"}


@pytest.fixture
def senders(config):
    made = Senders(config)
    yield made
    made.close()


def message(name, event="opened", **changes):
    if name == "chat":
        return replace(delivery_of("tripped", SWITCH), receiver=name, kind="kill", **changes)
    return replace(delivery_of(event, payload_of(FAILING)), receiver=name, kind=PATHS[name], **changes)


@pytest.fixture(params=PATHS)
def sent(request):
    """A message for each kind of receiver that is reached by HTTP."""
    return message(request.param)


def refusal(senders, sent):
    with pytest.raises(DeliveryError) as refused:
        senders.send(sent)
    return refused.value


def test_every_kind_of_receiver_keeps_the_contract_here_or_in_a_file_of_its_own(config):
    here = {config.receivers[name].kind for name in PATHS if name in config.receivers}
    assert here | ELSEWHERE.keys() == receiver_kinds.KINDS.keys() == SENDERS.keys()
    assert not here & ELSEWHERE.keys()
    assert all(Path(__file__).with_name(file).is_file() for file in ELSEWHERE.values())


def test_what_the_receiver_takes_is_delivered_in_one_request(senders, party, sent):
    assert senders.send(sent).response.startswith(f"HTTP {OK[PATHS[sent.receiver]][0]}")
    (request,) = party.requests
    assert request.headers["content-type"].startswith("application/json")
    assert request.headers["user-agent"] == "tocsin"
    assert request.json


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_load_and_faults_pass(senders, party, sent, status):
    party.first(Answer(status, b"busy"))
    error = refusal(senders, sent)
    assert (error.permanent, error.response) == (False, f"HTTP {status} busy")


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_client_error_is_final_where_the_protocol_says_so(senders, party, sent, status):
    party.first(Answer(status, b"invalid_payload"))
    assert refusal(senders, sent).permanent is (sent.receiver not in ANY_2XX)


def test_gone_is_final_for_all_but_a_kill(senders, party, sent):
    party.first(Answer(410, b"channel_is_archived"))
    assert refusal(senders, sent).permanent is (sent.receiver != "chat")


def test_a_wish_to_wait_is_passed_on(senders, party, sent):
    party.first(Answer(429, b"", {"retry-after": "120"}))
    assert refusal(senders, sent).retry_after_s == 120


def test_pagerduty_is_left_alone_for_a_minute_when_it_asks_for_less(senders, party):
    party.first(Answer(429, b""))
    assert refusal(senders, message("pager")).retry_after_s == 60


def test_a_redirect_is_not_followed(senders, party, sent):
    party.first(Answer(307, b"", {"location": f"{party.url}/elsewhere"}))
    error = refusal(senders, sent)
    assert "redirects are not followed" in str(error)
    assert len(party.requests) == 1


def test_an_empty_2xx_is_not_taken_for_what_the_protocol_says(senders, party, sent):
    party.first(Answer(200, b"<html>please log in</html>"))
    if sent.receiver in ANY_2XX:
        assert senders.send(sent)
        return
    assert refusal(senders, sent).permanent is False


@pytest.mark.parametrize("body", [b"OK", b"ok\n", b"", b"rollup_error"])
def test_slack_takes_a_message_with_exactly_ok(senders, party, body):
    party.first(Answer(200, body))
    assert refusal(senders, message("slack")).permanent is False


def test_a_cut_connection_passes(senders, party, sent):
    party.first(Answer(200, cut=True))
    assert refusal(senders, sent).permanent is False


def test_a_receiver_that_is_not_there_passes(tmp_path, sent):
    nowhere = Senders(config_for(tmp_path, "http://127.0.0.1:9"))
    error = refusal(nowhere, sent)
    assert error.permanent is False
    assert "no answer" in str(error)
    nowhere.close()


def test_a_receiver_that_hangs_is_given_up(monkeypatch, tmp_path, party, sent):
    monkeypatch.setattr(http.httpx, "Timeout", lambda *args, **kwargs: 0.2)
    released = threading.Event()
    party.first(Answer(200, hold=released))
    senders = Senders(config_for(tmp_path, party.url))
    error = refusal(senders, sent)
    released.set()
    senders.close()
    assert error.permanent is False
    assert "ReadTimeout" in str(error)


def test_an_answer_that_drips_beyond_the_deadline_is_given_up(party):
    clock = itertools.count(0, 100)
    slow = http.Http(monotonic=lambda: next(clock))
    with pytest.raises(DeliveryError, match="no answer in 15 s") as late:
        slow.post(f"{party.url}/slack", b"{}")
    slow.close()
    assert late.value.permanent is False


def test_a_kills_webhook_that_hangs_is_given_up_after_5_s_and_says_so(senders, party):
    hanging = threading.Event()
    party.first(Answer(200, hold=hanging))
    begun = time.monotonic()
    error = refusal(senders, message("chat"))
    took_s = time.monotonic() - begun
    hanging.set()
    assert str(error) == "no answer in 5 s (ReadTimeout)"
    assert 4.5 < took_s < 8


def test_an_endless_answer_is_cut_at_64_kib(senders, party, sent):
    party.first(Answer(500, b"x" * 5_000_000))
    assert len(refusal(senders, sent).response) <= 200


def test_rule_8_an_answer_with_a_nul_can_be_stored(senders, party, sent):
    party.first(Answer(500, b"\x00\xff"))
    assert "\0" not in refusal(senders, sent).response


def test_no_secret_is_in_what_is_said_of_a_failure(senders, party, sent):
    def parrot(request):
        said = [f"{party.url}{request.path}", request.headers.get("authorization", ""), ROUTING_KEY, SECRET]
        return Answer(400, " ".join(said).encode())

    party.answer = parrot
    error = refusal(senders, sent)
    told = str(error) + error.response + repr(error) + repr(error.__cause__)
    assert SECRETS.get(sent.receiver, f"{party.url}/slack") not in told


def test_no_secret_is_in_what_a_configuration_looks_like(config):
    shown = repr(config) + repr(Senders(config).__dict__)
    assert not [secret for secret in SECRETS.values() if secret in shown]
    assert config.receivers["slack"].settings["url"] not in shown


def test_each_attempt_is_signed_anew_under_the_same_id(senders, party):
    for name in ("hook", "chat"):
        sent = message(name)
        for _ in range(2):
            senders.send(sent)
        one, two = party.requests[-2:]
        assert one.id == two.id == sent.delivery_id
        assert one.body == two.body
        for request in (one, two):
            assert Verifier(SECRET).verify(request.body, request.headers)["data"]


def test_a_receiver_that_alerts_yaml_does_not_name_may_be_known_to_another_replica(senders):
    unknown = replace(delivery_of("opened", payload_of(FAILING)), receiver="gone")
    assert refusal(senders, unknown).permanent is False


def test_a_secret_that_cannot_sign_is_refused_at_the_start(config):
    hook = replace(config.receivers["hook"], settings={"url": "http://127.0.0.1:9", "secret": "weak"})
    with pytest.raises(UsageError, match=r"receivers\.hook: a webhook's secret must be") as refused:
        Senders(replace(config, receivers={"hook": hook}))
    assert "weak" not in str(refused.value)


def test_a_receiver_without_an_address_is_refused_at_the_start(config):
    slack = replace(config.receivers["slack"], settings={})
    with pytest.raises(UsageError, match=r"receivers\.slack: url is missing, or token and channel"):
        Senders(replace(config, receivers={"slack": slack}))


def test_tls_is_verified():
    context = http.tls()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("7", 7.0), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)]
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert http._retry_after_s(header) == seconds
