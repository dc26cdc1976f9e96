"""E-mail, against a real SMTP server that refuses on demand."""

import email
import socket
import ssl
from contextlib import contextmanager
from email.policy import default
from types import SimpleNamespace

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from hypothesis import example, given, settings
from incident_facts import any_message, payload_of
from test_formats import LONG, delivery_of
from test_receivers import message, refusal

from monitor.local.ports import free_ports
from monitor.notify import email as sender
from monitor.notify.email import Email, mail

PASSWORD = "smtp-hunter2"
FIRST = "<abcdefghij@tocsin.example>"


class Box:
    """Keeps what comes; `answers` are given to the next messages, `refused` to addresses."""

    def __init__(self):
        self.kept, self.answers, self.refused = [], [], {}

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        self.kept.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 taken"


@contextmanager
def server_of(box, **options):
    class Here(Controller):
        def factory(self):
            return SMTP(box, **options)

    (port,) = free_ports(1)
    controller = Here(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.fixture
def box():
    return Box()


@pytest.fixture
def port(box):
    with server_of(box) as port:
        yield port


def settings_of(port, **changes):
    given = {"host": "127.0.0.1", "port": port, "from": "tocsin@tocsin.example", "to": ("a@x.example",)}
    return given | {"tls": "none"} | changes


def to(port, **changes):
    return Email(settings_of(port, **changes), "prod")


def test_a_message_comes_as_text_and_as_html(box, port):
    assert to(port).send(message("hook")).receipt == {"message_id": "<abcdefghij2345672345@tocsin.example>"}
    (kept,) = box.kept
    assert kept["Subject"] == "chat-eu: 96% of requests fail, was 0.4%"
    assert (kept["From"], kept["To"]) == ("tocsin@tocsin.example", "a@x.example")
    assert kept["Auto-Submitted"] == "auto-generated"
    assert "In-Reply-To" not in kept
    assert "tocsin ack k3v9q2m7ab" in kept.get_body(("plain",)).get_content()
    assert "<b>chat-eu: 96% of requests fail, was 0.4%</b>" in kept.get_body(("html",)).get_content()


def test_later_messages_answer_the_first(box, port):
    to(port).send(message("hook", "resolved", first={"message_id": FIRST}))
    (kept,) = box.kept
    assert kept["In-Reply-To"] == kept["References"] == FIRST
    assert kept["Subject"].startswith("RESOLVED chat-eu")


def test_what_is_sent_twice_has_one_id(box, port):
    for _ in range(2):
        to(port).send(message("hook"))
    assert len({kept["Message-ID"] for kept in box.kept}) == 1


@pytest.mark.parametrize(("answer", "permanent"), [("451 busy", False), ("554 5.7.1 spam", True)])
def test_4xx_passes_and_5xx_is_final(box, port, answer, permanent):
    box.answers = [answer]
    refused = refusal(to(port), message("hook"))
    assert (refused.permanent, refused.response) == (permanent, f"SMTP {answer}")


@pytest.mark.parametrize(("answer", "permanent"), [("450 later", False), ("550 nobody", True)])
def test_an_address_that_is_refused_is_told_although_others_took_it(box, port, answer, permanent):
    box.refused = {"b@x.example": answer}
    refused = refusal(to(port, to=("a@x.example", "b@x.example")), message("hook"))
    assert refused.permanent is permanent
    assert str(refused) == f"refused 1 of 2 addresses: b@x.example: {answer}"
    assert len(box.kept) == 1


def test_a_server_that_is_not_there_passes():
    assert not refusal(to(9), message("hook")).permanent


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(sender, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused = refusal(to(silent.getsockname()[1]), message("hook"))
    assert not refused.permanent
    assert "timed out" in str(refused)


def test_a_connection_that_is_cut_passes(box, port, monkeypatch):
    async def cut(server, session, envelope):
        server.transport.abort()
        return "250 OK"

    monkeypatch.setattr(box, "handle_DATA", cut, raising=False)
    assert not refusal(to(port), message("hook")).permanent


@pytest.fixture
def authority(tmp_path):
    made = trustme.CA()
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("127.0.0.1").configure_cert(context)
    return SimpleNamespace(context=context, ca_file=str(path))


def test_starttls_is_verified_and_then_used_to_log_in(box, authority):
    def known(server, session, envelope, mechanism, auth):
        return AuthResult(success=auth.password == PASSWORD.encode(), handled=False)

    options = {"tls_context": authority.context, "authenticator": known, "auth_required": True}
    with server_of(box, **options) as port:
        login = {"tls": "starttls", "username": "tocsin", "password": PASSWORD}
        unknown = refusal(to(port, **login), message("hook"))
        assert "no TLS that can be trusted" in str(unknown)
        assert not unknown.permanent
        assert to(port, **login, ca_file=authority.ca_file).send(message("hook"))
        wrong = refusal(to(port, **login | {"password": "wrong"}, ca_file=authority.ca_file), message("hook"))
        assert wrong.permanent
        assert wrong.response.startswith("SMTP 535")
    assert len(box.kept) == 1


def test_a_server_without_starttls_gets_nothing(box, port):
    refused = refusal(to(port, tls="starttls"), message("hook"))
    assert "STARTTLS" in str(refused)
    assert box.kept == []


def test_the_password_is_in_nothing_that_is_said(box, port):
    box.answers = [f"554 {PASSWORD} dG9jc2luAHNtdHAtaHVudGVyMg=="]
    receiver = to(port, password=PASSWORD)
    assert PASSWORD not in str(refusal(receiver, message("hook"))) + repr(receiver)


@settings(max_examples=200, deadline=None)
@given(any_message)
@example(("opened", payload_of(LONG)))
def test_every_incident_is_a_message_that_can_be_read_again(told):
    made = mail(delivery_of(*told), "tocsin@tocsin.example", ("a@x.example",))
    read = email.message_from_bytes(made.as_bytes(), policy=default)
    assert read["Subject"] is not None
    assert {part.get_content_type() for part in read.walk()} == {
        "multipart/alternative",
        "text/plain",
        "text/html",
    }
    assert "<!channel>" not in read.get_body(("html",)).get_content()
