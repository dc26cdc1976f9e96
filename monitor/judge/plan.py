"""The rules of alerts.yaml as the judge's core reads them: watches, their tiers and their share of the budget."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from detectors import tolerance, weights
from detectors.tolerance import Tolerance
from monitor.config.model import Config, KillSwitch, SwitchKey, value_of
from monitor.config.naming import stands_for
from monitor.config.objectives import Objective
from monitor.config.rule import Bound, Limit, LimitKind, Match, Naming, Rule, RuleKind, Severity, labelled
from monitor.config.templates import filled
from monitor.judge.objective import ObjectiveWatch, objective_watch
from monitor.judge.parts import stream_of
from monitor.judge.tolerances import WatchKind, described, tolerance_of
from monitor.judge.watermark import Pace
from monitor.records.delta import F64, I64, PANE_MS
from monitor.records.signals import Kind, Side, Signal

CONFIGURED_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Tier:
    """One nested limit of a side: an `absolute` value of the user's, or a `tolerance` around the reference.

    `share` is its part of the watch's weight; `wider` tiers only worsen an incident; `text` is what the user wrote.
    """

    side: Side
    severity: Severity
    absolute: float | None
    tolerance: Tolerance | None
    text: str
    share: float = 1.0
    wider: bool = False


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which streams share one promise: all of them, or those with the same value of the label `per`.

    Streams without the label share one among themselves. `namings` give streams labels beside their own.
    """

    per: str | None = None
    namings: tuple[Naming, ...] = ()

    def value(self, labels: Mapping[str, str]) -> str:
        """What tells the group of a stream with these `labels`."""
        return "" if self.per is None else labelled(labels, self.namings).get(self.per, "")

    def sharers(self, streams: I64, active: Sequence[int], labels: Mapping[int, Mapping[str, str]]) -> F64:
        """With how many `active` streams, itself included, each of `streams` int64[r] shares: float64[r].

        0 for a stream that is not active: it injects nothing. Parts of streams count as streams do. `labels` are by
        stream.
        """
        if self.per is None:
            return np.where(np.isin(streams, active), float(len(active)), 0.0)
        group = {stream: self.value(labels.get(stream_of(stream), {})) for stream in active}
        size = Counter(group.values())
        known, at = np.unique(streams, return_inverse=True)
        each = [float(size[group[s]]) if s in group else 0.0 for s in known.tolist()]
        return np.array(each, np.float64)[at]


@dataclass(frozen=True, slots=True)
class Watch:
    """One rule on one signal, kept to the false-alarm budget by evidence.

    `identity` is a hash of all that its evidence rests on: where it changes, evidence restarts. `weight` is the share
    of the budget over all streams of one promise, see `sharing`; the shares of its tiers sum to 1.
    """

    key: str
    identity: str
    rule: Rule
    signal: Signal
    kind: WatchKind
    tiers: tuple[Tier, ...]
    weight: float
    sharing: Sharing = Sharing()

    @property
    def needs_reference(self) -> bool:
        return any(t.tolerance is not None for t in self.tiers)

    @property
    def each(self) -> str | None:
        """The field whose values are judged each by itself, against the stream's reference."""
        return self.rule.each


@dataclass(frozen=True, slots=True)
class KillWatch:
    """A rule that can trip a switch, with its own evidence on 1 s slots.

    `switch` may hold `{label}`; `switches` are those that it can stand for.
    """

    key: str
    identity: str
    rule: Rule
    signal: Signal
    limit: Limit
    switch: str
    switches: Mapping[str, KillSwitch]
    namings: tuple[Naming, ...] = ()

    @property
    def min_n(self) -> int:
        """The records that any of its switches asks for at least."""
        return max(switch.guard.min_n for switch in self.switches.values())

    def pulls(self, labels: Mapping[str, str]) -> SwitchKey | None:
        """Which switch, and which of its states, a stream with these `labels` pulls; None where there is none."""
        known = labelled(labels, self.namings)
        switch = self.switches.get(filled(self.switch, known))
        value = None if switch is None else value_of(switch.per, known) if switch.per else ""
        return None if switch is None or value is None else (switch.name, value)


@dataclass(frozen=True, slots=True)
class WindowWatch:
    """A plain threshold on a sliding window: no statistics, outside the promise."""

    key: str
    identity: str
    rule: Rule
    signal: Signal
    window_ms: int
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class TotalWatch:
    """A limit on a sum over a sliding time: outside the promise."""

    key: str
    identity: str
    rule: Rule
    signal: Signal
    total_ms: int
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class TrafficWatch:
    """Requests against the same time last week: a plain comparison, outside the promise."""

    key: str
    identity: str
    rule: Rule
    signal: Signal
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the core needs of alerts.yaml. `threshold` is A, in panes; `kill_threshold` in slots.

    `waiting` are the rules with a `for`, by watch. `paces` are by topic, `lateness_ms` is of a log without topics.
    """

    name: str
    config_hash: str
    watches: tuple[Watch, ...]
    kills: tuple[KillWatch, ...]
    windows: tuple[WindowWatch, ...]
    traffic: tuple[TrafficWatch, ...]
    totals: tuple[TotalWatch, ...]
    objectives: tuple[ObjectiveWatch, ...]
    absent: tuple[Rule, ...]
    threshold: float
    kill_threshold: float
    learn: int
    at_least_ms: int
    fresh_ms: int
    lateness_ms: int
    paces: Mapping[str, Pace]
    namings: tuple[Naming, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    waiting: Mapping[str, Rule] = field(default_factory=dict)
    by_hour: bool = False

    @property
    def rules(self) -> dict[str, Rule]:
        """The rule behind each key of a verdict's `watch`."""
        watched: list[Watch | WindowWatch | TrafficWatch | TotalWatch | ObjectiveWatch]
        watched = [*self.watches, *self.windows, *self.traffic, *self.totals, *self.objectives]
        return {key_of(r): r for r in self.absent} | {w.key: w.rule for w in watched}

    @property
    def referenced(self) -> tuple[Signal, ...]:
        """The signals that a reference is learned for."""
        found = {w.signal.code: w.signal for w in self.watches} | {
            k.signal.code: k.signal for k in self.kills
        }
        return tuple(found[code] for code in sorted(found))

    @property
    def sliced(self) -> Mapping[str, frozenset[int]]:
        """The fields whose values rules judge each by itself, with the signals of those rules."""
        found = defaultdict(set)
        for watch in self.watches:
            if watch.each is not None:
                found[watch.each].add(watch.signal.code)
        return {name: frozenset(codes) for name, codes in found.items()}


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


def key_of(rule: Rule, signal: Signal | None = None) -> str:
    """What the judge's state knows a rule on a signal by: a rule is its name, and its overrides in effect."""
    key = rule.name if signal is None else f"{rule.name}/{signal.name}"
    return f"{key}#{rule.variant}" if rule.variant else key


def named_by(key: str) -> tuple[str, str | None]:
    """The rule and the signal of a key, the rule's variant left out."""
    rule, _, signal = re.sub(r"#[0-9a-f]{8}$", "", key).partition("/")
    return rule, signal or None


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
