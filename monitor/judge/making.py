"""From a watch and a stream's reference to the rare events that are followed, each with its limit m."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from detectors import blocks, bounds, tolerance
from detectors.base_rates import BaseRates
from detectors.buckets import Scale
from detectors.categories import category_events
from detectors.events import HIGHEST, LOWEST, RareEvents
from detectors.tolerance import Tolerance
from detectors.tube import tube_points, tube_stretch
from monitor.config.rule import LimitKind, Severity
from monitor.judge.evidence import NEW
from monitor.judge.kill import HIGHEST_M, limited
from monitor.judge.plan import KillWatch, Tier, Watch
from monitor.judge.reference import UNKNOWN_CORRELATION, Correlation, Reference
from monitor.judge.rows import Event
from monitor.judge.tolerances import WatchKind, tolerance_of
from monitor.records.delta import F64, I64
from monitor.records.signals import UNKNOWN_CATEGORY, Kind, Side, Signal

ALL_BOUNDS_ALPHA: Final = 0.05
NEVER_SEEN_EVENTS: Final = 5
MOST_M: Final = 0.9
"""A rate's limit above this is left out, as a block earns at most ln(1/m). Edges and categories have others beside
them, and are left out from .5 on: with more, the mix of a real hour was news."""
ROUNDING: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Ground:
    """What the events of one stream rest on: its reference (None: absolute limits only), and `alpha` for each bound."""

    reference: Reference | None
    alpha: float

    @property
    def correlation(self) -> Correlation:
        return self.reference.correlation if self.reference else UNKNOWN_CORRELATION

    @property
    def n_effective(self) -> float:
        return self.reference.n / self.correlation.phi if self.reference else 0.0

    @property
    def base(self) -> BaseRates | None:
        """The rates of the reference's records and of its panes; None where it has no records."""
        r = self.reference
        return BaseRates(r.buckets, r.counts, self.n_effective, r.panes) if r is not None and r.n else None


def events_of(watch: Watch, stream: int, ground: Ground) -> list[Event]:
    """All rare events of one watch on one stream; tiers that need a reference are left out without one."""
    found: list[Event] = []
    for i, tier in enumerate(watch.tiers):
        if tier.tolerance is None or ground.reference is not None:
            found += _of_tier(watch, stream, ground, i, tier)
    return found


def _of_tier(watch: Watch, stream: int, ground: Ground, i: int, tier: Tier) -> list[Event]:
    match watch.kind:
        case "rate":
            return _rate(watch, stream, ground, i, tier)
        case "quantile":
            return _quantile(watch, stream, ground, i, tier)
        case "tube":
            return _rare(_tube(watch, ground, tier), stream, ground, i, tier)
        case "category":
            return _rare(_categories(ground, tier), stream, ground, i, tier)


def _loosened(found: Tolerance, ground: Ground) -> Tolerance:
    provisional = ground.reference is not None and ground.reference.provisional
    return tolerance.provisional(found) if provisional else found


def _rate(watch: Watch, stream: int, ground: Ground, i: int, tier: Tier) -> list[Event]:
    wanted = 1 if tier.side is Side.UP else 0
    k, p_ref, upper = _referenced(ground, wanted, wanted)
    if tier.tolerance is None:
        value = tier.absolute or 0.0
        m = value if tier.side is Side.UP else 1 - value
    else:
        m = float(tolerance.limit(upper, _loosened(tier.tolerance, ground)))
    sparse = NEVER_SEEN_EVENTS if tier.tolerance is not None and k == 0 else 0
    return _one(stream, i, "rate", wanted, wanted, m, p_ref, tier.share, ground, sparse)


def _quantile(watch: Watch, stream: int, ground: Ground, i: int, tier: Tier) -> list[Event]:
    quantile, scale = watch.rule.quantile or 0.5, scale_of(watch.signal)
    label = f"p{100 * quantile:g}"
    if tier.absolute is not None:
        low, high, m = _beyond(scale, tier.side, tier.absolute, quantile)
    else:
        low, high, m = _beyond_reference(tier, ground, quantile, scale)
    _, p_ref, _ = _referenced(ground, low, high)
    return _one(stream, i, label, low, high, m, p_ref, tier.share, ground, 0)


def _beyond(scale: Scale, side: Side, value: float, quantile: float) -> tuple[int, int, float]:
    """Beyond `value` for sure: the event never counts what is within it."""
    if side is Side.UP:
        return scale.bucket_at_least(value) + 1, HIGHEST, 1 - quantile
    return LOWEST, scale.bucket_at_most(value), quantile


def _beyond_reference(tier: Tier, ground: Ground, quantile: float, scale: Scale) -> tuple[int, int, float]:
    """Beyond the reference's quantile stretched, or beyond it more often than it should be."""
    if ground.reference is None or tier.tolerance is None:
        raise ValueError(f"tier {tier.text} needs a reference")
    allowed = _loosened(tier.tolerance, ground)
    at = _reference_quantile(ground, tier.side, quantile)
    if allowed.form == "stretch":
        edge = float(scale.upper([at])[0])
        moved = edge * allowed.amount if tier.side is Side.UP else edge / allowed.amount
        return _beyond(scale, tier.side, moved, quantile)
    low, high = (at + 1, HIGHEST) if tier.side is Side.UP else (LOWEST, at - 1)
    _, _, upper = _referenced(ground, low, high)
    base = 1 - quantile if tier.side is Side.UP else quantile
    return low, high, float(tolerance.limit(max(upper, base), allowed))


def _reference_quantile(ground: Ground, side: Side, quantile: float) -> int:
    """The bucket that holds the quantile's Beta bound, of records or of pane rates: the one that allows more."""
    base = ground.base
    if base is None:
        raise ValueError("a reference quantile needs a reference")
    found = [_quantile_bound(base.buckets, base.counts, base.size, side, quantile, ground.alpha)]
    if base.panes.panes:
        size = base.panes.size / base.phi
        found.append(_quantile_bound(base.buckets, base.panes.rates, size, side, quantile, ground.alpha))
    return max(found) if side is Side.UP else min(found)


def _quantile_bound(
    buckets: I64, weights: I64 | F64, size: float, side: Side, quantile: float, alpha: float
) -> int:
    n = max(int(size), 1)
    bound = bounds.quantile_upper if side is Side.UP else bounds.quantile_lower
    rank = min(max(bound(n, quantile, alpha) / n, 1 / n), 1.0)
    reached = np.cumsum(weights)
    at = int(np.searchsorted(reached, rank * float(reached[-1]) * (1 - ROUNDING), side="left"))
    return int(buckets[min(at, len(buckets) - 1)])


def _tube(watch: Watch, ground: Ground, tier: Tier) -> RareEvents:
    if ground.reference is None or tier.tolerance is None:
        raise ValueError(f"{watch.key} needs a reference")
    allowed, r = _loosened(tier.tolerance, ground), ground.reference
    sides = ("up",) if tier.side is Side.UP else ("down",)
    if allowed.form == "points":
        return tube_points(
            r.buckets, r.counts, allowed.amount, sides, ground.n_effective, ground.alpha, panes=r.panes
        )
    scale = scale_of(watch.signal)
    return tube_stretch(
        r.buckets, r.counts, allowed.amount, scale, sides, ground.n_effective, ground.alpha, panes=r.panes
    )


def _categories(ground: Ground, tier: Tier) -> RareEvents:
    if ground.reference is None or tier.tolerance is None:
        raise ValueError("category events need a reference")
    r, allowed = ground.reference, _loosened(tier.tolerance, ground)
    unknown = _loosened(tolerance.DEFAULTS["unknown"], ground)
    if tier.wider:
        unknown = Tolerance("odds", max(allowed.amount, unknown.amount), unknown.floor)
    return category_events(
        r.buckets, r.counts, allowed, ground.n_effective, ground.alpha, unknown, panes=r.panes
    )


def _rare(found: RareEvents, stream: int, ground: Ground, i: int, tier: Tier) -> list[Event]:
    keep = np.ones(len(found), np.bool_)
    if len(found) and found.edge[0][0] != "p":
        down = found.edge == "not"
        keep = down if tier.side is Side.DOWN else ~down
    share = found.share / max(float(found.share[keep].sum()), 1e-12)
    return [
        Event(
            stream=stream,
            tier=i,
            quantity=_quantity(str(found.edge[j]), int(found.category[j])),
            low=int(found.low[j]),
            high=int(found.high[j]),
            negate=bool(found.negate[j]),
            universe_low=int(found.universe_low[j]),
            m=float(found.m[j]),
            p_ref=float(found.p_ref[j]),
            share=tier.share * float(share[j]),
            rho=ground.correlation.rho,
            phi=ground.correlation.phi,
            min_events=NEVER_SEEN_EVENTS if found.p_ref[j] == 0 else 0,
        )
        for j in np.flatnonzero(keep)
    ]


def _quantity(edge: str, category: int) -> str:
    if edge == "unknown":
        return f"share:{UNKNOWN_CATEGORY}"
    return NEW if edge == "else" else f"share:{category}" if category >= 0 else edge


def _referenced(ground: Ground, low: int, high: int) -> tuple[int, float, float]:
    """Events in the reference, their rate, and the upper bound of a pane's: (0, NaN, 1) without one."""
    r, base = ground.reference, ground.base
    if r is None or base is None:
        return 0, float("nan"), 1.0
    k = int(r.counts[(r.buckets >= low) & (r.buckets <= high)].sum())
    return k, base.pooled(low, high), base.upper(low, high, ground.alpha)


def _one(
    stream: int,
    tier: int,
    quantity: str,
    low: int,
    high: int,
    m: float,
    p_ref: float,
    share: float,
    ground: Ground,
    min_events: int,
) -> list[Event]:
    if not 0 < m <= MOST_M:
        return []
    rho, phi = ground.correlation.rho, ground.correlation.phi
    return [Event(stream, tier, quantity, low, high, False, LOWEST, m, p_ref, share, rho, phi, min_events)]


def kill_event(watch: KillWatch, stream: int, reference: Reference | None) -> list[Event]:
    """The rare event of a kill: the critical limit, within 10% (or five times the reference's odds) and 50%."""
    ground = Ground(reference, ALL_BOUNDS_ALPHA)
    quantile = watch.rule.quantile
    kind: WatchKind = "rate" if watch.signal.kind is Kind.RATE else "quantile"
    relative = watch.limit.kind is not LimitKind.ABSOLUTE
    if relative and reference is None:
        return []
    allowed = tolerance_of(watch.limit, quantile, kind, watch.signal) if relative else None
    tier = Tier(
        Side.UP, Severity.CRITICAL, None if relative else watch.limit.value, allowed, watch.limit.text
    )
    as_watch = Watch(watch.key, watch.identity, watch.rule, watch.signal, kind, (tier,), 1.0)
    found = (
        _rate(as_watch, stream, ground, 0, tier)
        if kind == "rate"
        else _quantile(as_watch, stream, ground, 0, tier)
    )
    if not found and kind == "rate" and not relative:
        found = _one(stream, 0, "rate", 1, 1, HIGHEST_M, float("nan"), 1.0, ground, 0)
    base = ground.base
    usual = [base.highest(e.low, e.high) if base else float("nan") for e in found]
    return [replace(e, m=limited(e.m, rate)) for e, rate in zip(found, usual, strict=True)]


def scale_of(signal: Signal) -> Scale:
    """The buckets of a distribution signal; raises ValueError for any other."""
    if signal.scale is None:
        raise ValueError(f"{signal.name} is not a distribution")
    return signal.scale


def known_categories(watch: Watch, reference: Reference | None) -> Sequence[int]:
    """The categories that "share:new" leaves out: those watched by themselves."""
    if watch.kind != "category" or reference is None:
        return ()
    found = category_events(reference.buckets, reference.counts)
    return tuple(sorted({int(b) for b in found.left_out_bucket}))


def block_panes(watch: Watch, requests_per_s: float, reference: Reference | None) -> tuple[int, bool]:
    """Block length in panes and whether the promise covers it: the reference's choice, else the one before learning."""
    if reference is not None and reference.correlation.block_s is not None:
        return reference.correlation.block_s // blocks.PANE_SECONDS, True
    return fallback_seconds(watch, requests_per_s) // blocks.PANE_SECONDS, False


def fallback_seconds(watch: Watch, requests_per_s: float) -> int:
    """The block before learning, in seconds."""
    if watch.kind in ("rate", "category"):
        return blocks.before_learning("rate", requests_per_s)
    quantile = watch.rule.quantile if watch.rule.quantile is not None else 0.5
    return blocks.before_learning("latency", requests_per_s, quantile)
