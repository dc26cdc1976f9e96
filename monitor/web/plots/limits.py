"""The limits of a signal that can be drawn across its plot."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from detectors import tolerance
from monitor.config.model import Config
from monitor.config.rule import Bound, Limit, LimitKind, Rule, RuleKind
from monitor.judge.tolerances import tolerance_of
from monitor.ledger.wording import amount
from monitor.records.signals import Kind, Signal
from monitor.web.plots.measures import Measures


@dataclass(frozen=True, slots=True)
class Line:
    """A limit by its value, and in words."""

    value: float
    words: str


def lines(
    config: Config,
    labels: Mapping[str, str],
    signal: Signal,
    usual: Measures,
    firing: Iterable[Row[Any]] = (),
) -> tuple[Line, ...]:
    """What incidents that fire have passed, and what rules allow: in the signal's unit, lowest first."""
    passed = {
        row.rule: row.at_least for row in firing if row.signal == signal.name and _comparable(row, signal)
    }
    allowed = [
        value
        for rule in rules_of(config, labels, signal.name)
        for bound in rule.bounds
        for _, limit in bound.tiers
        # What fires has the limit as it was judged, which allows for what the reference does not know for sure.
        if limit.kind is LimitKind.ABSOLUTE or rule.name not in passed
        if (value := _value(rule, bound, limit, signal, usual)) is not None
    ]
    return tuple(Line(value, amount(value, signal.unit)) for value in sorted({*passed.values(), *allowed}))


def rules_of(config: Config, labels: Mapping[str, str], name: str) -> list[Rule]:
    """The rules that watch a signal of a stream with `labels`."""
    return [
        rule for rule in config.rules if name in rule.signals and rule.enabled and rule.match.accepts(labels)
    ]


def _comparable(row: Row[Any], signal: Signal) -> bool:
    """Whether the limit is of a quantity that the plot shows."""
    return row.at_least is not None and (
        signal.kind is not Kind.DISTRIBUTION or row.quantity in ("p50", "p99")
    )


def _value(rule: Rule, bound: Bound, limit: Limit, signal: Signal, usual: Measures) -> float | None:
    """Where the limit lies; None for one that has no single place in the plot."""
    if rule.kind not in (RuleKind.ABOVE, RuleKind.BELOW) or rule.total_ms or signal.kind is Kind.TRAFFIC:
        return None
    if limit.kind is LimitKind.ABSOLUTE:
        return limit.value
    if signal.kind is not Kind.RATE or "rate" not in usual or bound.side != "up":
        return None
    return float(tolerance.limit([usual["rate"]], tolerance_of(limit, None, "rate", signal))[0])
