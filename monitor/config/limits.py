"""LIMITs: `5%`, `0.05`, `800ms`, `2s`, `5pp`, `2x`, `reference`; alone or a map of severities."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from monitor.config.problem import Report, UnsetError, WrongError, meant
from monitor.config.rule import Limit, LimitKind, Severity
from monitor.config.tree import Mapping, Node, Scalar, shown
from monitor.config.values import NUMBER, scalar, written
from monitor.records.signals import Kind, Signal

LEFT_OUT: Final = Limit(LimitKind.DEFAULT, 0.0, "default")
_FORM: Final = re.compile(rf"([+-]?)({NUMBER})\s*(%|pp|x|ms|s)?", re.ASCII)
_HOW: Final = "write 5%, 0.05, 800ms, 2s, 5pp or 2x"
SEVERITIES: Final = frozenset(severity.value for severity in Severity)
_MAX_FACTOR: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Tier:
    """A LIMIT as written: `unit` is %, ms (2s is 2000 ms), pp, x or nothing; `node` is where it stands."""

    severity: Severity
    limit: Limit
    unit: str
    node: Node

    @property
    def absolute(self) -> bool:
        return self.limit.kind is LimitKind.ABSOLUTE


def tiers(node: Node, alone: Severity, report: Report) -> tuple[Tier, ...]:
    """The tiers of one LIMIT (at severity `alone`) or of a map, mildest first."""
    if not isinstance(node, Mapping):
        return (_tier(node, alone),)
    found = []
    for key, value in node.values.items():
        try:
            found.append(_tier(value, _severity(key)))
        except WrongError as wrong:
            report.add(value.place, value.path, wrong.sentence, wrong.suggestion)
        except UnsetError:
            continue
    if not node.values:
        raise WrongError("there is no limit", _HOW)
    return tuple(sorted(found, key=lambda tier: tier.severity.rank))


def _severity(key: str) -> Severity:
    if key not in SEVERITIES:
        raise WrongError(f"{shown(key)} is not a severity", meant(key, SEVERITIES))
    return Severity(key)


def _tier(node: Node, severity: Severity) -> Tier:
    if isinstance(node, Scalar) and node.empty:
        return Tier(severity, LEFT_OUT, "", node)
    value = scalar(node)
    limit, unit = _read(value)
    return Tier(severity, limit, unit, node)


def _read(value: Scalar) -> tuple[Limit, str]:
    if value.text == "reference":
        return Limit(LimitKind.REFERENCE, 0.0, value.text), ""
    match = _FORM.fullmatch(value.text.strip())
    if match is None:
        raise WrongError(f"{written(value)} is not a limit", _advice(value))
    sign, amount, unit = match[1], float(match[2]), match[3] or ""
    if sign and unit != "pp":
        raise WrongError(f"{written(value)}: only points (pp) have a sign", _HOW)
    return Limit(
        *_scaled(-amount if sign == "-" else amount, unit), value.text.strip()
    ), "ms" if unit == "s" else unit


def _scaled(amount: float, unit: str) -> tuple[LimitKind, float]:
    if unit == "pp":
        return LimitKind.POINTS, amount / 100
    if unit == "x":
        return LimitKind.TIMES, amount
    return LimitKind.ABSOLUTE, amount / 100 if unit == "%" else amount * 1000 if unit == "s" else amount


def _advice(value: Scalar) -> str:
    match = re.fullmatch(rf"({NUMBER})\s*([a-zA-Z]+)", value.text.strip(), re.ASCII)
    if match is None or value.raw != value.text:
        return _HOW
    amount, unit = match[1], match[2].lower()
    known = {
        "p": "pp",
        "points": "pp",
        "percent": "%",
        "pct": "%",
        "times": "x",
        "sec": "s",
        "seconds": "s",
        "x": "x",
    }
    if unit in ("m", "min", "h") and float(amount) < 1e6:
        return f"write {float(amount) * (3600 if unit == 'h' else 60):g}s"
    return f"write {amount}{known[unit]}" if unit in known else _HOW


def check_factor(tier: Tier, *, down: bool = False) -> None:
    """`2x` above or as a tolerance is more than 1, below it is less."""
    factor, value = tier.limit.value, written(scalar(tier.node))
    if down and not 0 < factor < 1:
        raise WrongError(f"{value} is no factor to fall below", "write one under 1, such as 0.5x")
    if not down and not 1 < factor <= _MAX_FACTOR:
        raise WrongError(f"{value} is no factor to rise above", "write one over 1, such as 2x")


def check_points(tier: Tier, *, down: bool = False) -> None:
    """Points are a distance of less than 50; only `below` may write them with a minus."""
    points, value = tier.limit.value, written(scalar(tier.node))
    if points < 0 and not down:
        raise WrongError(
            f"{value}: points above the reference cannot be negative", f"write {-points * 100:g}pp"
        )
    if not 0 < abs(points) < 0.5:
        raise WrongError(f"{value} is out of range: no evidence can show it", "write less than 50pp")


def check_unit(tier: Tier, signal: Signal) -> None:
    """An absolute limit must be in the signal's own unit."""
    value = written(scalar(tier.node))
    unit = "s" if re.fullmatch(r".*[^m]s", tier.limit.text) else tier.unit
    if signal.kind is Kind.RATE and tier.unit == "ms":
        sentence = f"{value} on {signal.name}: a rate has no {unit}"
        raise WrongError(sentence, "write a share such as 5% or 0.05")
    if signal.kind is not Kind.DISTRIBUTION:
        return
    if tier.unit == "ms" and signal.unit != "ms":
        number = tier.limit.value / (1000 if unit == "s" else 1)
        what = "probabilities" if signal.unit == "probability" else signal.unit
        raise WrongError(f"{value} on {signal.name}: {what} have no {unit}", f"write {number:g} alone")
    if tier.unit == "%" and signal.unit != "probability":
        instead = "write 800ms or 2s" if signal.unit == "ms" else f"write {tier.limit.value * 100:g} alone"
        raise WrongError(f"{value} on {signal.name}: {signal.unit} have no percent", instead)


def check_nested(found: tuple[Tier, ...], report: Report, *, down: bool = False) -> None:
    """A severer tier must be wider than a milder one, or it would never escalate."""
    for mild, severe in pairwise(found):
        if mild.limit.kind is not severe.limit.kind:
            continue
        narrower = down and mild.limit.kind is not LimitKind.POINTS
        a, b = mild.limit.value, severe.limit.value
        apart = a > b if narrower else abs(a) < abs(b)
        if not apart:
            sentence = f"{severe.severity} {_shown(severe)} is not wider than {mild.severity} {_shown(mild)}"
            report.add(
                severe.node.place,
                severe.node.path,
                sentence,
                "an incident escalates from the milder to the severer",
            )


def _shown(tier: Tier) -> str:
    return written(scalar(tier.node)) if tier.limit.kind is not LimitKind.DEFAULT else "(the default)"
