"""Secrets: in the file, or in a file of their own that is read only when a command needs it."""

import base64
import binascii
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from monitor.config.problem import UnsetError, WrongError
from monitor.config.section import Section
from monitor.config.tree import Node, Scalar
from monitor.config.values import is_loopback, is_web, scalar, text, written

MAX_BYTES: Final = 65_536

_HOLDS_SECRET: Final = re.compile(r"://[^/\s:@]*:[^/\s@]+@|\?|/[\w-]{16,}|hooks\.slack\.com")

Check = Callable[[str], str]
"""Returns the secret as it is used; raises `WrongError` without quoting it."""


def read_secret(
    section: Section, key: str, check: Check, *, needed: bool, advice: str = "", optional: bool = False
) -> str:
    """The value of `key`, or of the file that `<key>_file` names; "" where it is not needed or not there.

    With `advice`, leaving out both is a problem. An `optional` one may be `${NAME:-}`, which leaves it out.
    """
    in_file = refuse_both(section, key)
    if advice and key not in section and in_file not in section:
        section.wrong(f"`{key}` is missing", f"{advice}; or name a file that holds it with {in_file}")
    warn_of_plain_text(section, key, section.node.values.get(key))
    left_out = optional and _left_out(section.node.values.get(key))
    here = section.take(key, lambda node: "" if left_out else check(_one_line(node)), "")
    there = section.take(in_file, lambda node: check(_content(node, needed=needed)), "")
    return here or there


def refuse_both(section: Section, key: str) -> str:
    """The key that names a secret's file; it cannot stand beside the secret."""
    in_file = f"{key}_file"
    section.asked.add(in_file)
    if key in section and in_file in section:
        section.wrong(f"{key} and {in_file} are both there", "remove one", at=in_file)
    return in_file


def warn_of_plain_text(section: Section, key: str, node: Node | None) -> None:
    """Notes a secret that stands in the file itself; of addresses only those that look as if they held one."""
    if not isinstance(node, Scalar) or node.empty or "${" in node.raw:
        return
    if key.endswith("url") and not _HOLDS_SECRET.search(node.raw):
        return
    section.report.warn(
        node.place,
        node.path,
        "this secret can be read by whoever can read this file",
        f"write ${{NAME}}, or name a file that holds it with {key}_file",
    )


def _left_out(node: Node | None) -> bool:
    return isinstance(node, Scalar) and not node.text and node.raw.endswith(":-}")


def _one_line(node: Node) -> str:
    value = scalar(node)
    if not value.text.strip():
        raise WrongError(
            "this is empty", "" if value.raw == value.text else "the variable is set, but to nothing"
        )
    return _clean(value.text)


def _clean(value: str) -> str:
    value = value.strip()
    if len(value) > MAX_BYTES or any(not c.isprintable() for c in value):
        raise WrongError("this must be one line of printable characters")
    return value


def _content(node: Node, *, needed: bool) -> str:
    name = text(node)
    if not needed:
        raise UnsetError
    try:
        with Path(name).expanduser().open("rb") as file:
            content = file.read(MAX_BYTES + 1).decode()
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise WrongError(f"the file {written(scalar(node))} cannot be read: {str(why).lower()}") from None
    if not content.strip():
        raise WrongError(f"the file {written(scalar(node))} is empty")
    return _clean(content)


def any_text(value: str) -> str:
    """A secret of no particular form."""
    return value


def web_address(value: str) -> str:
    """An address of http or https."""
    if not is_web(value):
        raise WrongError("this is not a web address", "it begins with https://")
    return value


def outgoing(*, allow_http: bool) -> Check:
    """A check of addresses that are called: https, or http on this machine or where it is allowed."""

    def check(value: str) -> str:
        parts = urlsplit(web_address(value))
        if parts.username is not None or parts.password is not None:
            raise WrongError(
                "there is a user or a password in this address", "an address is shown and logged by others"
            )
        if parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname or ""):
            raise WrongError(
                "what goes by http can be read and changed on its way",
                "write https://, or allow_http: true beside it",
            )
        return value

    return check


def database_url(value: str) -> str:
    """A SQLAlchemy URL of PostgreSQL; `postgres://` is taken for `postgresql://`."""
    scheme, found, rest = value.partition("://")
    if not found or scheme.partition("+")[0] not in ("postgresql", "postgres") or not rest:
        raise WrongError(
            "this is not the address of a PostgreSQL database",
            "write postgresql://user:password@host/database",
        )
    if rest.partition("?")[0].count("@") > 1:
        # Else a part of the password would be taken for the host, and be shown as such.
        raise WrongError("there is more than one @ in this address", "write one in the password as %40")
    dialect, plus, driver = scheme.partition("+")
    return f"postgresql{plus}{driver}://{rest}" if dialect == "postgres" else value


def signing_secret(value: str) -> str:
    """A key of Standard Webhooks: base64 of 24 to 64 bytes, with or without `whsec_`."""
    try:
        size = len(base64.b64decode(value.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not 24 <= size <= 64:
        raise WrongError(
            "this is not a signing key: base64 of 24 to 64 bytes", "make one with: openssl rand -base64 32"
        )
    return value


def routing_key(value: str) -> str:
    """An integration key of PagerDuty."""
    if len(value) != 32 or not value.isalnum():
        raise WrongError("this is not an integration key: PagerDuty's have 32 letters and digits")
    return value
