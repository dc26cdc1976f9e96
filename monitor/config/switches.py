"""What to stop: `kill_switches`."""

import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

from monitor.config.connection import kafka_name
from monitor.config.model import Guard, KillSwitch, Release, Source, flag_name
from monitor.config.naming import RECEIVER, known_name
from monitor.config.problem import WrongError, meant
from monitor.config.receiver_kinds import KAFKA
from monitor.config.receivers import printable, read_topic, read_webhook
from monitor.config.section import Section, each
from monitor.config.tree import Mapping as Keys
from monitor.config.tree import Node
from monitor.config.values import (
    MS,
    NUMBER,
    duration,
    milliseconds,
    named,
    one_of,
    plain_text,
    scalar,
    text,
    whole,
    written,
)

MODES: Final = ("disable", "degrade", "rollback")
GUARD: Final = Guard(at_most=1, within_ms=MS["h"], min_n=10, fresh_ms=60_000)
PROBE: Final = (0.05, 5 * MS["m"])
WAITS: Final = (MS["m"], MS["w"])
SHARES: Final = (0.001, 0.5)
TRIPS: Final = ("live", "dry_run")
AUTO: Final = r"auto\s+after\s+(\S+)"
A_PROBE: Final = rf"({NUMBER})\s*%(?:\s+for\s+(\S+))?"


def read_switches(
    root: Section, source: Source, receivers: Collection[str], labels: Collection[str], *, needed: bool
) -> dict[str, KillSwitch]:
    """Kill switches by name; `labels` are those that a stream can have."""
    found = {
        name: _switch(name, section, source, receivers, labels, needed=needed)
        for name, section in root.children("kill_switches")
    }
    _refuse_alike(root, found)
    return found


def _refuse_alike(root: Section, switches: Mapping[str, KillSwitch]) -> None:
    """Two switches behind one flag would answer for each other."""
    first: dict[str, str] = {}
    for name in switches:
        other = first.setdefault(flag_name(name), name)
        outer = root.inner("kill_switches")
        if other != name and outer is not None:
            outer.wrong(f"{name} and {other} would be the same flag {flag_name(name)}", "rename one", at=name)


def _switch(
    name: str,
    section: Section,
    source: Source,
    receivers: Collection[str],
    labels: Collection[str],
    *,
    needed: bool,
) -> KillSwitch:
    printable(name, section)
    webhook = _webhook(section, needed=needed)
    mode = section.take("mode", one_of(*MODES), "disable")
    switch = KillSwitch(
        name=name,
        url=webhook["url"],
        secret=webhook["secret"],
        ca_file=webhook["ca_file"],
        mode=mode,
        target=_target(section, mode),
        guard=_guard(section),
        notify=section.take("notify", partial(_notify, section, receivers), ()),
        per=section.take("per", partial(_labels, section, labels), ()),
        dry_run=section.take("trip", one_of(*TRIPS), "live") == "dry_run",
        release=_release(section),
        topic=_topic(section, source, needed=needed),
    )
    section.close()
    return switch


def _webhook(outer: Section, *, needed: bool) -> Mapping[str, Any]:
    """Address, secret and CA; the address is None where there is a topic instead."""
    section = outer.inner("webhook")
    if section is not None:
        return read_webhook(section, needed=needed)
    if "topic" not in outer or "webhook" in outer:
        advice = "what to call: webhook: {url: ..., secret: ...}; or a topic that services read"
        outer.wrong("`webhook` is missing", advice)
    return {"url": None, "secret": "", "ca_file": None}


def _topic(outer: Section, source: Source, *, needed: bool) -> Mapping[str, Any] | None:
    """A name stands for a topic on the source's Kafka."""
    if isinstance(outer.node.values.get("topic"), Keys):
        section = outer.inner("topic")
        return None if section is None else read_topic(section, source, needed=needed)
    name = outer.take("topic", kafka_name, None)
    return None if name is None else KAFKA.completed({"topic": name}, source)


def _target(section: Section, mode: str) -> str | None:
    target = section.take("to", plain_text, None)
    if mode == "degrade" and "to" not in section:
        section.wrong("`to` is missing", "degrade needs what to serve instead, such as to: rules-v3")
    if mode == "disable" and "to" in section:
        section.wrong("to has no effect with mode disable", "write mode: degrade, or remove it", at="to")
    return target


def _labels(section: Section, known: Collection[str], node: Node) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each(node, partial(_label, known=known), section.report)))


def _label(node: Node, known: Collection[str]) -> str:
    name = text(node)
    if name not in known:
        advice = meant(name, known) or "add it to streams.by, or give it to streams in streams.labels"
        raise WrongError(f"{named(node)} is not a label of a stream", advice)
    return name


def _release(section: Section) -> Release | None:
    after_ms = section.take("release", _after, None)
    share, probe_ms = section.take("probe", _probe, PROBE)
    if "probe" in section and after_ms is None:
        section.wrong("probe goes with an automatic release", "write release: auto after 10m", at="probe")
    return None if after_ms is None else Release(after_ms, share, probe_ms)


def _after(node: Node) -> int | None:
    """None for `manual`, else the ms of `auto after 10m`."""
    value = text(node)
    if value == "manual":
        return None
    match = re.fullmatch(AUTO, value, re.ASCII)
    if match is None:
        raise WrongError(f"{written(scalar(node))} is no release", "write manual, or auto after 10m")
    return _between(match[1], node, WAITS)


def _probe(node: Node) -> tuple[float, int]:
    """The share and the ms of `5% for 5m`; the time may be left out."""
    match = re.fullmatch(A_PROBE, text(node), re.ASCII)
    if match is None:
        raise WrongError(f"{written(scalar(node))} is no probe", "write 5%, or 5% for 5m")
    share = float(match[1]) / 100
    if not SHARES[0] <= share <= SHARES[1]:
        raise WrongError(f"{written(scalar(node))} is out of range", "from 0.1% to 50%")
    return share, PROBE[1] if match[2] is None else _between(match[2], node, WAITS)


def _between(value: str, node: Node, bounds: tuple[int, int]) -> int:
    try:
        found = milliseconds(value)
    except ValueError:
        raise WrongError(f"{written(scalar(node))} does not end in a duration", "such as 10m") from None
    if not bounds[0] <= found <= bounds[1]:
        raise WrongError(f"{written(scalar(node))} is out of range", "from 1m to 1w")
    return found


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
    return each(node, partial(known_name, known=receivers, sort=RECEIVER), section.report)
