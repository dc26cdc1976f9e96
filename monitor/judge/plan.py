"""The rules of alerts.yaml as the judge's core reads them: watches, their tiers and their share of the budget."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from detectors import tolerance, weights
from detectors.tolerance import Tolerance
from monitor.config.model import Bound, Config, Guard, Limit, LimitKind, Rule, RuleKind, Severity
from monitor.records.delta import PANE_MS
from monitor.records.signals import BY_NAME, Kind, Side, Signal

WatchKind = Literal["rate", "quantile", "tube", "category"]

DEFAULT_KILL_THRESHOLD: Final = 1e8
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
class Watch:
    """One rule on one signal, kept to the false-alarm budget by evidence.

    `identity` is a hash of all that its evidence rests on: where it changes, evidence restarts. `weight` is the share
    of the budget over all streams.
    """

    key: str
    identity: str
    rule: Rule
    signal: Signal
    kind: WatchKind
    tiers: tuple[Tier, ...]
    weight: float

    @property
    def needs_reference(self) -> bool:
        return any(t.tolerance is not None for t in self.tiers)


@dataclass(frozen=True, slots=True)
class KillWatch:
    """A rule that can trip a switch, with its own evidence on 1 s slots."""

    key: str
    identity: str
    rule: Rule
    signal: Signal
    limit: Limit
    switch: str
    guard: Guard


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
class Plan:
    """Everything that the core needs of alerts.yaml. `threshold` is A, in panes; `kill_threshold` in slots."""

    name: str
    config_hash: str
    watches: tuple[Watch, ...]
    kills: tuple[KillWatch, ...]
    windows: tuple[WindowWatch, ...]
    absent: tuple[Rule, ...]
    threshold: float
    kill_threshold: float
    learn: int
    at_least_ms: int
    fresh_ms: int
    lateness_ms: int

    @property
    def referenced(self) -> tuple[Signal, ...]:
        """The signals that a reference is learned for."""
        found = {w.signal.code: w.signal for w in self.watches} | {
            k.signal.code: k.signal for k in self.kills
        }
        return tuple(found[code] for code in sorted(found))


def compile_plan(config: Config) -> Plan:
    """The plan of a loaded alerts.yaml."""
    rules = [r for r in config.rules if r.enabled]
    pairs = [(r, BY_NAME[s]) for r in rules if r.kind is not RuleKind.ABSENT for s in r.signals]
    rates = {name: rate * PANE_MS for name, rate in config.false_alarms.rates.items()}
    judged = [(r, s) for r, s in pairs if r.window_ms is None]
    kills = tuple(_kill_watch(config, r, s) for r, s in pairs if r.kill)
    kill_rate = config.false_alarms.kill
    return Plan(
        name=config.name,
        config_hash=config.config_hash,
        watches=_weighted([_watch(r, s, rates) for r, s in judged]),
        kills=kills,
        windows=tuple(_window_watch(r, s) for r, s in pairs if r.window_ms is not None),
        absent=tuple(r for r in rules if r.kind is RuleKind.ABSENT),
        threshold=weights.threshold(rates),
        kill_threshold=weights.threshold({"kill": kill_rate * 1000}) if kill_rate else DEFAULT_KILL_THRESHOLD,
        learn=config.learning.learn,
        at_least_ms=config.learning.at_least_ms,
        fresh_ms=config.fresh_ms,
        lateness_ms=config.source.lateness_ms,
    )


def _weighted(watches: list[Watch]) -> tuple[Watch, ...]:
    return tuple(replace(w, weight=1 / len(watches)) for w in watches)


def _watch(rule: Rule, signal: Signal, rates: Mapping[str, float]) -> Watch:
    kind = _watch_kind(rule, signal)
    tiers = tuple(t for bound in rule.bounds for t in _tiers(bound, rule, kind, signal))
    tiers = _shared(tiers, rates)
    identity = _identity(rule.signals, rule.bounds, rule.quantile, rule.kind, signal.name, rule.match.labels)
    return Watch(f"{rule.name}/{signal.name}", identity, rule, signal, kind, tiers, 1.0)


def _watch_kind(rule: Rule, signal: Signal) -> WatchKind:
    if signal.kind is Kind.CATEGORY:
        return "category"
    if signal.kind is Kind.RATE:
        return "rate"
    return "quantile" if rule.quantile is not None else "tube"


def _tiers(bound: Bound, rule: Rule, kind: WatchKind, signal: Signal) -> list[Tier]:
    sides = (Side.UP, Side.DOWN) if bound.side is Side.BOTH else (bound.side,)
    return [t for side in sides for t in _side(side, bound, rule, kind, signal)]


def _side(side: Side, bound: Bound, rule: Rule, kind: WatchKind, signal: Signal) -> list[Tier]:
    tiers = [_tier(side, severity, limit, rule, kind, signal) for severity, limit in bound.tiers]
    widest = tiers[-1]
    if widest.tolerance is None or kind == "quantile":
        return tiers
    more = [t for t in tolerance.wider(widest.tolerance) if t.form != "points"]
    return tiers + [Tier(side, widest.severity, None, t, f"{t.amount:g}x", wider=True) for t in more]


def _tier(side: Side, severity: Severity, limit: Limit, rule: Rule, kind: WatchKind, signal: Signal) -> Tier:
    if limit.kind is LimitKind.ABSOLUTE:
        return Tier(side, severity, limit.value, None, limit.text)
    found = tolerance_of(limit, rule.quantile, kind, signal)
    text = limit.text if limit.kind is not LimitKind.DEFAULT else _described(found)
    return Tier(side, severity, None, found, text)


def tolerance_of(limit: Limit, quantile: float | None, kind: WatchKind, signal: Signal) -> Tolerance:
    """The tolerance that a relative LIMIT stands for; left out, the default of the kind (detection.md, section 6)."""
    if limit.kind is LimitKind.POINTS:
        return Tolerance("points", limit.value)
    default = _default(quantile, kind, signal)
    if limit.kind is not LimitKind.TIMES:
        return default
    factor = limit.value if limit.value > 1 else 1 / limit.value
    stretches = kind in ("tube", "quantile")
    return Tolerance("stretch", factor) if stretches else replace(default, amount=factor)


def _default(quantile: float | None, kind: WatchKind, signal: Signal) -> Tolerance:
    if kind == "quantile":
        return tolerance.DEFAULTS["p99.9" if quantile is not None and quantile > 0.99 else "p99"]
    if kind == "tube":
        return tolerance.DEFAULTS["confidence" if signal.unit == "probability" else "distribution"]
    return tolerance.DEFAULTS[kind]


def _described(found: Tolerance) -> str:
    return f"{found.amount * 100:g}pp" if found.form == "points" else f"{found.amount:g}x"


def _shared(tiers: tuple[Tier, ...], rates: Mapping[str, float]) -> tuple[Tier, ...]:
    """Each severity gets its promised share, split over sides, then mostly to what the user wrote."""
    severities = {t.severity for t in tiers}
    out = []
    for tier in tiers:
        alike = [t for t in tiers if t.severity == tier.severity]
        extra = [t for t in alike if t.wider]
        part = CONFIGURED_SHARE if extra and not tier.wider else (1 - CONFIGURED_SHARE) if tier.wider else 1.0
        peers = extra if tier.wider else [t for t in alike if not t.wider]
        share = _severity_share(rates, tier.severity, len(severities))
        out.append(replace(tier, share=share * part / len(peers)))
    return tuple(out)


def _severity_share(rates: Mapping[str, float], severity: Severity, severities: int) -> float:
    """One number is shared evenly; with a map, a severity without a promise of its own spends the mildest one's."""
    if "any" in rates:
        return 1 / severities
    named = str(severity) if str(severity) in rates else next(iter(rates))
    return weights.severity_share(rates, named) / (severities if named != str(severity) else 1)


def _kill_watch(config: Config, rule: Rule, signal: Signal) -> KillWatch:
    switch = config.kill_switches[str(rule.kill)]
    limit = next(
        lim for b in rule.bounds if b.side is Side.UP for s, lim in b.tiers if s is Severity.CRITICAL
    )
    identity = _identity(limit, rule.quantile, rule.kind, signal.name, rule.match.labels, rule.kill)
    key = f"{rule.name}/{signal.name}"
    return KillWatch(key, identity, rule, signal, limit, switch.name, switch.guard)


def _window_watch(rule: Rule, signal: Signal) -> WindowWatch:
    identity = _identity(rule.bounds, rule.quantile, signal.name, rule.match.labels, rule.window_ms)
    key = f"{rule.name}/{signal.name}"
    return WindowWatch(key, identity, rule, signal, rule.window_ms or 0, rule.bounds)


def _identity(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
