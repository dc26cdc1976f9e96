"""A rule with an objective as the judge's core reads it."""

from dataclasses import dataclass

from monitor.config.objectives import BurnRate, Objective, burn_rates
from monitor.config.rule import Rule, Severity
from monitor.records.signals import Signal


@dataclass(frozen=True, slots=True)
class ObjectiveWatch:
    """An objective and the burn rates that alarm, the fastest first: outside the promise."""

    key: str
    identity: str
    rule: Rule
    signal: Signal
    objective: Objective
    rates: tuple[BurnRate, ...]

    def limit(self, tier: int) -> float:
        """The share of bad records that both windows of burn rate `tier` must exceed."""
        return self.rates[tier].factor * self.objective.budget

    def severity(self, tier: int) -> Severity:
        """How loud burn rate `tier` is: a page or a ticket."""
        return Severity.CRITICAL if self.rates[tier].pages else Severity.WARNING


def objective_watch(
    rule: Rule, signal: Signal, objective: Objective, key: str, identity: str
) -> ObjectiveWatch:
    """The watch of `rule`, with its burn rates."""
    return ObjectiveWatch(key, identity, rule, signal, objective, burn_rates(objective.over_ms))
