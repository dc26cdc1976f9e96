"""The limits of a rule against its signals: units, ranges, and what no evidence could ever show."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from detectors.tolerance import DEFAULTS
from monitor.config.limits import LEFT_OUT, Tier, check_factor, check_nested, check_points, check_unit, tiers
from monitor.config.problem import WrongError
from monitor.config.rule import Bound, Limit, LimitKind, Severity
from monitor.config.section import Section
from monitor.config.tree import Mapping, Node, Scalar
from monitor.config.values import one_of, scalar, written
from monitor.records.signals import Kind, Side, Signal

NO_EVIDENCE = 0.5


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule says beside its limits, as far as limits depend on it."""

    signals: tuple[Signal, ...]
    severity: Severity
    quantile: float | None
    window: bool
    kills: bool
    total: bool = False


def threshold(section: Section, terms: Terms) -> tuple[Bound, ...]:
    """`above` and `below`; `above: reference` takes its limits from `tolerance`."""
    bounds = []
    for key, side in (("above", Side.UP), ("below", Side.DOWN)):
        found = _read(section, key, terms)
        alone = not isinstance(section.node.values.get(key), Mapping)
        if alone and found and found[0].limit.kind is LimitKind.REFERENCE:
            found = _read(section, "tolerance", terms) or _left_out(found[0], terms)
        if found:
            _check(section, found, terms, partial(_threshold_limit, terms=terms, down=side is Side.DOWN))
            bounds.append(_bound(section, side, found))
    return tuple(bounds)


def drift(section: Section, terms: Terms) -> tuple[Bound, ...]:
    """`drift` with its `tolerance`; a drift without a side takes the one that is bad for its signals."""
    side = section.take("drift", partial(_side, signals=terms.signals), None, blank=True)
    found = _read(section, "tolerance", terms)
    if side is None:
        return ()
    if side is not Side.BOTH and any(s.kind is Kind.CATEGORY for s in terms.signals):
        section.wrong("categories have no up and down", "write drift: both", at="drift")
    if not found:
        return (Bound(side, ((terms.severity, LEFT_OUT),)),)
    _check(section, found, terms, _tolerance)
    return (_bound(section, side, found),)


def _read(section: Section, key: str, terms: Terms) -> tuple[Tier, ...]:
    return section.take(key, lambda node: tiers(node, terms.severity, section.report), (), blank=True)


def _left_out(tier: Tier, terms: Terms) -> tuple[Tier, ...]:
    return (Tier(terms.severity, LEFT_OUT, "", tier.node),)


def _bound(section: Section, side: Side, found: tuple[Tier, ...]) -> Bound:
    check_nested(found, section.report, down=side is Side.DOWN)
    return Bound(side, tuple((tier.severity, _distance(tier.limit)) for tier in found))


def _distance(limit: Limit) -> Limit:
    """`below: -5pp` and `below: 5pp` are the same."""
    return replace(limit, value=abs(limit.value))


def _side(node: Node, signals: tuple[Signal, ...]) -> Side:
    if not (isinstance(node, Scalar) and node.empty):
        return Side(one_of(*Side)(node))
    sides = {signal.bad for signal in signals}
    if len(sides) > 1:
        raise WrongError(
            "these signals are not all bad in the same direction", "write drift: up, down or both"
        )
    return sides.pop() if sides else Side.BOTH


def _check(
    section: Section, found: tuple[Tier, ...], terms: Terms, check: Callable[[Tier, Signal], None]
) -> None:
    for tier in found:
        try:
            for signal in terms.signals:
                check(tier, signal)
        except WrongError as wrong:
            section.report.add(tier.node.place, tier.node.path, wrong.sentence, wrong.suggestion)


def _tolerance(tier: Tier, signal: Signal) -> None:
    match tier.limit.kind:
        case LimitKind.ABSOLUTE:
            raise WrongError(f"{written(scalar(tier.node))} is no tolerance", _as_tolerance(tier))
        case LimitKind.REFERENCE:
            raise WrongError("`reference` is no tolerance", "write 5pp or 2x")
        case LimitKind.TIMES:
            _no_stretched_probability(tier, signal)
            check_factor(tier)
        case LimitKind.POINTS:
            check_points(tier)


def _as_tolerance(tier: Tier) -> str:
    value = tier.limit.value
    if tier.unit == "ms":
        return "write a factor such as 1.5x"
    if value < 1:
        return f"write {value * 100:g}pp for points, or a factor such as 2x"
    return f"write {value:g}x for a factor" if value > 1 else "write 5pp or 2x"


def _threshold_limit(tier: Tier, signal: Signal, *, terms: Terms, down: bool) -> None:
    kind = tier.limit.kind
    if terms.total:
        _of_total(tier, signal)
        return
    if signal.kind is Kind.TRAFFIC:
        _against_last_week(tier, terms, down=down)
        return
    if signal.kind is Kind.CATEGORY:
        raise WrongError(f"{signal.name} is a category, with no above and below", "write drift: both")
    if terms.window and kind is not LimitKind.ABSOLUTE:
        raise WrongError(
            "a window needs an absolute limit", "write one such as 50% or 800ms, or remove window"
        )
    if kind is LimitKind.TIMES:
        _no_stretched_probability(tier, signal)
        check_factor(tier, down=down)
    elif kind is LimitKind.POINTS:
        check_points(tier, down=down)
        _quantile_points(tier, terms, down=down)
    elif kind is LimitKind.ABSOLUTE:
        check_unit(tier, signal)
        _absolute(tier, signal, terms, down=down)
    elif kind is LimitKind.DEFAULT:
        _quantile_default(terms, down=down)
    else:
        raise WrongError("`reference` goes alone", "write above: reference, and the severities in tolerance")


def _of_total(tier: Tier, signal: Signal) -> None:
    value = written(scalar(tier.node))
    if signal.kind is Kind.CATEGORY:
        raise WrongError(f"{signal.name} is a category, and has no total", "remove total, or name a rate")
    if tier.limit.kind is not LimitKind.ABSOLUTE or tier.unit == "%" or tier.limit.value <= 0:
        raise WrongError(f"{value} is no limit of a total", "write a number such as 80")
    if signal.kind is not Kind.DISTRIBUTION and tier.unit:
        raise WrongError(f"{value}: {signal.name} is counted", "write a number such as 80")
    check_unit(tier, signal)


def _against_last_week(tier: Tier, terms: Terms, *, down: bool) -> None:
    if terms.window or tier.limit.kind is not LimitKind.TIMES:
        sentence = "traffic is held against the same time last week"
        raise WrongError(sentence, f"write {'below: 0.5x' if down else 'above: 2x'}, without a window")
    check_factor(tier, down=down)


def _no_stretched_probability(tier: Tier, signal: Signal) -> None:
    if signal.kind is Kind.DISTRIBUTION and signal.unit == "probability":
        sentence = f"{written(scalar(tier.node))} on {signal.name}: a probability cannot be stretched"
        raise WrongError(sentence, "write points such as 10pp")


def _quantile_points(tier: Tier, terms: Terms, *, down: bool) -> None:
    if terms.quantile is None:
        return
    share = terms.quantile if down else 1 - terms.quantile
    if share + abs(tier.limit.value) > NO_EVIDENCE:
        sentence = (
            f"{written(scalar(tier.node))} on top of {share:.4g} is over half of all: no evidence can show it"
        )
        raise WrongError(sentence, "write fewer points")


def _quantile_default(terms: Terms, *, down: bool) -> None:
    if terms.quantile is None:
        return
    share = terms.quantile if down else 1 - terms.quantile
    if share * DEFAULTS["p99"].amount > NO_EVIDENCE:
        advice = f"write {'below: 0.67x' if down else 'above: 1.5x'}"
        raise WrongError(f"p{terms.quantile * 100:g} has no default limit", advice)


def _absolute(tier: Tier, signal: Signal, terms: Terms, *, down: bool) -> None:
    value, limit = written(scalar(tier.node)), tier.limit.value
    if limit <= 0:
        raise WrongError(
            f"{value} is no limit: {'nothing is below' if down else 'anything is above'} it",
            "write more than 0",
        )
    if signal.kind is Kind.RATE or signal.unit == "probability":
        _at_most_all(tier, signal)
    if signal.kind is Kind.RATE and not terms.window:
        _rate_with_evidence(tier, signal, terms, down=down)


def _at_most_all(tier: Tier, signal: Signal) -> None:
    limit, value = tier.limit.value, written(scalar(tier.node))
    if limit >= 1:
        plain = tier.unit == "" and 1 < limit < 100
        raise WrongError(
            f"{signal.name} is never above {value}", f"write {limit:g}%" if plain else "write less than 100%"
        )


def _rate_with_evidence(tier: Tier, signal: Signal, terms: Terms, *, down: bool) -> None:
    limit, value = tier.limit.value, written(scalar(tier.node))
    if down and limit < NO_EVIDENCE:
        sentence = f"no evidence can show that {signal.name} is below {value}: it must be at least 50%"
        raise WrongError(
            sentence, "watch what happens instead, with `above`, or add window: 5m for a plain threshold"
        )
    capped = terms.kills and tier.severity is Severity.CRITICAL
    if not down and limit > NO_EVIDENCE and not capped:
        sentence = f"no evidence can show that {signal.name} is above {value}: it must be at most 50%"
        raise WrongError(sentence, "write 50% or less, or add window: 5s for a plain threshold")
