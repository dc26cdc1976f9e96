"""The rules of alerts.yaml."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from monitor.config import bounds
from monitor.config.model import Bound, Match, Rule, RuleKind, Severity
from monitor.config.problem import Report, WrongError, meant
from monitor.config.section import NOT_YET, Section, each
from monitor.config.signal_names import quantile, read_signals
from monitor.config.tree import Mapping, Node, Scalar, scalars
from monitor.config.tree import Sequence as ListNode
from monitor.config.values import duration, flag, link, one_of, plain_text, scalar, text, whole
from monitor.records.signals import BY_NAME, Kind, Side, Signal

PLANNED: Final = frozenset({"objective", "over", "total", "each", "overrides", "during", "for", "dry_run"})
CONDITIONS: Final = ("above", "below", "drift", "absent")
RESERVED: Final = "tocsin."
MAX_RULES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Defaults:
    """`notify` is None where a variable hides it from this command."""

    severity: Severity
    min_n: int
    clear_for_ms: int
    fresh_ms: int
    notify: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Known:
    """The names that rules may refer to."""

    receivers: Collection[str]
    switches: Collection[str]
    labels: Collection[str]
    defaults: Defaults


def read_rules(root: Section, known: Known) -> tuple[Rule, ...]:
    """All rules, in the order of the file; a rule that rests on an unset variable is left out."""
    node = root.node.values.get("rules")
    root.asked.add("rules")
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
    rules = [_item(item, known, root.report) for item in node.items]
    found = [rule for rule in rules if rule is not None]
    _refuse_doubles(found, node.items, root.report)
    return tuple(found)


def _item(node: Node, known: Known, report: Report) -> Rule | None:
    if not isinstance(node, Mapping):
        report.add(
            node.place,
            node.path,
            "a rule must be keys with values",
            "such as - {name: errors, signal: error, above: 2x}",
        )
        return None
    if any(value.unset for value in scalars(node)):
        return None
    return _Reader(Section(node, report), known).rule()


def _refuse_doubles(rules: list[Rule], items: Sequence[Node], report: Report) -> None:
    first: dict[str, int] = {}
    by_line = {item.place.line: item for item in items}
    for rule in rules:
        if rule.name in first:
            node = by_line[rule.line]
            sentence = f"the rule on line {first[rule.name]} has the same name"
            report.add(node.place, f"{node.path}.name", sentence, "a rule is its name: choose another")
        first.setdefault(rule.name, rule.line)


class _Reader:
    """Reads one rule."""

    def __init__(self, section: Section, known: Known) -> None:
        self.section = section
        self.known = known
        self.defaults = known.defaults
        self.planned = bool(PLANNED & section.node.values.keys())

    def rule(self) -> Rule:
        take = self.section.take
        name = self.section.must("name", _name, "", "a rule is its name")
        severity = Severity(take("severity", one_of(*Severity), self.defaults.severity.value))
        kill = take("kill", self._switch, None, blank=True)
        window_ms = take("window", duration("1s", "1h"), None)
        signals = take("signal", lambda node: read_signals(node, self.section.report), ())
        terms = bounds.Terms(
            signals, severity, take("quantile", quantile, None), window_ms is not None, kill is not None
        )
        kind = self._kind()
        limits = self._bounds(kind, terms)
        rule = Rule(
            name=name,
            kind=kind,
            signals=("requests",) if kind is RuleKind.ABSENT else tuple(s.name for s in signals),
            bounds=limits,
            match=Match(self._match()),
            quantile=terms.quantile,
            window_ms=window_ms,
            absent_ms=take("absent", duration("10s"), None),
            severity=min((s for b in limits for s, _ in b.tiers), key=lambda s: s.rank, default=severity),
            min_n=take("min_n", whole(1, 10**9), self.defaults.min_n),
            clear_for_ms=take("clear_for", duration("0s"), self.defaults.clear_for_ms),
            notify=take("notify", self._receivers, self.defaults.notify or ()),
            kill=kill,
            enabled=take("enabled", flag, True),
            runbook=take("runbook", link, None),
            title=take("title", plain_text, None),
            line=self.section.node.place.line,
        )
        self._cross_checks(rule, signals)
        self.section.close(PLANNED)
        return rule

    def _kind(self) -> RuleKind:
        given = [key for key in CONDITIONS if key in self.section]
        if not given and not self.planned:
            self.section.wrong("this rule has no condition", "give it above, below, drift or absent")
        kinds = [key for key in given if key != "below" or "above" not in given]
        if len(kinds) > 1:
            sentence = f"a rule has one kind, this one has {' and '.join(kinds)}"
            self.section.wrong(sentence, "make two rules of it", at=kinds[1])
        return RuleKind(kinds[0]) if kinds else RuleKind.ABOVE

    def _bounds(self, kind: RuleKind, terms: bounds.Terms) -> tuple[Bound, ...]:
        if kind is RuleKind.ABSENT:
            return ()
        if "signal" not in self.section and not self.planned:
            self.section.wrong("`signal` is missing", "name what to watch, such as error")
        if kind is RuleKind.DRIFT:
            found = bounds.drift(self.section, terms)
            self._no_traffic(terms.signals)
        else:
            found = bounds.threshold(self.section, terms)
            self._quantile(terms)
        return found

    def _no_traffic(self, signals: tuple[Signal, ...]) -> None:
        if any(s.kind is Kind.TRAFFIC for s in signals):
            self.section.wrong(
                f"drift of requests {NOT_YET}", "`absent: 2m` fires when nothing comes", at="signal"
            )

    def _quantile(self, terms: bounds.Terms) -> None:
        spread = [s for s in terms.signals if s.kind is Kind.DISTRIBUTION]
        others = [s for s in terms.signals if s.kind is not Kind.DISTRIBUTION]
        if spread and terms.quantile is None and "quantile" not in self.section:
            sentence = f"above and below on {spread[0].name} need a percentile"
            self.section.wrong(sentence, "add quantile: p99, or use drift")
        if others and terms.quantile is not None:
            self.section.wrong(f"{others[0].name} has no percentiles", "remove quantile", at="quantile")
        if terms.quantile is None or terms.window:
            return
        if "above" in self.section and terms.quantile < bounds.NO_EVIDENCE:
            self.section.wrong("above needs p50 or higher", "use below for low percentiles", at="quantile")
        if "below" in self.section and terms.quantile > bounds.NO_EVIDENCE:
            self.section.wrong("below needs p50 or lower", "use above for high percentiles", at="quantile")

    def _match(self) -> dict[str, tuple[str, ...]]:
        section = self.section.inner("match")
        found = {}
        for label in section.node.values if section else ():
            if section and label in self.known.labels:
                globs = section.take(label, lambda node: each(node, text, self.section.report), ())
                if globs == () and isinstance(section.node.values[label], ListNode):
                    section.wrong("there is nothing to match", "remove it, or name a glob", at=label)
                found[label] = globs
            elif section:
                section.asked.add(label)
                advice = meant(label, self.known.labels) + "; labels are the fields of streams.by"
                section.wrong("this is not a label", advice, at=label)
        return found

    def _switch(self, node: Node) -> str | None:
        if isinstance(node, Scalar) and node.empty:
            return None
        name = plain_text(node)
        if name not in self.known.switches:
            raise WrongError(
                "there is no kill switch of this name",
                meant(name, self.known.switches) or "add it to kill_switches",
            )
        return name

    def _receivers(self, node: Node) -> tuple[str, ...]:
        return each(node, partial(receiver_name, known=self.known.receivers), self.section.report)

    def _cross_checks(self, rule: Rule, signals: tuple[Signal, ...]) -> None:
        if self.planned:
            return
        self._useless_keys(rule)
        if rule.kill is not None:
            self._kill(rule, signals)
        told = rule.notify or (self.defaults.notify is None and "notify" not in self.section)
        if rule.enabled and not told and not self._wrong_at("notify"):
            self.section.wrong("nobody would be told of this rule", "add notify: [...], here or in defaults")

    def _wrong_at(self, key: str) -> bool:
        node = self.section.node.values.get(key)
        return node is not None and any(p.path.startswith(node.path) for p in self.section.report.problems)

    def _useless_keys(self, rule: Rule) -> None:
        useless = {
            "absent": ("window", "quantile", "min_n", "tolerance", "signal"),
            "drift": ("window", "quantile"),
        }
        for key in useless.get(rule.kind, ()):
            self.section.asked.add(key)
            requests = key == "signal" and self._is_requests()
            if key in self.section and not requests:
                self.section.wrong(f"{key} has no effect on {rule.kind}", "remove it", at=key)
        maps = [k for k in ("above", "below", "tolerance") if k in self.section]
        mapped = [k for k in maps if isinstance(self.section.node.values[k], Mapping)]
        if (
            "severity" in self.section
            and mapped
            and len(mapped) == len([k for k in maps if not self._reference(k)])
        ):
            self.section.wrong("severity has no effect: the limits name theirs", "remove it", at="severity")

    def _is_requests(self) -> bool:
        node = self.section.node.values.get("signal")
        return isinstance(node, Scalar) and node.text == BY_NAME["requests"].name

    def _reference(self, key: str) -> bool:
        node = self.section.node.values[key]
        return isinstance(node, Scalar) and node.text == "reference"

    def _kill(self, rule: Rule, signals: tuple[Signal, ...]) -> None:
        up = [bound for bound in rule.bounds if bound.side is Side.UP]
        if rule.kind is not RuleKind.ABOVE or (not up and not self._wrong_at("above")):
            self.section.wrong(
                "a kill stands only on `above`", "remove kill, or make it an `above` rule", at="kill"
            )
        elif up and all(severity is not Severity.CRITICAL for severity, _ in up[0].tiers):
            self.section.wrong(
                "a kill acts at critical only",
                "write above: {critical: 10%}, or severity: critical",
                at="kill",
            )
        for signal in signals:
            if signal.name == "rejected":
                self.section.wrong(
                    "rejected requests are the caller's fault and never kill", "remove kill", at="kill"
                )
        if not rule.match.labels and not self._wrong_at("match"):
            self.section.wrong(
                "a rule with kill needs a match", "say which model: match: {model: chat-eu}", at="kill"
            )


def _name(node: Node) -> str:
    value = text(node)
    if value.startswith(RESERVED):
        raise WrongError("names that begin with `tocsin.` are Tocsin's own", "choose another")
    if len(value.encode()) > 100:
        raise WrongError("a name has at most 100 bytes", "put the rest into title")
    return value


def receiver_name(node: Node, known: Collection[str]) -> str:
    """The name of a receiver that there is."""
    name = plain_text(node)
    if name not in known:
        raise WrongError("there is no receiver of this name", meant(name, known) or "add it to receivers")
    scalar(node)
    return name
