"""How the promise of `false_alarms` is shared: over rules, signals, sides and tiers."""

from dataclasses import dataclass
from typing import Final

from detectors import weights
from monitor.config.model import Config
from monitor.config.rule import Rule, RuleKind
from monitor.judge.plan import Plan
from monitor.records.delta import PANE_MS, SLOT_MS

MONTH_MS: Final = 30 * 86_400_000
TRAFFIC: Final = "requests"


@dataclass(frozen=True, slots=True)
class Part:
    """What one tier of a rule may spend: `alarms` false ones are to be expected of it in 30 days, at most.

    `share` is of all weights. A `wider` tier is Tocsin's own: it only worsens an incident.
    """

    rule: str
    signal: str
    side: str
    severity: str
    limit: str
    wider: bool
    share: float
    alarms: float


@dataclass(frozen=True, slots=True)
class KillPart:
    """What a rule that can pull `switch` may spend of the promise for kills."""

    rule: str
    signal: str
    switch: str
    alarms: float


@dataclass(frozen=True, slots=True)
class Outside:
    """A rule that the promise does not cover, and why."""

    rule: str
    why: str


def parts(plan: Plan) -> list[Part]:
    """Every tier of every rule, in the order of the file."""
    panes = MONTH_MS / PANE_MS
    return [
        Part(
            rule=watch.rule.name,
            signal=watch.signal.name,
            side=tier.side.value,
            severity=tier.severity.value,
            limit=tier.text,
            wider=tier.wider,
            share=watch.weight * tier.share,
            alarms=weights.expected_alarms(watch.weight * tier.share, plan.threshold, panes),
        )
        for watch in plan.watches
        for tier in watch.tiers
    ]


def kill_parts(plan: Plan) -> list[KillPart]:
    """Every rule that can kill; they share the promise for kills evenly, over the streams that they match."""
    slots, many = MONTH_MS / SLOT_MS, len(plan.kills)
    return [
        KillPart(
            rule=watch.rule.name,
            signal=watch.signal.name,
            switch=watch.switch,
            alarms=weights.expected_alarms(1 / many, plan.kill_threshold, slots),
        )
        for watch in plan.kills
    ]


def outside(config: Config) -> list[Outside]:
    """The rules that stand outside the promise."""
    reasons = [(rule.name, _why(rule)) for rule in config.rules if rule.enabled]
    return [Outside(name, why) for name, why in reasons if why]


def _why(rule: Rule) -> str:
    if rule.window_ms is not None:
        return "a plain threshold on a window, without statistics"
    if rule.total_ms is not None:
        return "a total is added up, without statistics"
    if rule.objective is not None:
        return "an error budget is added up, without statistics"
    if rule.kind is RuleKind.ABSENT:
        return "silence is a fact, not evidence"
    return "requests are compared with last week, without statistics" if TRAFFIC in rule.signals else ""
