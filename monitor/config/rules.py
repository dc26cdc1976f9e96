"""The rules of alerts.yaml."""

from collections.abc import Collection
from collections.abc import Mapping as ByName
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from monitor.config import bounds, overrides
from monitor.config.audience import Directory, read_audience
from monitor.config.hours import read_hours
from monitor.config.matching import read_globs
from monitor.config.model import Streams
from monitor.config.naming import SWITCH, name_or_template
from monitor.config.never import RESERVED, warn_of_labels, warn_of_rule, warn_of_switch
from monitor.config.objective_of import read_objective
from monitor.config.problem import Report, WrongError, meant
from monitor.config.rule import Audience, Bound, Match, Rule, RuleKind, Severity
from monitor.config.rule_checks import check_rule
from monitor.config.section import Section
from monitor.config.signal_names import Vocabulary, quantile, read_signals
from monitor.config.templates import OF_RULE, address, fields, templated
from monitor.config.tree import Mapping, Node, Scalar, scalars
from monitor.config.tree import Sequence as ListNode
from monitor.config.values import MS, duration, flag, named, one_of, plain_text, text, whole
from monitor.records.settings import VERSION_FIELD
from monitor.records.signals import Signal

CONDITIONS: Final = ("above", "below", "drift", "objective", "absent")
MAX_RULES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Defaults:
    """`notify` is None where it cannot be known: wrong, or hidden by an unset variable."""

    severity: Severity
    min_n: int
    clear_for_ms: int
    fresh_ms: int
    notify: Audience | None
    runbook: str | None = None
    renotify_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The names that rules may refer to; `per_switches` have a state for each value of their labels."""

    receivers: Collection[str]
    switches: Collection[str]
    per_switches: ByName[str, tuple[str, ...]]
    streams: Streams
    defaults: Defaults
    signals: Vocabulary


def read_rules(root: Section, known: Known) -> tuple[Rule, ...]:
    """All rules, in the order of the file; a rule that rests on an unset variable is left out."""
    node = root.node.values.get("rules")
    root.asked.add("rules")
    if node is None and root.misspelt("rules"):
        return ()
    if node is None or (isinstance(node, Scalar) and node.empty):
        root.wrong(
            "there are no rules",
            "one is enough: rules: [{name: errors, signal: error, above: 2x}]",
            at="rules",
        )
        return ()
    if not isinstance(node, ListNode):
        root.wrong("this must be a list of rules", "each begins with `- name:`", at="rules")
        return ()
    if not 0 < len(node.items) <= MAX_RULES:
        root.wrong(f"there must be 1 to {MAX_RULES} rules", at="rules")
        return ()
    read = [(item, _item(item, known, root.report)) for item in node.items]
    _refuse_doubles([(item, rules[0]) for item, rules in read if rules], root.report)
    return tuple(rule for _, rules in read for rule in rules)


def _item(node: Node, known: Known, report: Report) -> list[Rule]:
    """The rule in all its variants; none where it is wrong, or rests on an unset variable."""
    if not isinstance(node, Mapping):
        report.add(
            node.place,
            node.path,
            "a rule must be keys with values",
            "such as - {name: errors, signal: error, above: 2x}",
        )
        return []
    if any(value.unset for value in scalars(node)):
        return []
    return [_variant(variant, known, report) for variant in overrides.variants(node, known.streams, report)]


def _variant(variant: overrides.Variant, known: Known, report: Report) -> Rule:
    rule = _Reader(Section(variant.node, report), known).rule()
    match = replace(rule.match, choice=variant.choice)
    return replace(rule, match=match, overridden=variant.lines)


def _refuse_doubles(rules: list[tuple[Node, Rule]], report: Report) -> None:
    first: dict[str, str] = {}
    for node, rule in rules:
        if rule.name in first and rule.name:
            sentence = f"the rule on {first[rule.name]} has the same name"
            report.add(node.place, f"{node.path}.name", sentence, "a rule is its name: choose another")
        first.setdefault(rule.name, f"line {rule.line}" + (f" of {rule.file}" if rule.file else ""))


class _Reader:
    """Reads one rule."""

    def __init__(self, section: Section, known: Known) -> None:
        self.section = section
        self.known = known
        self.defaults = known.defaults
        self.words = (*OF_RULE, *known.streams.labels)

    def rule(self) -> Rule:
        take = self.section.take
        terms, kind = self._terms(), self._kind()
        limits = self._bounds(kind, terms)
        rule = Rule(
            name=self.section.must("name", _name, "", "a rule is its name"),
            kind=kind,
            signals=("requests",) if kind is RuleKind.ABSENT else tuple(s.name for s in terms.signals),
            bounds=limits,
            match=self._match(),
            quantile=terms.quantile,
            window_ms=take("window", _window, None),
            absent_ms=take("absent", duration("10s"), None),
            severity=min(
                (s for b in limits for s, _ in b.tiers), key=lambda s: s.rank, default=terms.severity
            ),
            min_n=take("min_n", whole(1, 10**9), self.defaults.min_n),
            clear_for_ms=take("clear_for", duration("0s"), self.defaults.clear_for_ms),
            notify=take("notify", self._audience, self.defaults.notify or Audience()),
            kill=take("kill", self._switch, None, blank=True),
            enabled=take("enabled", flag, True),
            runbook=take("runbook", partial(address, known=self.words), self.defaults.runbook),
            title=take("title", partial(templated, known=self.words), None),
            line=self.section.node.place.line,
            each=take("each", self._each, None),
            total_ms=take("total", duration("1m", "31d"), None),
            file=self._file(),
            dry_run=take("dry_run", flag, False),
            for_ms=take("for", duration("1s", "7d"), 0),
            renotify_ms=take("renotify", duration("1m"), self.defaults.renotify_ms),
            during=take("during", partial(read_hours, report=self.section.report), None),
            objective=read_objective(self.section, terms.signals),
        )
        check_rule(self.section, rule, terms.signals, told=self._told(rule), shared_switch=self._shared(rule))
        warn_of_rule(self.section, rule, self.known.signals.ranges)
        warn_of_switch(self.section, rule.kill, self.known.per_switches)
        self.section.close()
        return rule

    def _terms(self) -> bounds.Terms:
        take = self.section.take
        return bounds.Terms(
            signals=take("signal", self._signals, ()),
            severity=Severity(take("severity", one_of(*Severity), self.defaults.severity.value)),
            quantile=take("quantile", quantile, None),
            window="window" in self.section,
            kills="kill" in self.section,
            total="total" in self.section,
        )

    def _signals(self, node: Node) -> tuple[Signal, ...]:
        return read_signals(node, self.section.report, self.known.signals)

    def _kind(self) -> RuleKind:
        given = [key for key in CONDITIONS if key in self.section]
        self.section.asked.update(CONDITIONS, ("tolerance",))
        if not given and not self.section.misspelt(*CONDITIONS):
            advice = "give it above, below, drift, objective or absent"
            self.section.wrong("this rule has no condition", advice)
        kinds = [key for key in given if key != "below" or "above" not in given]
        if len(kinds) > 1:
            sentence = f"a rule has one kind, this one has {' and '.join(kinds)}"
            self.section.wrong(sentence, "make two rules of it", at=kinds[1])
        return RuleKind(kinds[0]) if kinds else RuleKind.ABOVE

    def _bounds(self, kind: RuleKind, terms: bounds.Terms) -> tuple[Bound, ...]:
        if kind is RuleKind.ABSENT:
            return ()
        self.section.must("signal", lambda _: None, None, "name what to watch, such as error")
        if kind is RuleKind.OBJECTIVE:
            return ()
        read = bounds.drift if kind is RuleKind.DRIFT else bounds.threshold
        return read(self.section, terms)

    def _match(self) -> Match:
        streams = self.known.streams
        globs = read_globs(self.section, streams.labels)
        warn_of_labels(self.section, globs, streams)
        return Match(globs, () if globs.keys() <= set(streams.by) else streams.namings)

    def _each(self, node: Node) -> str:
        field = plain_text(node)
        slices = dict.fromkeys((VERSION_FIELD, *self.known.streams.slices))
        if field not in slices:
            advice = meant(field, slices) or f"add it to streams.slices: [{', '.join((*slices, field))}]"
            raise WrongError(f"{named(node)} is not counted within a stream", advice)
        return field

    def _switch(self, node: Node) -> str | None:
        if isinstance(node, Scalar) and node.empty:
            return None
        return name_or_template(node, self.known.switches, self.known.streams, SWITCH)

    def _file(self) -> str:
        """The file that the rule is included from, "" for alerts.yaml itself."""
        file = self.section.node.place.file
        return "" if file == self.section.report.file else file

    def _audience(self, node: Node) -> Audience:
        directory = Directory(self.known.receivers, self.known.streams)
        return read_audience(node, directory, self.section.report)

    def _shared(self, rule: Rule) -> bool:
        """Whether its switch has one state for several streams: not with labels in its name, nor with `per`."""
        return not fields(rule.kill or "") and rule.kill not in self.known.per_switches

    def _told(self, rule: Rule) -> bool:
        """Whether anybody is; a wrong or hidden `notify` was reported already, or cannot be known."""
        if rule.dry_run:
            return True
        node = self.section.node.values.get("notify")
        if node is None:
            return self.defaults.notify is None or bool(rule.notify.names) or not self.known.receivers
        return bool(rule.notify.names) or not isinstance(node, ListNode) or bool(node.items)


def _name(node: Node) -> str:
    value = text(node)
    if value.startswith(RESERVED):
        raise WrongError("names that begin with `tocsin.` are Tocsin's own", "choose another")
    if len(value.encode()) > 100:
        raise WrongError("a name has at most 100 bytes", "put the rest into title")
    return value


def _window(node: Node) -> int:
    length = duration("1s", "1h")(node)
    if length % MS["s"]:
        raise WrongError("a window has whole seconds", f"write {-(-length // MS['s'])}s")
    return length
