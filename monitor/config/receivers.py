"""Whom to tell and what to stop: `receivers` and `kill_switches`."""

from collections.abc import Collection
from functools import partial
from typing import Final

from monitor.config.audience import receiver_name
from monitor.config.model import Guard, KillSwitch, Receiver
from monitor.config.problem import listed
from monitor.config.secrets import read_secret, routing_key, signing_secret, web_address
from monitor.config.section import NOT_YET, Section, each
from monitor.config.tree import Node
from monitor.config.values import duration, link, one_of, plain_text, whole

KINDS: Final = ("slack", "pagerduty", "webhook")
PLANNED_KINDS: Final = frozenset({"alertmanager", "email", "teams", "opsgenie", "discord", "telegram"})
MODES: Final = ("disable", "degrade", "rollback")
PLANNED_SWITCH: Final = frozenset({"per", "trip"})
GUARD: Final = Guard(at_most=1, within_ms=3_600_000, min_n=10, fresh_ms=60_000)


def read_receivers(root: Section, *, needed: bool) -> dict[str, Receiver]:
    """Receivers by name; a wrong one is there too, so that rules may name it."""
    found = {}
    for name, section in root.children("receivers"):
        _printable(name, section)
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


def _printable(name: str, section: Section) -> None:
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
        settings["secret"] = _signing(section, needed=needed)
    section.close(frozenset({"mention"}))
    return {key: value for key, value in settings.items() if value}


def _signing(section: Section, *, needed: bool) -> str:
    advice = "it signs what is sent; make one with: openssl rand -base64 32"
    return read_secret(section, "secret", signing_secret, needed=needed, advice=advice)


def read_switches(root: Section, receivers: Collection[str], *, needed: bool) -> dict[str, KillSwitch]:
    """Kill switches by name."""
    return {
        name: _switch(name, section, receivers, needed=needed)
        for name, section in root.children("kill_switches")
    }


def _switch(name: str, section: Section, receivers: Collection[str], *, needed: bool) -> KillSwitch:
    url = secret = ""
    _printable(name, section)
    webhook = section.inner("webhook")
    if webhook is None:
        section.wrong("`webhook` is missing", "what to call: webhook: {url: ..., secret: ...}")
    else:
        url = read_secret(webhook, "url", web_address, needed=needed, advice="where to send")
        secret = _signing(webhook, needed=needed)
        webhook.close()
    mode = section.take("mode", one_of(*MODES), "disable")
    switch = KillSwitch(
        name=name,
        url=url,
        secret=secret,
        mode=mode,
        target=_target(section, mode),
        guard=_guard(section),
        notify=section.take("notify", partial(_notify, section, receivers), ()),
    )
    _release(section)
    section.close(PLANNED_SWITCH)
    return switch


def _target(section: Section, mode: str) -> str | None:
    target = section.take("to", plain_text, None)
    if mode == "degrade" and "to" not in section:
        section.wrong("`to` is missing", "degrade needs what to serve instead, such as to: rules-v3")
    if mode == "disable" and "to" in section:
        section.wrong("to has no effect with mode disable", "write mode: degrade, or remove it", at="to")
    return target


def _release(section: Section) -> None:
    release = section.take("release", one_of("manual", "auto"), "manual")
    if release == "auto":
        section.wrong(
            f"release: auto {NOT_YET}", "write manual, and release with tocsin kill release", at="release"
        )


def _guard(outer: Section) -> Guard:
    section = outer.inner("guard")
    if section is None:
        return GUARD
    guard = Guard(
        at_most=section.take("at_most", whole(1, 1_000), GUARD.at_most),
        within_ms=section.take("within", duration("1s"), GUARD.within_ms),
        min_n=section.take("min_n", whole(1, 1_000_000), GUARD.min_n),
        fresh_ms=section.take("fresh", duration("1s", "1h"), GUARD.fresh_ms),
    )
    section.close()
    return guard


def _notify(section: Section, receivers: Collection[str], node: Node) -> tuple[str, ...]:
    return each(node, partial(receiver_name, known=receivers), section.report)
