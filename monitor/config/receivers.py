"""Whom to tell: `receivers`."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

from monitor.config.connection import kafka_name, read_client, servers
from monitor.config.model import Receiver, Source
from monitor.config.problem import listed
from monitor.config.receiver_kinds import KAFKA, KINDS, SLACK, WEBHOOK, ReceiverKind
from monitor.config.section import Section

PLANNED_KINDS: Final = frozenset({"teams", "opsgenie", "discord", "telegram"})


def read_receivers(root: Section, source: Source, *, needed: bool) -> dict[str, Receiver]:
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
        settings = _settings(section, KINDS[kinds[0]], source, needed=needed) if kinds else {}
        section.close(PLANNED_KINDS)
        found[name] = Receiver(name, kinds[0] if kinds else "", settings)
    return found


def warn_of_unused(root: Section, used: Iterable[tuple[str, ...]]) -> None:
    """Notes receivers that no rule, default or switch names; a `{label}` stands for whatever fits."""
    globs = {re.sub(r"\{[^{}]*\}", "*", name) for names in used for name in names}
    outer = root.inner("receivers")
    for name, node in outer.node.values.items() if outer else ():
        if outer and not any(fnmatchcase(name, glob) for glob in globs):
            place = outer.node.keys[name]
            root.report.warn(place, node.path, "nobody uses this receiver", "name it in notify, or remove it")


def printable(name: str, section: Section) -> None:
    """Reports a name that cannot stand in messages and commands."""
    if not 0 < len(name.encode()) <= 100 or not name.isprintable() or any(c in " {}" for c in name):
        section.wrong(
            "this name has blanks, braces or characters that cannot be printed", "letters, digits and -"
        )


def _settings(outer: Section, kind: ReceiverKind, source: Source, *, needed: bool) -> Mapping[str, Any]:
    section = outer.inner(kind.name)
    if section is None:
        if kind.settings:
            outer.wrong(f"{kind.name} has no settings", f"such as {kind.settings[0].name}: ...", at=kind.name)
        return {}
    taken = {setting.name: setting.read(section, setting, needed) for setting in kind.settings}
    taken |= read_client(section, needed=needed) if kind.connects else {}
    kind.fits(section, taken)
    section.close(frozenset({"mention"}) if kind is SLACK else frozenset())
    return kind.completed({key: value for key, value in taken.items() if value is not None}, source)


def read_webhook(section: Section, *, needed: bool) -> Mapping[str, Any]:
    """The settings of a kill switch's webhook, which are those of a receiver's; `secret` holds all its keys."""
    taken = {setting.name: setting.read(section, setting, needed) for setting in WEBHOOK.settings}
    section.close()
    keys = [key for key in (taken["secret"], taken["secret_previous"]) if key]
    return taken | {"url": taken["url"] or "", "secret": " ".join(keys)}


def read_topic(section: Section, source: Source, *, needed: bool) -> Mapping[str, Any]:
    """The topic of a kill switch; its connection has the settings of a receiver's."""
    own: dict[str, Any] = {
        "topic": section.must("name", kafka_name, "", "the topic, such as name: tocsin-switches")
    }
    elsewhere = section.take("bootstrap_servers", partial(servers, section), None)
    own |= {} if elsewhere is None else {"bootstrap_servers": elsewhere}
    own |= read_client(section, needed=needed)
    section.close()
    return KAFKA.completed(own, source)
