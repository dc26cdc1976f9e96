"""The small sections: streams, reference, false_alarms, defaults, http."""

import re
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Final

from monitor.config.audience import Directory, read_audience
from monitor.config.limits import SEVERITIES
from monitor.config.matching import read_namings
from monitor.config.model import FalseAlarms, Heartbeat, Labels, Learning, Streams
from monitor.config.problem import WrongError, meant
from monitor.config.rule import Audience, Rule, Severity
from monitor.config.rules import Defaults
from monitor.config.secrets import any_text, outgoing, read_secret
from monitor.config.section import Section, each
from monitor.config.templates import INCIDENT, OF_INCIDENT, OF_RULE, TRACE, address, fields
from monitor.config.tree import Mapping, Node, Scalar, Sequence, shown
from monitor.config.values import (
    MS,
    NUMBER,
    duration,
    flag,
    is_loopback,
    milliseconds,
    named,
    number,
    one_of,
    scalar,
    text,
    whole,
    written,
)

MOST_LINKS: Final = 5
FIELDS: Final = ("model", "version", "prompt_version")
SLICED: Final = (*FIELDS, "expected_language", "finish_reason", "error_type", "batch_size")
# Predictions are remembered in memory only: no process lives for months.
LONGEST_JOIN: Final = "7d"
_PER: Final = re.compile(rf"({NUMBER})\s+per\s+(.+)", re.ASCII)
WEEK_MS: Final = 7 * MS["d"]
PROMISE: Final = FalseAlarms({"any": 1 / (30 * MS["d"])}, None, "1 per 30d")


def read_streams(root: Section) -> Streams:
    """What makes a stream and its slices."""
    section = root.inner("streams")
    if section is None:
        return Streams(("model",), ("version",), 1000, 7 * MS["d"])
    streams = Streams(
        by=section.take("by", partial(_fields, section, FIELDS), ("model",)) or ("model",),
        slices=section.take("slices", partial(_fields, section, SLICED, may_be_empty=True), ("version",)),
        max=section.take("max", whole(1, 100_000), 1000),
        retire_after_ms=section.take("retire_after", duration("1h"), 7 * MS["d"]),
    )
    both = [field for field in streams.slices if field in streams.by]
    if both and "slices" in section:
        section.wrong(f"{both[0]} is in by already, and cannot be a slice too", "remove one", at="slices")
    namings = read_namings(section, streams.by)
    section.close()
    slices = tuple(field for field in streams.slices if field not in streams.by)
    return replace(streams, slices=slices, namings=namings)


def _fields(
    section: Section, known: tuple[str, ...], node: Node, *, may_be_empty: bool = False
) -> tuple[str, ...]:
    if not isinstance(node, Sequence) or not (node.items or may_be_empty):
        raise WrongError("this must be a list of fields", "write [model]")
    found = each(node, partial(_field, known), section.report)
    if len(set(found)) < len(found):
        raise WrongError("a field is there twice", "remove one")
    return found


def _field(known: tuple[str, ...], node: Node) -> str:
    name = text(node)
    if name not in known and not re.fullmatch(r"segment\.[A-Za-z0-9_-]{1,100}", name):
        raise WrongError(f"{named(node)} is not a field of a stream", meant(name, {*known, "segment.NAME"}))
    return name


def read_learning(root: Section) -> Learning:
    """How long a reference is learned."""
    section = root.inner("reference")
    if section is None:
        return Learning(10_000, 24 * MS["h"])
    by_hour = section.take("by", one_of("hour_of_week"), None) is not None
    learning = Learning(
        learn=section.take("learn", whole(100, 10**9), 10_000),
        at_least_ms=section.take("at_least", duration("0s", "1y"), WEEK_MS if by_hour else 24 * MS["h"]),
        by_hour=by_hour,
    )
    if by_hour and learning.at_least_ms < WEEK_MS:
        section.wrong(
            "by hour of the week every hour must have come once", "write at_least: 7d", at="at_least"
        )
    section.close()
    return learning


def read_false_alarms(root: Section, labels: Collection[str]) -> FalseAlarms:
    """Expected false alarms: one number over everything, or one for each severity and for kills.

    `labels` are those of `streams`, of which `per` can be one.
    """
    node = root.node.values.get("false_alarms")
    if not isinstance(node, Mapping):
        return root.take("false_alarms", lambda n: FalseAlarms({"any": _per(n)}, None, text(n)), PROMISE)
    section = root.inner("false_alarms")
    if section is None:
        return PROMISE
    taken = {key: section.take(key, _per, None) for key in (*Severity, "kill")}
    rates = {str(key): rate for key, rate in taken.items() if rate is not None and key != "kill"}
    if not node.values:
        section.wrong("there is no number", "write false_alarms: 1 per 30d")
    per = section.take("per", partial(_label, labels=labels), None)
    section.close()
    return FalseAlarms(rates or PROMISE.rates, taken["kill"], _in_words(node, bool(rates), per), per)


def _in_words(node: Mapping, any_rate: bool, per: str | None) -> str:
    said = [f"{k} {v.text}" for k, v in node.values.items() if k != "per" and isinstance(v, Scalar)]
    words = ", ".join(said if any_rate else [PROMISE.text, *said])
    return f"{words}, within each {per}" if per else words


def _label(node: Node, labels: Collection[str]) -> str:
    name = text(node)
    if name not in labels:
        near = meant(name, labels)
        advice = "add it to streams.by, or give it to streams in streams.labels"
        raise WrongError(
            f"{named(node)} is not a label of a stream", near if near.startswith("did") else advice
        )
    return name


def _per(node: Node) -> float:
    value = scalar(node)
    match = _PER.fullmatch(value.text.strip())
    if match is None:
        raise WrongError(f"{written(value)} is not a number of false alarms", "write it as 1 per 30d")
    try:
        period = milliseconds(match[2])
    except ValueError:
        raise WrongError(f"{written(value)} does not end in a duration", "write it as 1 per 30d") from None
    if not 0 < float(match[1]) <= period / (10 * MS["m"]):
        raise WrongError(f"{written(value)} is out of range", "more than none, and at most 1 per 10m")
    return float(match[1]) / period


def check_promise(root: Section, promise: FalseAlarms, rules: Collection[Rule]) -> None:
    """A map must name just the severities that its rules use; comparisons of traffic stand outside of it."""
    node = root.node.values.get("false_alarms")
    if not isinstance(node, Mapping) or not rules:
        return
    section = Section(node, root.report)
    judged = [r for r in rules if r.window_ms is None and r.enabled and r.signals != ("requests",)]
    used = {str(severity) for rule in judged for bound in rule.bounds for severity, _ in bound.tiers}
    kills = any(rule.kill for rule in rules)
    for severity in Severity:
        if severity.value in used and severity.value not in node.values and "any" not in promise.rates:
            section.wrong(
                f"there is no number for {severity}, which a rule uses", f"add {severity}: 1 per 30d"
            )
    for key in node.values:
        if key in SEVERITIES and key not in used:
            section.wrong(
                f"no rule has a limit of severity {key}", "remove it, its share would be lost", at=key
            )
    if "kill" in node.values and not kills:
        section.wrong("no rule has a kill", "remove it", at="kill")


def read_defaults(root: Section, receivers: Collection[str], streams: Streams) -> Defaults:
    """What rules need not say; without `notify`, a receiver called `default` is told."""
    implied = _told_by("default") if "default" in receivers else Audience()
    section = root.inner("defaults")
    if section is None:
        return Defaults(Severity.WARNING, 100, 10 * MS["m"], 15 * MS["m"], implied)
    given = section.node.values.get("notify")
    empty = isinstance(given, Sequence) and not given.items
    unknown = implied if given is None else Audience() if empty else None
    notify = section.take("notify", partial(_notify, section, Directory(receivers, streams)), None)
    defaults = Defaults(
        severity=Severity(section.take("severity", one_of(*Severity), Severity.WARNING.value)),
        min_n=section.take("min_n", whole(1, 10**9), 100),
        clear_for_ms=section.take("clear_for", duration("0s"), 10 * MS["m"]),
        fresh_ms=section.take("fresh", duration("1s"), 15 * MS["m"]),
        notify=notify if notify is not None and notify.names else unknown,
        renotify_ms=section.take("renotify", duration("1m"), None),
        runbook=section.take("runbook", partial(address, known=(*OF_RULE, *streams.labels)), None),
    )
    section.close()
    return defaults


def _told_by(*names: str) -> Audience:
    return Audience(((Severity.INFO, names),))


def _notify(section: Section, directory: Directory, node: Node) -> Audience:
    return read_audience(node, directory, section.report)


def own_audience(defaults: Audience | None, receivers: Collection[str]) -> tuple[str, ...]:
    """Who hears of Tocsin's own incidents, which have no labels: `defaults.notify`, else `default`, else everybody."""
    told = [name for name in (defaults or Audience()).at(Severity.CRITICAL) if not fields(name)]
    if told or defaults is None or not defaults.names:
        return tuple(told)
    return ("default",) if "default" in receivers else tuple(receivers)


def read_bad_below(root: Section) -> float:
    """Below which rating feedback is bad."""
    section = root.inner("feedback")
    if section is None:
        return 0.0
    bad_below = section.take("bad_below", number, 0.0)
    section.close()
    return bad_below


def read_labels(root: Section) -> Labels | None:
    """Whether labels that come later are joined to their predictions."""
    section = root.inner("labels")
    if section is None:
        return None
    if "join" not in section:
        section.wrong("`join` is missing", "how long predictions are remembered, such as labels: {join: 2h}")
    labels = Labels(
        join_ms=section.take("join", duration("1s", LONGEST_JOIN), 0),
        most=section.take("max", whole(1_000, 100_000_000), 1_000_000),
    )
    section.close(frozenset({"mature"}))
    return labels


def read_links(root: Section, labels: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Addresses to show in messages, by name; that of `trace` is shown once for each example."""
    section = root.inner("links")
    if section is None:
        return ()
    known = (*OF_INCIDENT, INCIDENT, *labels)
    found = {}
    for name in section.node.values:
        words = (*known, TRACE) if name == "trace" else known
        found[name] = section.take(name, partial(address, known=words), "")
    if "trace" in found and found["trace"] and TRACE not in fields(found["trace"]):
        section.wrong("this is the same for every trace", "put {trace_id} into it", at="trace")
    for name in found:
        if not re.fullmatch(r"[A-Za-z][\w -]{0,39}", name):
            section.wrong(f"{shown(name)} cannot be the name of a link", "letters, digits and -", at=name)
    if len(found) > MOST_LINKS:
        section.wrong(f"there are more than {MOST_LINKS} links", "a message has no room for them")
    return tuple((name, to) for name, to in found.items() if to)


def read_heartbeat(root: Section, *, needed: bool) -> Heartbeat | None:
    """Whom to send a sign of life."""
    section = root.inner("heartbeat")
    if section is None:
        return None
    allow_http = section.take("allow_http", flag, False)
    check = outgoing(allow_http=allow_http)
    url = read_secret(section, "url", check, needed=needed, advice="the address that a watchman gave you")
    every_ms = section.take("every", duration("10s", "1h"), MS["m"])
    section.close()
    return Heartbeat(url, every_ms)


def read_http(root: Section, *, needed: bool) -> tuple[str, int, str | None]:
    """Host, port and token; beyond the loopback a token is a must."""
    section = root.inner("http")
    if section is None:
        return "127.0.0.1", 9844, None
    host = section.take("host", text, "127.0.0.1")
    port = section.take("port", whole(0, 65_535), 9844)
    token = read_secret(section, "token", any_text, needed=needed, optional=True) or None
    named = "token" in section or "token_file" in section
    if not is_loopback(host) and (not named or (needed and token is None)):
        section.wrong(
            "others can reach this host, so it needs a token", "add token: ${TOCSIN_TOKEN}", at="host"
        )
    section.close()
    return host, port, token
