"""How the settings of a receiver are read: plain ones, secrets, addresses that are called."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from monitor.config.connection import servers
from monitor.config.forms import FLAG, TEXT, Form
from monitor.config.problem import WrongError
from monitor.config.secrets import (
    Check,
    outgoing,
    read_secret,
    refuse_both,
    signing_secret,
    warn_of_plain_text,
)
from monitor.config.section import Section, each
from monitor.config.tree import Node, Sequence
from monitor.config.values import file_path, flag, scalar, text, written

Read = Callable[[Section, "Setting", bool], Any]
"""The value of a setting; None where it is left out, wrong, or rests on a file that is not `needed`."""

MOST_SECRETS: Final = 5


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a receiver. A secret may also stand in a file of its own, under `<name>_file`.

    `form` is what the schema says of its value; `default` what its user takes where it is left out.
    """

    name: str
    about: str
    read: Read
    required: bool = False
    secret: bool = False
    form: Form = field(default_factory=lambda: TEXT)
    default: Any = None

    @property
    def in_file(self) -> bool:
        """Whether it may stand in a file of its own."""
        return self.secret or self.read is called


def plain(read: Callable[[Node], Any]) -> Read:
    """A value that is no secret."""

    def taken(section: Section, setting: Setting, needed: bool) -> Any:
        if setting.required:
            return section.must(setting.name, read, None, setting.about)
        return section.take(setting.name, read, None)

    return taken


def hidden(check: Check) -> Read:
    """One secret."""

    def taken(section: Section, setting: Setting, needed: bool) -> str | None:
        advice = setting.about if setting.required else ""
        return read_secret(section, setting.name, check, needed=needed, advice=advice) or None

    return taken


def called(section: Section, setting: Setting, needed: bool) -> str | None:
    """An address that is called: https, or http on this machine or with `allow_http`."""
    check = outgoing(allow_http=section.take("allow_http", flag, False))
    address: str | None = hidden(check)(section, setting, needed)
    return address


def signing(section: Section, setting: Setting, needed: bool) -> str | None:
    """A key that signs, or a list of them, the newest first; as one text, apart by spaces."""
    node = section.node.values.get(setting.name)
    if not isinstance(node, Sequence):
        found: str | None = hidden(signing_secret)(section, setting, needed)
        return found
    refuse_both(section, setting.name)
    listed = section.take(setting.name, partial(_several, section), ())
    return " ".join(listed) or None


def _several(section: Section, node: Node) -> tuple[str, ...]:
    if not isinstance(node, Sequence) or not 0 < len(node.items) <= MOST_SECRETS:
        raise WrongError(f"this must be one key or a list of at most {MOST_SECRETS}")
    for item in node.items:
        warn_of_plain_text(section, "secret", item)
    return each(node, _key, section.report)


def _key(node: Node) -> str:
    return signing_secret(scalar(node).text.strip())


def existing_file(section: Section, setting: Setting, needed: bool) -> str | None:
    """The path of a file, which must be there where it is needed."""
    path: str | None = section.take(setting.name, partial(file_path, needed=needed), None)
    return path


def host_name(node: Node) -> str:
    """A host by name or number, without a port."""
    host = text(node)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}|[0-9a-fA-F:.]{2,45}", host):
        raise WrongError(
            f"{written(scalar(node))} is not a host", "such as smtp.example.com; `port` stands by itself"
        )
    return host


def mail_address(node: Node) -> str:
    """One plain address."""
    address = text(node)
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}", address):
        raise WrongError("this is not an e-mail address", "such as oncall@example.com")
    return address


def mail_addresses(section: Section, setting: Setting, needed: bool) -> tuple[str, ...] | None:
    """One address or a list of them."""

    def read(node: Node) -> tuple[str, ...]:
        return each(node, mail_address, section.report)

    return section.must(setting.name, read, None, setting.about) or None


def server_list(section: Section, setting: Setting, needed: bool) -> str | None:
    """Kafka's servers, host:port with commas."""
    return section.take(setting.name, partial(servers, section), None)


OVER_HTTP: Final = (
    Setting(
        "allow_http", "true lets `url` be http:// outside this machine", plain(flag), form=FLAG, default=False
    ),
    Setting("ca_file", "certificates (PEM) of a private CA, beside the public ones", existing_file),
)
