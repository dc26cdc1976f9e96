"""Plain thresholds on a sliding window, as people know them: no statistics, outside the false-alarm promise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.config.rule import Limit, Severity
from monitor.judge.block import Counts, SlotBlock, of_stream, totals
from monitor.judge.plan import WindowWatch
from monitor.judge.rows import Flags
from monitor.records.delta import I64, SLOT_MS
from monitor.records.signals import Kind, Side

Entry = tuple[int, tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class WindowState:
    """For each stream the slots in its window: (slot, events per tier, records)."""

    identity: str
    entries: Mapping[int, tuple[Entry, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Crossing:
    """The most severe tier that a stream's window crosses now, or none with enough records to say so.

    `tier` and `budget_left` are of objectives.
    """

    stream: int
    severity: Severity | None
    limit: float
    k: float
    n: float
    begin_ms: int
    tier: int = 0
    budget_left: float | None = None


Tiered = tuple[Side, Severity, Limit]


def tiers(watch: WindowWatch) -> tuple[Tiered, ...]:
    """All limits of the rule, mildest first on each side."""
    return tuple((bound.side, severity, limit) for bound in watch.bounds for severity, limit in bound.tiers)


def step(watch: WindowWatch, state: WindowState, block: SlotBlock) -> tuple[WindowState, list[Crossing]]:
    """Slide every stream's window over one closed slot; a window short of `min_n` records says nothing.

    Nothing is counted or said of a paused stream.
    """
    counts = block.counts.get(watch.signal.code)
    fresh = _fresh(watch, counts) if counts is not None else {}
    oldest = block.slot - watch.window_ms // SLOT_MS
    entries = {s: tuple(e for e in kept if e[0] > oldest) for s, kept in state.entries.items()}
    for stream, (events, n) in fresh.items():
        if stream not in block.paused and watch.rule.match.accepts(block.labels.get(stream, {})):
            entries[stream] = (*entries.get(stream, ()), (block.slot, events, n))
    entries = {s: kept for s, kept in entries.items() if kept}
    looked_at = {s: kept for s, kept in entries.items() if s not in block.paused}
    crossings = [c for s, kept in looked_at.items() if (c := _crossing(watch, s, kept)) is not None]
    return replace(state, entries=entries), crossings


def _fresh(watch: WindowWatch, counts: Counts) -> dict[int, tuple[tuple[int, ...], int]]:
    found = {}
    for stream, n in totals(counts).items():
        buckets, many = of_stream(counts, stream)
        over = tuple(
            int(many[_is_event(watch, side, limit, buckets)].sum()) for side, _, limit in tiers(watch)
        )
        found[stream] = (over, n)
    return found


def _is_event(watch: WindowWatch, side: Side, limit: Limit, buckets: I64) -> Flags:
    if watch.signal.scale is None:
        return np.asarray(buckets == 1)
    scale = watch.signal.scale
    if side is Side.UP:
        return np.asarray(buckets > scale.bucket_at_least(limit.value))
    return np.asarray(buckets <= scale.bucket_at_most(limit.value))


def share(watch: WindowWatch, side: Side, limit: Limit) -> float:
    """The share of events at which the limit is crossed: the limit itself for a rate, else the quantile's."""
    if watch.signal.kind is Kind.RATE:
        return limit.value
    quantile = watch.rule.quantile or 0.5
    return 1 - quantile if side is Side.UP else quantile


def _crossing(watch: WindowWatch, stream: int, entries: tuple[Entry, ...]) -> Crossing | None:
    n = sum(e[2] for e in entries)
    if n < watch.rule.min_n:
        return None
    worst = Crossing(stream, None, 0.0, 0, n, entries[0][0] * SLOT_MS)
    for i, (side, severity, limit) in enumerate(tiers(watch)):
        k = sum(e[1][i] for e in entries)
        least = share(watch, side, limit)
        over = k > least * n if side is Side.UP or watch.signal.kind is not Kind.RATE else k < least * n
        if over and (worst.severity is None or severity.rank >= worst.severity.rank):
            worst = replace(worst, severity=severity, limit=limit.value, k=k)
    return worst
