"""E-mail by SMTP: text and simple HTML, one thread for each incident."""

import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime
from html import escape
from typing import Any, Final

from monitor.errors import DeliveryError
from monitor.ledger.moments import moment
from monitor.ledger.wording import clip
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.hiding import Hider
from monitor.notify.message import Message, compose
from monitor.tls import tls

TIMEOUT_S: Final = 15.0
SUBJECT: Final = 200
PORTS: Final[Mapping[str, int]] = {"starttls": 587, "ssl": 465, "none": 25}


class Email:
    """Sends through one SMTP server; taken is every address accepted."""

    def __init__(self, settings: Mapping[str, Any], env: str) -> None:
        self._host, self._tls = settings["host"], settings.get("tls", "starttls")
        self._port = settings.get("port") or PORTS[self._tls]
        self._from, self._to = settings["from"], tuple(settings["to"])
        self._username, self._password = settings.get("username", ""), settings.get("password", "")
        self._context = tls(settings.get("ca_file"))
        self._hide = Hider([self._password, f"\0{self._username}\0{self._password}"])

    def send(self, delivery: Delivery) -> Taken:
        """Hand the message to the server; raises DeliveryError."""
        message = mail(delivery, self._from, self._to)
        try:
            with self._connected() as server:
                refused = server.send_message(message, self._from, self._to)
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refused(error.recipients) from None
        except smtplib.SMTPResponseException as error:
            raise self._answered(error.smtp_code, error.smtp_error) from None
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(self._hide(_reason(error)), permanent=False) from None
        if refused:
            raise self._refused(refused)
        return Taken("accepted", {"message_id": str(message["Message-ID"])})

    def close(self) -> None:
        """Nothing stays open between messages."""

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        if self._tls == "ssl":
            made: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=TIMEOUT_S, context=self._context
            )
        else:
            made = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        with made as server:
            if self._tls == "starttls":
                server.starttls(context=self._context)
            if self._username:
                server.login(self._username, self._password)
            yield server

    def _answered(self, code: int, said: bytes | str) -> DeliveryError:
        shown = self._hide(f"SMTP {code} {_text(said)}")
        return DeliveryError(f"answered {shown}", permanent=code >= 500, response=shown)

    def _refused(self, refused: Mapping[str, tuple[int, bytes]]) -> DeliveryError:
        """Some addresses or all were refused; an address that may be taken later has all tried again."""
        said = ", ".join(f"{address}: {code} {_text(why)}" for address, (code, why) in refused.items())
        shown = self._hide(clip(f"refused {len(refused)} of {len(self._to)} addresses: {said}", 200))
        return DeliveryError(
            shown, permanent=all(code >= 500 for code, _ in refused.values()), response=shown
        )


def mail(delivery: Delivery, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """The message; the id is the delivery's, so that what comes twice is one to a client that looks."""
    told = compose(delivery.event, delivery.payload)
    domain = sender.rpartition("@")[2]
    message = EmailMessage(policy=WIRE)
    message["From"], message["To"] = sender, ", ".join(to)
    message["Subject"] = clip(_line(told.headline), SUBJECT)
    message["Date"] = format_datetime(moment(delivery.created_ms))
    message["Message-ID"] = f"<{delivery.delivery_id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    first = delivery.first.get("message_id")
    if first and first != message["Message-ID"]:
        message["In-Reply-To"] = message["References"] = first
    message.set_content(_wire(told.text))
    message.add_alternative(_wire(html(told)), subtype="html")
    return message


def html(told: Message) -> str:
    """The message in the HTML that every client shows."""
    links = " · ".join(f'<a href="{escape(to)}">{escape(label)}</a>' for label, to in told.links)
    parts = [
        f"<p><b>{escape(told.headline)}</b></p>",
        f"<p>{escape(told.story)}</p>" if told.story else "",
        f"<p>{escape(' · '.join(told.context))}</p>" if told.context else "",
        *(f"<p>{escape(c.lead)}<code>{escape(c.typed)}</code></p>" for c in told.commands),
        f"<p>{links}</p>" if links else "",
    ]
    return "<html><body>" + "\n".join(part for part in parts if part) + "</body></html>"


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _wire(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def _text(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return clip(_line(" ".join(text.split())), 160)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {TIMEOUT_S:.0f} s"
    if isinstance(error, ssl.SSLError):
        return f"no TLS that can be trusted: {clip(str(error), 160)}"
    return f"no answer: {clip(str(error), 160) or type(error).__name__}"
