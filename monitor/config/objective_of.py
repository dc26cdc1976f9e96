"""`objective: 99% below 100ms, over: 30d` of a rule, held against its signal and against what could ever fire."""

import math
import re
from dataclasses import replace
from functools import partial
from typing import Final

from monitor.config.limits import check_unit, tiers
from monitor.config.objectives import Objective, burn_rates
from monitor.config.problem import Report, WrongError, listed
from monitor.config.rule import LimitKind, Severity
from monitor.config.section import Section
from monitor.config.tree import Node
from monitor.config.values import MS, NUMBER, duration, scalar, written
from monitor.records.signals import Kind, Signal

LONGEST: Final = "92d"
SHORTEST: Final = "3d"
FORM: Final = rf"({NUMBER})\s*(%?)(?:\s+below\s+(\S.*))?"
_HOW: Final = "write 99.9%, or 99% below 100ms"


def read_objective(section: Section, signals: tuple[Signal, ...]) -> Objective | None:
    """The objective of a rule on `signals`; None where there is none, or it is wrong."""
    over_ms = section.take("over", duration(SHORTEST, LONGEST), 30 * MS["d"])
    if "objective" not in section:
        if "over" in section:
            section.wrong("over goes with `objective`", "remove it", at="over")
        return None
    read = partial(_objective, signals=signals, over_ms=over_ms, report=section.report)
    return section.take("objective", read, None)


def _objective(node: Node, signals: tuple[Signal, ...], over_ms: int, report: Report) -> Objective:
    value = scalar(node)
    match = re.fullmatch(FORM, value.text.strip(), re.ASCII)
    if match is None:
        raise WrongError(f"{written(value)} is not an objective", _HOW)
    target = _target(float(match[1]), percent=bool(match[2]), shown=written(value))
    below = None if match[3] is None else replace(value, raw=match[3], text=match[3])
    for signal in signals:
        _fits(signal, bounded=below is not None)
    limit = None if below is None else _below(below, signals, report)
    objective = Objective(target, limit, over_ms, value.text.strip())
    _can_fire(objective)
    if len(signals) > 1:
        names = listed([s.name for s in signals], "and")
        raise WrongError(f"an objective is of one signal, here are {names}", "make a rule of each")
    return objective


def _target(number: float, *, percent: bool, shown: str) -> float:
    target = round(number / 100, 12) if percent else number
    if not percent and 1 < number < 100:
        raise WrongError(f"{shown} is no share", f"write {number:g}%")
    if target >= 1:
        raise WrongError(f"{shown} leaves no error budget", "write less than 100%, such as 99.9%")
    if target <= 0:
        raise WrongError(f"{shown} is met by anything", "write more, such as 99%")
    return target


def _fits(signal: Signal, *, bounded: bool) -> None:
    if signal.kind not in (Kind.RATE, Kind.DISTRIBUTION):
        what = "is a category" if signal.kind is Kind.CATEGORY else "is a number of records"
        raise WrongError(f"{signal.name} {what}, with no objective", "name a rate, or latency_ms")
    if signal.kind is Kind.RATE and bounded:
        raise WrongError(
            f"{signal.name} is a rate: what is good is the record without it", "write 99.9% alone"
        )
    if signal.kind is Kind.DISTRIBUTION and not bounded:
        raise WrongError(f"nothing says which {signal.name} is good", "write 99% below 100ms")


def _below(node: Node, signals: tuple[Signal, ...], report: Report) -> float:
    (tier,) = tiers(node, Severity.CRITICAL, report)
    if tier.limit.kind is not LimitKind.ABSOLUTE or tier.limit.value <= 0:
        raise WrongError(f"{written(scalar(node))} is no limit of an objective", "write one such as 100ms")
    for signal in signals:
        check_unit(tier, signal)
    return tier.limit.value


def _can_fire(objective: Objective) -> None:
    """A burn rate that would need more than all records to be bad never fires: it is refused, not left out."""
    never = [r for r in burn_rates(objective.over_ms) if r.factor * objective.budget >= 1]
    if not never:
        return
    windows = listed([r.windows for r in never], "and")
    least = math.floor((1 - 1 / max(r.factor for r in never)) * 10_000 + 1) / 100
    sentence = (
        f"the burn-rate windows {windows} could never fire: {never[0].factor:g} times an error budget of "
        f"{100 * objective.budget:.4g}% is all records or more"
    )
    raise WrongError(sentence, f"write {least:g}% or more, or a limit such as above: 20%")
