"""What can never come to anything for any stream: `check` warns of it, since it is hardly meant."""

from collections.abc import Collection, Mapping
from typing import Final

from monitor.config.hours import longest_ms
from monitor.config.model import Streams
from monitor.config.naming import stands_for
from monitor.config.problem import Report, listed, meant
from monitor.config.rule import Limit, LimitKind, Mute, Rule, Severity, accepts
from monitor.config.section import Section
from monitor.config.templates import fields
from monitor.config.tree import Mapping as Keys
from monitor.config.tree import Node, Sequence
from monitor.config.values import MS, scalar, written
from monitor.records.signals import Side

Ranges = Mapping[str, tuple[float, float]]
"""The least and the largest value of each distribution."""

MOST_PER_SECOND: Final = 100_000
"""Records of one stream in a second, more than anybody has."""
STRETCH_MS: Final = 10 * MS["m"]
"""What `requests` are compared over."""
NAMED: Final = {"rule": "name"}
RESERVED: Final = "tocsin."
"""What the names of Tocsin's own incidents begin with."""


def warn_of_rule(section: Section, rule: Rule, ranges: Ranges) -> None:
    """Notes why the rule can never fire."""
    if not rule.enabled:
        return
    _beyond_range(section, rule, ranges)
    _too_many(section, rule)
    _longer_than_hours(section, rule)


def _beyond_range(section: Section, rule: Rule, ranges: Ranges) -> None:
    """Only limits of percentiles and objectives: those of rates are refused where they are out of reach."""
    for name in (signal for signal in rule.signals if signal in ranges):
        low, high = ranges[name]
        if rule.objective is not None and (rule.objective.below or 0) >= high:
            section.unwise(
                f"{name} is never above {high:g}, so all of it is good", "lower it", at="objective"
            )
        for bound in rule.bounds if rule.quantile is not None else ():
            for severity, limit in bound.tiers:
                if limit.kind is LimitKind.ABSOLUTE and _out_of_reach(bound.side, limit, low, high):
                    _warn_of_limit(section, bound.side, severity, f"{name} goes from {low:g} to {high:g}")


def _out_of_reach(side: Side, limit: Limit, low: float, high: float) -> bool:
    return limit.value >= high if side is Side.UP else limit.value < low


def _warn_of_limit(section: Section, side: Side, severity: Severity, why: str) -> None:
    key = "above" if side is Side.UP else "below"
    node = section.node.values.get(key, section.node)
    tier = node.values.get(severity.value, node) if isinstance(node, Keys) else node
    sentence = f"{key} {written(scalar(tier))} can never be: {why}"
    section.report.warn(tier.place, tier.path, sentence, "write a limit within")


def _too_many(section: Section, rule: Rule) -> None:
    compared = rule.signals == ("requests",) and bool(rule.bounds) and rule.total_ms is None
    over_ms = rule.window_ms or (STRETCH_MS if compared else None)
    if over_ms is not None and rule.min_n * 1000 > MOST_PER_SECOND * over_ms:
        need = rule.min_n * 1000 // over_ms
        sentence = (
            f"this can never fire: {rule.min_n:,} records in {over_ms // 1000:,} s are {need:,} a second"
        )
        section.unwise(sentence, "lower min_n", at="min_n")


def _longer_than_hours(section: Section, rule: Rule) -> None:
    """Silence and waits count from the opening of the rule's hours."""
    longest = None if rule.during is None else longest_ms(rule.during)
    if longest is None:
        return
    sentence = f"this can never fire: its hours end after {longest // MS['m']} minutes"
    for key, never in (("absent", (rule.absent_ms or 0) >= longest), ("for", rule.for_ms > longest)):
        if never:
            section.unwise(sentence, "shorten it, or lengthen during", at=key)


def warn_of_switch(section: Section, kill: str | None, per: Mapping[str, tuple[str, ...]]) -> None:
    """Notes a switch that a label in its name picks, and that has a state for each value of that label besides."""
    labels = set(fields(kill or ""))
    for name in stands_for(kill or "", per) if labels else ():
        if set(per[name]) <= labels:
            said = listed(per[name])
            sentence = (
                f"{name} is of one {said} by its name, so its per: [{', '.join(per[name])}] does nothing"
            )
            section.unwise(sentence, "remove the one or the other", at="kill")


def warn_of_labels(section: Section, globs: Mapping[str, tuple[str, ...]], streams: Streams) -> None:
    """Notes a `match` on a label with values that no line of `streams.labels` gives."""
    match = section.inner("match")
    for label, wanted in globs.items() if match is not None else ():
        values = {naming.given[label] for naming in streams.namings if label in naming.given}
        if match is None or label in streams.by or any(accepts(wanted, value) for value in ("", *values)):
            continue
        advice = meant(wanted[0], values) if len(wanted) == 1 else f"there is {listed(sorted(values))}"
        match.unwise(f"no stream is given this {label}, see streams.labels", advice, at=label)


def warn_of_mutes(root: Section, mutes: Collection[Mute], rules: Collection[Rule]) -> None:
    """Notes mutes of rules, signals or severities that there are not, and those that never end."""
    node = root.node.values.get("mutes")
    known: dict[str, set[str]] = {
        "rule": {rule.name for rule in rules},
        "signal": {"", *(signal for rule in rules for signal in rule.signals)},
        "severity": {severity.value for severity in Severity},
    }
    for item, mute in zip(node.items if isinstance(node, Sequence) else (), mutes, strict=False):
        for word in known.keys() & mute.match.labels.keys():
            _mutes_nothing(root.report, item, word, mute.match.labels[word], known[word])
        if longest_ms(mute.during) is None:
            sentence = "this mute never ends: its hours are the whole week"
            root.report.warn(item.place, item.path, sentence, "give its rules dry_run: true instead")


def _mutes_nothing(report: Report, item: Node, word: str, globs: tuple[str, ...], known: set[str]) -> None:
    own = any(glob.startswith(RESERVED) for glob in globs)
    if not own and not any(accepts(globs, value) for value in known):
        sentence = f"this mutes nothing: no rule has this {NAMED.get(word, word)}"
        report.warn(item.place, item.path, sentence, meant(globs[0], known))
