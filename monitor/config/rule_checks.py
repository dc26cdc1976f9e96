"""What is wrong with a rule as a whole: dead rules, keys without effect, kills that could never act."""

from monitor.config.bounds import NO_EVIDENCE
from monitor.config.rule import Rule, RuleKind, Severity
from monitor.config.section import Section
from monitor.config.tree import Mapping, Node, Scalar
from monitor.records.settings import VERSION_FIELD
from monitor.records.signals import Kind, Of, Side, Signal

LIMITS = ("above", "below", "tolerance")
IDLE = {
    RuleKind.ABSENT: ("signal", "window", "quantile", "min_n", "tolerance", "each", "total", "for"),
    RuleKind.DRIFT: ("window", "quantile", "total"),
    RuleKind.OBJECTIVE: ("window", "quantile", "total", "tolerance", "each", "severity"),
}


WITH_TOTAL = ("window", "quantile", "each", "min_n", "kill", "tolerance")


def check_rule(
    section: Section, rule: Rule, signals: tuple[Signal, ...], *, told: bool, shared_switch: bool
) -> None:
    """Reports what the rule's own keys do not show one by one; `told` says whether anybody hears of it.

    `shared_switch` says that its switch has one state for all streams.
    """
    _idle_keys(section, rule)
    _idle_severity(section)
    _idle_tolerance(section)
    _traffic(section, rule, signals)
    _quantile(section, rule, signals)
    _each(section, rule, signals)
    if rule.kill is not None:
        _kill(section, rule, signals, shared_switch=shared_switch)
    _sampled(section, rule, signals)
    if rule.enabled and not told:
        section.wrong("nobody would be told of this rule", "add notify: [...], here or in defaults")


def _idle_keys(section: Section, rule: Rule) -> None:
    if rule.total_ms is not None:
        for key in WITH_TOTAL:
            if key in section:
                section.wrong(f"{key} has no effect on a total", "remove it", at=key)
    for key in IDLE.get(rule.kind, ()):
        if key in section and not (key == "signal" and _says(section.node.values[key], "requests")):
            section.wrong(f"{key} has no effect on a rule with {rule.kind}", "remove it", at=key)


def _idle_severity(section: Section) -> None:
    """A severity counts where a limit stands alone, and where there is none."""
    limits = [
        node for key, node in section.node.values.items() if key in LIMITS and not _says(node, "reference")
    ]
    if "severity" in section and limits and all(isinstance(node, Mapping) for node in limits):
        section.wrong("severity has no effect: the limits name theirs", "remove it", at="severity")


def _idle_tolerance(section: Section) -> None:
    limits = [section.node.values[key] for key in ("above", "below") if key in section]
    if "tolerance" in section and limits and not any(_says(node, "reference") for node in limits):
        section.wrong("tolerance goes with `drift` or `above: reference`", "remove it", at="tolerance")


def _says(node: Node, word: str) -> bool:
    return isinstance(node, Scalar) and node.text == word


def _traffic(section: Section, rule: Rule, signals: tuple[Signal, ...]) -> None:
    if rule.kind is RuleKind.DRIFT and any(s.kind is Kind.TRAFFIC for s in signals):
        section.wrong("requests do not drift", "write below: 0.5x, above: 2x, or absent: 2m", at="signal")


def _quantile(section: Section, rule: Rule, signals: tuple[Signal, ...]) -> None:
    if rule.kind not in (RuleKind.ABOVE, RuleKind.BELOW):
        return
    spread = [s.name for s in signals if s.kind is Kind.DISTRIBUTION]
    others = [s.name for s in signals if s.kind is not Kind.DISTRIBUTION]
    if rule.total_ms is not None:
        return
    if spread and "quantile" not in section and not section.misspelt("quantile", "drift"):
        section.wrong(f"above and below on {spread[0]} need a percentile", "add quantile: p99, or use drift")
    if rule.quantile is None:
        return
    if others:
        section.wrong(f"{others[0]} has no percentiles", "remove quantile", at="quantile")
    elif "window" not in section:
        _sides(section, rule.quantile)


def _sides(section: Section, quantile: float) -> None:
    if "above" in section and quantile < NO_EVIDENCE:
        section.wrong("above needs p50 or higher", "use below for low percentiles", at="quantile")
    if "below" in section and quantile > NO_EVIDENCE:
        section.wrong("below needs p50 or lower", "use above for high percentiles", at="quantile")


def _each(section: Section, rule: Rule, signals: tuple[Signal, ...]) -> None:
    if rule.each is None or rule.kind is RuleKind.ABSENT:
        return
    if rule.window_ms is not None or any(s.kind is Kind.TRAFFIC for s in signals):
        what = "a window" if rule.window_ms is not None else "requests"
        section.wrong(f"each has no effect on {what}", "remove it", at="each")
    sampled = [s.name for s in signals if s.of is Of.SAMPLED]
    if sampled and rule.each != VERSION_FIELD:
        section.wrong(f"{sampled[0]} is counted by version only", "write each: version", at="each")
    if rule.kill is not None:
        advice = "give the kill a rule of its own, without each"
        section.wrong("a kill rests on the whole stream", advice, at="each")


def _sampled(section: Section, rule: Rule, signals: tuple[Signal, ...]) -> None:
    """Windows and kills count single seconds, which samples have not."""
    sampled = [s.name for s in signals if s.of is Of.SAMPLED]
    for key in ("window", "kill"):
        if sampled and key in section and not (key == "kill" and rule.kill is None):
            section.wrong(
                f"{sampled[0]} is told from samples, without single seconds", f"remove {key}", at=key
            )


def _kill(section: Section, rule: Rule, signals: tuple[Signal, ...], *, shared_switch: bool) -> None:
    up = [bound for bound in rule.bounds if bound.side is Side.UP]
    if rule.kind is not RuleKind.ABOVE:
        section.wrong("a kill stands only on `above`", "remove kill, or make it a rule with above", at="kill")
    elif up and all(severity is not Severity.CRITICAL for severity, _ in up[0].tiers):
        advice = "write above: {critical: 10%}, or severity: critical"
        section.wrong("a kill acts at critical only", advice, at="kill")
    if rule.for_ms:
        advice = "remove for, or give the message a rule of its own"
        section.wrong("a kill has its own evidence and does not wait", advice, at="for")
    if any(s.kind is Kind.TRAFFIC for s in signals):
        section.wrong("a kill stands on a rate or a percentile, not on requests", "remove kill", at="kill")
    if any(s.name == "rejected" for s in signals):
        section.wrong("rejected requests are the caller's fault and never kill", "remove kill", at="kill")
    if shared_switch and "match" not in section:
        advice = "say which model: match: {model: chat-eu}; or give the switch a state for each, per: [model]"
        section.wrong("a rule with kill needs a match", advice, at="kill")
