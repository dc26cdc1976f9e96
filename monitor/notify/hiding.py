"""Secrets taken out of whatever is said of an attempt: errors, answers, logs."""

from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from monitor.notify.signing import PREFIX

HIDDEN: Final = "***"
_OPAQUE: Final = 12
"""Parts of an address as long as this may be secrets: Slack's are in the path, others' in the query."""


class Hider:
    """Replaces each of `secrets` by `***`, also where it comes in base64 or percent-encoded."""

    def __init__(self, secrets: Iterable[str]) -> None:
        given = {secret for secret in secrets if secret}
        shapes = {shape for secret in given for shape in _shapes(secret)}
        self._shapes = sorted(shapes, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for shape in self._shapes:
            text = text.replace(shape, HIDDEN)
        return text


def of_address(address: str) -> set[str]:
    """What is secret in an address that is called: the whole, its path, and its parts that look opaque."""
    parts = urlsplit(address)
    opaque = {p for p in parts.path.split("/") if len(p) >= _OPAQUE}
    opaque |= {value for _, value in parse_qsl(parts.query)}
    return {address} | opaque | ({parts.path} if len(parts.path) >= _OPAQUE else set())


def _shapes(secret: str) -> set[str]:
    bare = secret.removeprefix(PREFIX)
    return {secret, bare, quote(secret, safe=""), b64encode(secret.encode()).decode()}
