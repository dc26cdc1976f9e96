"""`tocsin check --stream`: the rules in effect for a stream with given labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.table import Table

from monitor.cli.printed import Screen
from monitor.config.model import Config, Streams
from monitor.config.problem import listed, meant
from monitor.config.rule import Bound, Rule, RuleKind, labelled
from monitor.config.templates import filled, receivers
from monitor.errors import UsageError
from monitor.ledger.wording import duration, span

WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class InEffect:
    """A rule as it holds for a stream; `idle` says why it does not, "" where it does.

    `overridden` are the lines of the overrides in effect; `file` is there where the rule is included from another.
    """

    rule: str
    line: int
    file: str
    overridden: tuple[int, ...]
    watches: str
    condition: str
    notify: tuple[str, ...]
    kill: str | None
    idle: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream by its `labels`, those of `streams.labels` included, with every rule in the order of the file."""

    labels: Mapping[str, str]
    rules: tuple[InEffect, ...]


def rules_in_effect(settings: Config, given: Sequence[str]) -> Stream:
    """Every rule as it holds for the stream that `given`, such as ["model=chat-eu"], tells; raises UsageError."""
    labels = _labels(given, settings.streams)
    names = dict.fromkeys(rule.name for rule in settings.rules)
    chosen = [_variant([r for r in settings.rules if r.name == name], labels) for name in names]
    return Stream(labels, tuple(_in_effect(rule, labels, settings) for rule in chosen))


def _variant(variants: Sequence[Rule], labels: Mapping[str, str]) -> Rule:
    """The rule with the overrides that are in effect, as it is written where it does not match at all."""
    return next((rule for rule in variants if rule.match.accepts(labels)), variants[0])


def show(stream: Stream) -> None:
    """Print it, 100 columns wide."""
    console = Screen(width=WIDTH, highlight=False)
    held = [rule for rule in stream.rules if not rule.idle]
    named = ", ".join(f"{label}={value}" for label, value in stream.labels.items())
    table = Table(
        title=f"{named}: {len(held)} of {len(stream.rules)} rules are in effect",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("rule", "line", "watches", "condition", "tells", "kills"):
        table.add_column(column, overflow="fold")
    for rule in held:
        table.add_row(
            rule.rule,
            _place(rule),
            rule.watches,
            rule.condition,
            ", ".join(rule.notify) or "nobody",
            rule.kill or "-",
        )
    console.print(table)
    for rule in stream.rules:
        if rule.idle:
            console.print(f"not in effect: {rule.rule} (line {_place(rule)}, {rule.idle})")


def _place(rule: InEffect) -> str:
    line = f"{rule.line} of {rule.file}" if rule.file else str(rule.line)
    return f"{line}, overridden by {listed(map(str, rule.overridden))}" if rule.overridden else line


def _labels(given: Sequence[str], streams: Streams) -> Mapping[str, str]:
    """All labels of the stream that `model=chat-eu` and the like stand for; raises UsageError in one sentence."""
    found = {}
    for pair in given:
        label, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--stream {pair} is no label with a value: write --stream {streams.by[0]}=NAME")
        if label not in streams.by:
            raise UsageError(f"--stream {pair}: {label} is not in streams.by: {meant(label, streams.by)}")
        found[label] = value
    missing = [label for label in streams.by if label not in found]
    if missing:
        needs = " ".join(f"--stream {label}=VALUE" for label in missing)
        raise UsageError(f"a stream is told by {listed(streams.by)}: add {needs}")
    return labelled(found, streams.namings)


def _in_effect(rule: Rule, labels: Mapping[str, str], settings: Config) -> InEffect:
    return InEffect(
        rule=rule.name,
        line=rule.line,
        file=rule.file,
        overridden=rule.overridden,
        watches=_watched(rule),
        condition=_condition(rule),
        notify=_told(rule, labels, settings),
        kill=_pulled(rule, labels, settings),
        idle=_idle(rule, labels),
    )


def _told(rule: Rule, labels: Mapping[str, str], settings: Config) -> tuple[str, ...]:
    """The receivers, each with the severity from which on it is told where that differs."""
    if rule.dry_run:
        return ()
    known, default = settings.receivers, settings.default_notify
    found: dict[str, str] = {}
    for severity, names in rule.notify.tiers:
        for name in receivers(names, labels, known, default):
            found.setdefault(name, f"{name} ({severity})" if len(rule.notify.tiers) > 1 else name)
    return tuple(found.values())


def _pulled(rule: Rule, labels: Mapping[str, str], settings: Config) -> str | None:
    name = filled(rule.kill or "", labels)
    return name if name in settings.kill_switches else None


def _idle(rule: Rule, labels: Mapping[str, str]) -> str:
    if not rule.enabled:
        return "enabled: false"
    if rule.match.accepts(labels):
        return ""
    return "match " + ", ".join(f"{k} {' or '.join(globs)}" for k, globs in rule.match.labels.items())


def _watched(rule: Rule) -> str:
    if rule.kind is RuleKind.ABSENT:
        return "all records"
    names = ", ".join(rule.signals)
    said = names if rule.quantile is None else f"p{100 * rule.quantile:g} of {names}"
    return said if rule.each is None else f"{said}, each {rule.each}"


def _condition(rule: Rule) -> str:
    if rule.kind is RuleKind.ABSENT:
        return f"nothing for {duration(rule.absent_ms or 0)} ({rule.severity})"
    if rule.objective is not None:
        return f"objective {rule.objective.text}, over {span(rule.objective.over_ms)}"
    drift = rule.kind is RuleKind.DRIFT
    said = ", ".join(_bound(bound, drift) for bound in rule.bounds)
    if rule.total_ms:
        return f"total of {duration(rule.total_ms)} {said}"
    return f"{said}, over {duration(rule.window_ms)}" if rule.window_ms else said


def _bound(bound: Bound, drift: bool) -> str:
    word = f"drift {bound.side}, tolerance" if drift else {"up": "above", "down": "below"}[bound.side.value]
    return f"{word} " + " or ".join(f"{limit.text} ({severity})" for severity, limit in bound.tiers)
