"""The kinds of receivers: what each is, its settings, and what it can do. Loader, docs and notifier read this."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monitor.config.connection import kafka_name
from monitor.config.forms import DURATION, FLAG, TEXT, WHOLE, one_of_words, one_or_several
from monitor.config.model import Source
from monitor.config.receiver_settings import (
    OVER_HTTP,
    Setting,
    called,
    existing_file,
    hidden,
    host_name,
    mail_address,
    mail_addresses,
    plain,
    server_list,
    signing,
)
from monitor.config.secrets import any_text, routing_key, signing_secret
from monitor.config.section import Section
from monitor.config.values import duration, flag, is_loopback, one_of, text, whole

EVENTS: Final = frozenset({"opened", "escalated", "acknowledged", "resolved", "tripped", "released"})

SLACK_API: Final = "https://slack.com/api"
PAGERDUTY_URL: Final = "https://events.pagerduty.com/v2/enqueue"
TLS: Final = ("starttls", "ssl", "none")
SIGNS: Final = "it signs what is sent; make one with: openssl rand -base64 32"

Fits = Callable[[Section, Mapping[str, Any]], None]
"""Reports settings that do not go together."""


def _anything(section: Section, settings: Mapping[str, Any]) -> None:
    """All settings of this kind go together."""


@dataclass(frozen=True, slots=True)
class ReceiverKind:
    """One kind of receiver.

    `hears` are the events that mean something to it. With `until_resolved` a message opens something there that
    only a resolve ends, so nothing is sent without an incident that still fires; with `repeats` it ends there
    unless it is told again. Of the settings in `either` one must be there. With `connects` it has the keys of a
    connection to Kafka too, which `completed` takes from the source where they are left out.
    """

    name: str
    about: str
    settings: tuple[Setting, ...]
    fits: Fits = _anything
    hears: frozenset[str] = EVENTS
    until_resolved: bool = False
    repeats: bool = False
    either: tuple[str, ...] = ()
    connects: bool = False
    completed: Callable[[Mapping[str, Any], Source], Mapping[str, Any]] = lambda settings, source: settings


def _url_or_token(section: Section, settings: Mapping[str, Any]) -> None:
    by_url = "url" in section or "url_file" in section
    by_token = "token" in section or "token_file" in section
    if by_url and by_token:
        section.wrong(
            "url and token are both there", "an incoming webhook has a url, a bot has a token", at="url"
        )
    elif not by_url and not by_token and not section.misspelt("url", "token"):
        section.wrong(
            "`url` is missing",
            "an incoming webhook; or token and channel; or name a file that holds it with url_file",
        )
    if by_token and "channel" not in section:
        section.wrong("`channel` is missing", "a token needs one, best its id, such as C024BE91L")
    if by_url and "channel" in section:
        section.wrong(
            "channel has no effect with url", "a webhook has its own channel: remove it", at="channel"
        )


SLACK: Final = ReceiverKind(
    "slack",
    "a channel of Slack, by incoming webhook, or by token with one thread for each incident",
    (
        Setting("url", "an incoming webhook", called, secret=True),
        Setting("token", "a bot's token (xoxb-...) with chat:write", hidden(any_text), secret=True),
        Setting("channel", "where the bot posts, best the channel's id", plain(text)),
        Setting("api_url", "the web API", called, default=SLACK_API),
        *OVER_HTTP,
    ),
    fits=_url_or_token,
    either=("url", "token"),
)

PAGERDUTY: Final = ReceiverKind(
    "pagerduty",
    "a service of PagerDuty, by Events API v2",
    (
        Setting(
            "routing_key",
            "the integration key of Events API v2",
            hidden(routing_key),
            required=True,
            secret=True,
        ),
        Setting(
            "routing_key_previous",
            "the key before it, through which older incidents are ended",
            hidden(routing_key),
            secret=True,
        ),
        Setting(
            "url", "where events are sent; there is another for the EU region", called, default=PAGERDUTY_URL
        ),
        Setting(
            "change_events",
            "false: no change event for a new version of a model",
            plain(flag),
            form=FLAG,
            default=True,
        ),
        *OVER_HTTP,
    ),
    hears=EVENTS | {"changed"},
    until_resolved=True,
)

WEBHOOK: Final = ReceiverKind(
    "webhook",
    "any address, by HTTP POST, signed as Standard Webhooks say",
    (
        Setting("url", "where to send", called, required=True, secret=True),
        Setting("secret", SIGNS, signing, required=True, secret=True, form=one_or_several(TEXT)),
        Setting(
            "secret_previous",
            "the key before it, while receivers change",
            hidden(signing_secret),
            secret=True,
        ),
        *OVER_HTTP,
    ),
)

ALERTMANAGER: Final = ReceiverKind(
    "alertmanager",
    "Prometheus Alertmanager, told again and again until the incident has ended",
    (
        Setting("url", "its address, such as http://localhost:9093", called, required=True),
        Setting("token", "a bearer token, where a proxy asks for one", hidden(any_text), secret=True),
        Setting(
            "resend",
            "how often an alert is told again, at most 5m",
            plain(duration("1s", "5m")),
            form=DURATION,
            default="1m",
        ),
        *OVER_HTTP,
    ),
    hears=frozenset({"opened", "escalated", "tripped", "resolved"}),
    until_resolved=True,
    repeats=True,
)


def _login(section: Section, settings: Mapping[str, Any]) -> None:
    named = "username" in section
    secret = "password" in section or "password_file" in section
    if named != secret:
        section.wrong("username and password go together", "give both, or neither")
    host = settings.get("host")
    if secret and settings.get("tls") == "none" and host and not is_loopback(host):
        section.wrong(
            "the password would be sent for all to read", "write tls: starttls or tls: ssl", at="tls"
        )


EMAIL: Final = ReceiverKind(
    "email",
    "e-mail by SMTP, one thread for each incident",
    (
        Setting("host", "the SMTP server", plain(host_name), required=True),
        Setting(
            "port",
            "left out, 587; with `tls: ssl` 465, with `tls: none` 25",
            plain(whole(1, 65_535)),
            form=WHOLE,
        ),
        Setting("from", "the sender's address", plain(mail_address), required=True),
        Setting(
            "to", "an address, or a list of them", mail_addresses, required=True, form=one_or_several(TEXT)
        ),
        Setting(
            "tls",
            "how the connection is secured",
            plain(one_of(*TLS)),
            form=one_of_words(TLS),
            default=TLS[0],
        ),
        Setting("username", "where the server asks for a login", plain(text)),
        Setting("password", "of username", hidden(any_text), secret=True),
        Setting("ca_file", "certificates (PEM) of a private CA, beside the public ones", existing_file),
    ),
    fits=_login,
)


def _as_source(settings: Mapping[str, Any], source: Source) -> Mapping[str, Any]:
    """The source's own connection, unless the receiver names another Kafka or its own security."""
    own = dict(settings)
    if "bootstrap_servers" in own:
        return own
    client = {} if own.keys() - {"topic"} else source.client
    return {"bootstrap_servers": source.bootstrap_servers, **client, **own}


KAFKA: Final = ReceiverKind(
    "kafka",
    "a Kafka topic: the webhook's body, under the incident's id as its key",
    (
        Setting("topic", "the topic to write to", plain(kafka_name), required=True),
        Setting(
            "bootstrap_servers", "another Kafka than that of `source`", server_list, form=one_or_several(TEXT)
        ),
    ),
    connects=True,
    completed=_as_source,
)

LOG: Final = ReceiverKind("log", "a line in Tocsin's own log", ())

KINDS: Final[Mapping[str, ReceiverKind]] = {
    kind.name: kind for kind in (SLACK, PAGERDUTY, WEBHOOK, ALERTMANAGER, EMAIL, KAFKA, LOG)
}


def hears(kind: str, event: str) -> bool:
    """Whether `event` means anything to receivers of this kind; one that this program does not know hears all."""
    return kind not in KINDS or event in KINDS[kind].hears
