"""Standard Webhooks 1.0.0, against its published vector and the package that others verify with."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify_parties import SECRET
from standardwebhooks import Webhook, WebhookVerificationError
from svix.webhooks import Webhook as SvixWebhook

from monitor.errors import UsageError
from monitor.notify.signing import key_of, sign, signed_headers

OTHER = "whsec_" + base64.b64encode(b"k" * 32).decode()


def now() -> int:
    """The verifier reads the clock itself, and refuses what is five minutes old."""
    return int(datetime.now(UTC).timestamp())


def test_the_published_vector():
    signed = sign(key_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.dictionaries(st.text(), st.text()), st.binary(min_size=24, max_size=64))
def test_what_is_signed_verifies(content, key):
    secret = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps(content).encode()
    headers = signed_headers(secret, "msg1", now(), body)
    assert Webhook(secret).verify(body, headers) == content


def test_a_changed_body_does_not_verify():
    headers = signed_headers(SECRET, "msg1", now(), b'{"state": "tripped"}')
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(b'{"state": "released"}', headers)


def test_an_attempt_of_long_ago_does_not_verify():
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(b"{}", signed_headers(SECRET, "msg1", now() - 3_600, b"{}"))


@pytest.mark.parametrize("verifier", [Webhook, SvixWebhook])
@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_during_a_rotation_both_keys_verify_by_what_others_wrote(verifier, secret):
    headers = signed_headers(f"{OTHER} {SECRET}", "msg1", now(), b"{}")
    assert len(headers["webhook-signature"].split()) == 2
    verifier(secret).verify(b"{}", headers)


@pytest.mark.parametrize("verifier", [Webhook, SvixWebhook])
def test_after_a_rotation_the_old_key_verifies_no_more(verifier):
    with pytest.raises(WebhookVerificationError):
        verifier(SECRET).verify(b"{}", signed_headers(OTHER, "msg1", now(), b"{}"))


def test_without_a_secret_nothing_is_signed():
    unsigned = {"webhook-id": "msg1", "webhook-timestamp": "1614265330"}
    assert signed_headers("", "msg1", 1614265330, b"{}") == unsigned


@pytest.mark.parametrize(
    "secret", ["short", "whsec_" + base64.b64encode(b"k" * 23).decode(), "not base64!" * 4]
)
def test_a_key_that_is_none_is_refused_without_being_quoted(secret):
    with pytest.raises(UsageError) as refused:
        key_of(secret)
    assert secret not in str(refused.value)
