"""From a loaded alerts.yaml to the plan: each rule's watches, their tiers, and what each may spend of the budget."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from detectors import tolerance, weights
from monitor.config.model import Config
from monitor.config.naming import stands_for
from monitor.config.objectives import Objective
from monitor.config.rule import Bound, Limit, LimitKind, Match, Rule, RuleKind, Severity
from monitor.judge.objective import ObjectiveWatch, objective_watch
from monitor.judge.plan import (
    KillWatch,
    Plan,
    Sharing,
    Tier,
    TotalWatch,
    TrafficWatch,
    Watch,
    WindowWatch,
    key_of,
)
from monitor.judge.tolerances import WatchKind, described, tolerance_of
from monitor.judge.watermark import Pace
from monitor.records.delta import PANE_MS
from monitor.records.signals import Kind, Side, Signal

CONFIGURED_SHARE: Final = 0.8


def compile_plan(config: Config) -> Plan:
    """The plan of a loaded alerts.yaml."""
    rules = [r for r in config.rules if r.enabled]
    pairs = [(r, config.signal(s)) for r in rules if r.kind is not RuleKind.ABSENT for s in r.signals]
    rates = {name: rate * PANE_MS for name, rate in config.false_alarms.rates.items()}
    totals = [(r, s) for r, s in pairs if r.total_ms is not None]
    objectives = tuple(_objective_watch(r, s, r.objective) for r, s in pairs if r.objective is not None)
    pairs = [(r, s) for r, s in pairs if r.total_ms is None and r.objective is None]
    judged = [(r, s) for r, s in pairs if r.window_ms is None and s.kind is not Kind.TRAFFIC]
    kills = tuple(_kill_watch(config, r, s) for r, s in pairs if r.kill)
    kill_rate = config.false_alarms.kill
    plan = Plan(
        name=config.name,
        config_hash=config.config_hash,
        watches=_weighted(
            [_watch(r, s, config.learning.by_hour) for r, s in judged], rates, _sharing(config)
        ),
        kills=kills,
        windows=tuple(_window_watch(r, s) for r, s in pairs if r.window_ms is not None),
        traffic=tuple(_traffic_watch(r, s) for r, s in pairs if s.kind is Kind.TRAFFIC),
        totals=tuple(_total_watch(r, s) for r, s in totals),
        objectives=objectives,
        absent=tuple(r for r in rules if r.kind is RuleKind.ABSENT),
        threshold=weights.threshold(rates),
        kill_threshold=weights.threshold({"kill": kill_rate * 1000}) if kill_rate else weights.KILL_THRESHOLD,
        learn=config.learning.learn,
        at_least_ms=config.learning.at_least_ms,
        fresh_ms=config.fresh_ms,
        lateness_ms=config.source.lateness_ms,
        paces={topic: Pace(s.lateness_ms, follows=s.type is not None) for topic, s in config.topics.items()},
        namings=config.streams.namings,
        links=config.links,
        by_hour=config.learning.by_hour,
    )
    return replace(plan, waiting={key: rule for key, rule in plan.rules.items() if rule.for_ms})


def _sharing(config: Config) -> Sharing:
    per = config.false_alarms.per
    return Sharing(per, () if per is None or per in config.streams.by else config.streams.namings)


def _weighted(watches: Sequence[Watch], rates: Mapping[str, float], sharing: Sharing) -> tuple[Watch, ...]:
    """Every watch with its weight, and each of its tiers with its share of that."""
    claimed = _claimed([list(dict.fromkeys(t.severity for t in w.tiers)) for w in watches], rates)
    return tuple(
        replace(w, weight=sum(claims.values()), tiers=_shared(w.tiers, claims), sharing=sharing)
        for w, claims in zip(watches, claimed, strict=True)
    )


def _claimed(uses: Sequence[Sequence[Severity]], rates: Mapping[str, float]) -> list[dict[Severity, float]]:
    """What each watch may inject for each of its severities: one number is shared evenly over the watches.

    With a map each severity shares its own; one without a promise of its own spends the first one's.
    """
    if "any" in rates:
        return [{severity: 1 / len(uses) / len(used) for severity in used} for used in uses]
    spends = {s: str(s) if str(s) in rates else next(iter(rates)) for s in Severity}
    shares = weights.rule_shares(rates, [{spends[s] for s in used} for used in uses])
    alike = [Counter(spends[s] for s in used) for used in uses]
    return [
        {s: share[spends[s]] / same[spends[s]] for s in used}
        for used, share, same in zip(uses, shares, alike, strict=True)
    ]


def _watch(rule: Rule, signal: Signal, by_hour: bool) -> Watch:
    kind = _watch_kind(rule, signal)
    tiers = tuple(t for bound in rule.bounds for t in _tiers(bound, rule, kind, signal, by_hour))
    more = (*(() if rule.each is None else (rule.each,)), *(("by hour",) if by_hour else ()))
    identity = _identity(
        rule.signals, rule.bounds, rule.quantile, rule.kind, signal.name, *_told(rule.match), *more
    )
    return Watch(key_of(rule, signal), identity, rule, signal, kind, tiers, 1.0)


def _told(match: Match) -> tuple[object, ...]:
    """What the streams of a rule are told by."""
    return (match.labels, *match.namings)


def _watch_kind(rule: Rule, signal: Signal) -> WatchKind:
    if signal.kind is Kind.CATEGORY:
        return "category"
    if signal.kind is Kind.RATE:
        return "rate"
    return "quantile" if rule.quantile is not None else "tube"


def _tiers(bound: Bound, rule: Rule, kind: WatchKind, signal: Signal, by_hour: bool) -> list[Tier]:
    sides = (Side.UP, Side.DOWN) if bound.side is Side.BOTH else (bound.side,)
    return [t for side in sides for t in _side(side, bound, rule, kind, signal, by_hour)]


def _side(side: Side, bound: Bound, rule: Rule, kind: WatchKind, signal: Signal, by_hour: bool) -> list[Tier]:
    tiers = [_tier(side, severity, limit, rule, kind, signal, by_hour) for severity, limit in bound.tiers]
    widest = tiers[-1]
    if widest.tolerance is None or kind == "quantile":
        return tiers
    more = [t for t in tolerance.wider(widest.tolerance) if t.form != "points"]
    return tiers + [Tier(side, widest.severity, None, t, f"{t.amount:g}x", wider=True) for t in more]


def _tier(
    side: Side, severity: Severity, limit: Limit, rule: Rule, kind: WatchKind, signal: Signal, by_hour: bool
) -> Tier:
    if limit.kind is LimitKind.ABSOLUTE:
        return Tier(side, severity, limit.value, None, limit.text)
    found = tolerance_of(limit, rule.quantile, kind, signal, by_hour)
    text = limit.text if limit.kind is not LimitKind.DEFAULT else described(found)
    return Tier(side, severity, None, found, text)


def _shared(tiers: tuple[Tier, ...], claims: Mapping[Severity, float]) -> tuple[Tier, ...]:
    """Each severity's part of the watch, split over sides, then mostly to what the user wrote."""
    out, weight = [], sum(claims.values())
    for tier in tiers:
        alike = [t for t in tiers if t.severity == tier.severity]
        extra = [t for t in alike if t.wider]
        part = CONFIGURED_SHARE if extra and not tier.wider else (1 - CONFIGURED_SHARE) if tier.wider else 1.0
        peers = extra if tier.wider else [t for t in alike if not t.wider]
        out.append(replace(tier, share=claims[tier.severity] / weight * part / len(peers)))
    return tuple(out)


def _kill_watch(config: Config, rule: Rule, signal: Signal) -> KillWatch:
    names = stands_for(str(rule.kill), config.kill_switches)
    found = {name: config.kill_switches[name] for name in names}
    pers = next(iter(found.values())).per if names == (rule.kill,) else [(n, s.per) for n, s in found.items()]
    limit = next(
        lim for b in rule.bounds if b.side is Side.UP for s, lim in b.tiers if s is Severity.CRITICAL
    )
    identity = _identity(limit, rule.quantile, rule.kind, signal.name, *_told(rule.match), rule.kill, pers)
    return KillWatch(
        key_of(rule, signal),
        identity,
        rule,
        signal,
        limit,
        str(rule.kill),
        found,
        config.streams.namings,
    )


def _window_watch(rule: Rule, signal: Signal) -> WindowWatch:
    identity = _identity(rule.bounds, rule.quantile, signal.name, *_told(rule.match), rule.window_ms)
    return WindowWatch(key_of(rule, signal), identity, rule, signal, rule.window_ms or 0, rule.bounds)


def _traffic_watch(rule: Rule, signal: Signal) -> TrafficWatch:
    identity = _identity(rule.bounds, signal.name, rule.match.labels)
    return TrafficWatch(key_of(rule, signal), identity, rule, signal, rule.bounds)


def _total_watch(rule: Rule, signal: Signal) -> TotalWatch:
    identity = _identity(rule.bounds, signal.name, *_told(rule.match), rule.total_ms)
    key = key_of(rule, signal)
    return TotalWatch(key, identity, rule, signal, rule.total_ms or 0, rule.bounds)


def _objective_watch(rule: Rule, signal: Signal, objective: Objective) -> ObjectiveWatch:
    identity = _identity(objective, signal.name, *_told(rule.match))
    return objective_watch(rule, signal, objective, key_of(rule, signal), identity)


def _identity(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
