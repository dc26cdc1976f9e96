"""Whom to tell: `receivers`."""

from typing import Final

from monitor.config.model import Receiver
from monitor.config.problem import listed
from monitor.config.secrets import read_secret, routing_key, signing_secret, web_address
from monitor.config.section import Section
from monitor.config.values import link

KINDS: Final = ("slack", "pagerduty", "webhook")
PLANNED_KINDS: Final = frozenset({"alertmanager", "email", "teams", "opsgenie", "discord", "telegram"})


def read_receivers(root: Section, *, needed: bool) -> dict[str, Receiver]:
    """Receivers by name; a wrong one is there too, so that rules may name it."""
    found = {}
    for name, section in root.children("receivers"):
        printable(name, section)
        kinds = [kind for kind in section.node.values if kind in KINDS]
        section.asked.update(KINDS)
        if not section.node.values.keys() & (PLANNED_KINDS | set(KINDS)) and not section.misspelt(*KINDS):
            section.wrong(f"a receiver is {listed(KINDS, 'or')}", "such as slack: {url: ...}")
        if len(kinds) > 1:
            section.wrong(
                f"a receiver is one of {listed(KINDS)}, this one is {listed(kinds)}", "make two of it"
            )
        settings = _settings(section, kinds[0], needed=needed) if kinds else {}
        section.close(PLANNED_KINDS)
        found[name] = Receiver(name, kinds[0] if kinds else "", settings)
    return found


def printable(name: str, section: Section) -> None:
    """Reports a name that cannot stand in messages and commands."""
    if not 0 < len(name.encode()) <= 100 or not name.isprintable() or any(c in " {}" for c in name):
        section.wrong(
            "this name has blanks, braces or characters that cannot be printed", "letters, digits and -"
        )


def _settings(outer: Section, kind: str, *, needed: bool) -> dict[str, str]:
    section = outer.inner(kind)
    if section is None:
        outer.wrong(f"{kind} has no settings", "such as url: ...", at=kind)
        return {}
    settings = {}
    if kind == "pagerduty":
        settings["routing_key"] = read_secret(
            section, "routing_key", routing_key, needed=needed, advice="the integration key of Events API v2"
        )
        settings["url"] = section.take("url", link, "")
    else:
        settings["url"] = read_secret(section, "url", web_address, needed=needed, advice="where to send")
    if kind == "webhook":
        settings["secret"] = signing(section, needed=needed)
    section.close(frozenset({"mention"}))
    return {key: value for key, value in settings.items() if value}


def signing(section: Section, *, needed: bool) -> str:
    """The secret of a signed webhook; leaving it out is a problem."""
    advice = "it signs what is sent; make one with: openssl rand -base64 32"
    return read_secret(section, "secret", signing_secret, needed=needed, advice=advice)
