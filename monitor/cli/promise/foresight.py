"""How soon a change would be seen: the limit of the evidence, at a stream's volume (`detectors.delays`)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from detectors import blocks
from detectors.delays import MOST_REQUESTS, expected_blocks
from monitor.cli.promise.population import Population, beyond, moved, stretched, usual
from monitor.config.rule import LimitKind, Severity
from monitor.judge import making
from monitor.judge.evidence import NEW
from monitor.judge.making import Ground
from monitor.judge.plan import KillWatch, Plan, Tier, Watch
from monitor.judge.reference import Reference
from monitor.judge.rows import Event
from monitor.records.signals import Kind, Of, Side, Signal

POINTS: Final = (0.02, 0.05, 0.10, 0.20)
FACTORS: Final = (1.5, 2.0, 5.0)
KILL_RATES: Final = (0.30, 0.60, 1.00)
SAMPLED_IN_PANE: Final = 300


@dataclass(frozen=True, slots=True)
class Volume:
    """What is assumed of a stream: requests a second, the baseline of its rates, and how many share the promise.

    `block_s` is the block that its references are thought to choose; None for the one before learning.
    """

    per_second: float
    rate: float
    streams: int
    block_s: int | None = None

    def in_block(self, signal: Signal, block_s: float) -> float:
        """Requests of a signal in a block; a sampled one has at most 300 in ten seconds."""
        n = self.per_second * block_s
        return min(n, SAMPLED_IN_PANE * block_s / blocks.PANE_SECONDS) if signal.of is Of.SAMPLED else n


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds until a change of `shift` would be seen; None where it is within the limit."""

    shift: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """How soon one severity of a rule would speak; `block_s` is the block before learning, in seconds."""

    rule: str
    signal: str
    severity: str
    limit: str
    block_s: int
    delays: tuple[Delay, ...]


def foreseen(plan: Plan, volume: Volume) -> list[Foreseen]:
    """Every rule and severity: how soon points of a rate, or factors of a quantity, would be seen."""
    return [
        _foreseen(plan, watch, severity, volume)
        for watch in plan.watches
        for severity in dict.fromkeys(t.severity for t in watch.tiers)
    ]


def kills_foreseen(plan: Plan, volume: Volume) -> list[Foreseen]:
    """Every rule that can kill: how soon it would, once 30, 60 or 100% of all requests are beyond its limit."""
    return [_kill(plan, watch, volume) for watch in plan.kills]


def in_factors(signal: Signal) -> bool:
    """Whether changes of a signal are factors of a quantity, not points of a share."""
    return signal.kind is Kind.DISTRIBUTION and signal.unit != "probability"


def _foreseen(plan: Plan, watch: Watch, severity: Severity, volume: Volume) -> Foreseen:
    block_s = volume.block_s or making.fallback_seconds(watch, volume.per_second)
    tiers = [t for t in watch.tiers if t.severity is severity]
    shifts: Sequence[float] = FACTORS if in_factors(watch.signal) else POINTS
    name: Callable[[float], str] = _factor if in_factors(watch.signal) else _points
    return Foreseen(
        rule=watch.rule.name,
        signal=watch.signal.name,
        severity=severity.value,
        limit=" or ".join(dict.fromkeys(t.text for t in tiers if not t.wider)),
        block_s=block_s,
        delays=tuple(Delay(name(s), _soonest(plan, watch, tiers, s, block_s, volume)) for s in shifts),
    )


def _factor(shift: float) -> str:
    return f"x{shift:g}"


def _points(shift: float) -> str:
    return f"+{100 * shift:g}pp"


def _soonest(
    plan: Plan, watch: Watch, tiers: Sequence[Tier], shift: float, block_s: int, volume: Volume
) -> float | None:
    """Seconds for the first tier of the slower side; a change of categories shows on both sides at once."""
    sides = [Side.UP] if watch.kind == "category" else list(dict.fromkeys(t.side for t in tiers))
    found = []
    for side in sides:
        mine = [t for t in tiers if watch.kind == "category" or t.side is side]
        found.append(min(_tier(plan, watch, tier, side, shift, block_s, volume) for tier in mine))
    slowest = max(found)
    return slowest if math.isfinite(slowest) else None


def _tier(
    plan: Plan, watch: Watch, tier: Tier, side: Side, shift: float, block_s: int, volume: Volume
) -> float:
    n, panes = volume.in_block(watch.signal, block_s), block_s // blocks.PANE_SECONDS
    m, p, share = [], [], []
    for event, rate in _events(plan, replace(watch, tiers=(tier,)), side, shift, volume):
        m.append(event.m)
        p.append(min(rate, 1.0))
        share.append(watch.weight / volume.streams * event.share * panes)
    if not m:
        return math.inf
    counted = min(max(round(n), 1), MOST_REQUESTS)
    least = float(expected_blocks(plan.threshold, share, m, p, counted).min())
    return max(least, math.ceil(watch.rule.min_n / counted)) * block_s * max(1.0, 1 / n)


def _events(plan: Plan, watch: Watch, side: Side, shift: float, volume: Volume) -> list[tuple[Event, float]]:
    """The rare events of a watch of one tier, each with its rate after the change."""
    tier, signal, quantile = watch.tiers[0], watch.signal, watch.rule.quantile
    if tier.tolerance is None and quantile is not None:
        events = making.events_of(watch, 1, Ground(None, making.ALL_BOUNDS_ALPHA))
        far = beyond(quantile, side, shift) if in_factors(signal) else None
        return [(e, e.m + shift if far is None else far) for e in events]
    before = usual(signal, side, volume.rate)
    after = stretched(signal, side, shift) if in_factors(signal) else moved(before, side, shift)
    alpha = making.ALL_BOUNDS_ALPHA * watch.weight / volume.streams
    found = making.events_of(watch, 1, Ground(_reference(before, plan.learn), alpha))
    return [(e, after.rate(e)) for e in found if e.quantity != NEW and not math.isnan(after.rate(e))]


def _reference(before: Population, n: int) -> Reference:
    """A reference of `n` records that caught the population exactly."""
    counts = before.counts(n)
    return Reference(
        reference_id=1,
        provisional=False,
        learned=n,
        from_ms=0,
        until_ms=0,
        buckets=before.buckets[counts > 0],
        counts=counts[counts > 0],
    )


def _kill(plan: Plan, watch: KillWatch, volume: Volume) -> Foreseen:
    """Slots of one second; all pairs of a rule and a stream that can kill share one promise."""
    learned = _reference(usual(watch.signal, Side.UP, volume.rate), plan.learn)
    relative = watch.limit.kind is not LimitKind.ABSOLUTE
    events = making.kill_event(watch, 1, learned if relative or watch.rule.quantile is None else None)
    pairs = len(plan.kills) * volume.streams
    n = min(max(round(volume.per_second), 1), MOST_REQUESTS)
    slot_s = max(1.0, 1 / volume.per_second)
    delays = []
    for rate in KILL_RATES:
        blocks_needed = [
            float(expected_blocks(plan.kill_threshold * pairs, 1.0, e.m, rate, n)[0]) for e in events
        ]
        slots = max(min(blocks_needed, default=math.inf), math.ceil(watch.min_n / n))
        delays.append(Delay(f"{100 * rate:g}%", slots * slot_s if math.isfinite(slots) else None))
    limit = f"{100 * events[0].m:.3g}%" if events else watch.limit.text
    return Foreseen(watch.rule.name, watch.signal.name, "kill", limit, 1, tuple(delays))
