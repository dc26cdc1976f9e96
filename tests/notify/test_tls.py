"""TLS to receivers: verified by the public CAs, or by a private one that alerts.yaml names."""

import ssl
from contextlib import contextmanager

import pytest
import trustme
from notify_parties import running_party

from monitor.errors import DeliveryError, UsageError
from monitor.notify.http import Http


@contextmanager
def party_of(authority, name="127.0.0.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    with running_party(context) as party:
        yield party


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def test_a_certificate_of_nobody_known_is_refused_and_nothing_is_sent(authority):
    with party_of(authority) as party:
        client = Http()
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED") as refused:
            client.post(f"{party.url}/slack", b"{}")
        client.close()
    assert not refused.value.permanent
    assert party.requests == []


def test_a_private_authority_is_trusted_where_alerts_yaml_names_it(authority, ca_file):
    with party_of(authority) as party:
        client = Http(ca_file=ca_file)
        assert client.post(f"{party.url}/slack", b"{}").body == "ok"
        client.close()


def test_a_certificate_for_another_name_is_refused(authority, ca_file):
    with party_of(authority, "elsewhere.example") as party:
        client = Http(ca_file=ca_file)
        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
            client.post(f"{party.url}/slack", b"{}")
        client.close()


def test_a_file_without_certificates_is_one_sentence(tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(UsageError, match="ca_file holds no certificates that can be read"):
        Http(ca_file=str(tmp_path / "empty.pem"))
