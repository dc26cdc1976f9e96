"""Totals over a sliding time, such as cost a day: added up, not judged by evidence, outside the false-alarm promise.

The time is cut into stretches of whole panes, at least 288 of them where it is long enough, so that a total covers
between the whole time and one stretch less, never more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from monitor.config.rule import Severity
from monitor.judge.block import PaneBlock, totals
from monitor.judge.plan import TotalWatch
from monitor.judge.window import Crossing
from monitor.records.delta import F64, PANE_MS
from monitor.records.signals import Kind, Side

STRETCHES: Final = 288


@dataclass(frozen=True, slots=True)
class Amounts:
    """A stream's amounts in stretches from number `first` on, float64[n]; `begun` is the very first stretch."""

    begun: int
    first: int
    amounts: F64


@dataclass(frozen=True, slots=True)
class TotalState:
    """What a watch has added up, by stream."""

    identity: str
    streams: Mapping[int, Amounts] = field(default_factory=dict)


def step(watch: TotalWatch, state: TotalState, block: PaneBlock) -> tuple[TotalState, list[Crossing]]:
    """The totals after one closed pane, and what each comes to against the limits."""
    panes, many = _cut(watch.total_ms)
    now = block.pane // panes
    streams = dict(state.streams)
    for stream, amount in _added(watch, block).items():
        if watch.rule.match.accepts(block.labels.get(stream, {})):
            streams[stream] = _grown(streams.get(stream), now, many, amount)
    crossings = [_crossing(watch, stream, a, now, many, block) for stream, a in streams.items()]
    return replace(state, streams=streams), crossings


def _cut(total_ms: int) -> tuple[int, int]:
    """Panes a stretch, and stretches in the whole time."""
    panes = max(total_ms // PANE_MS // STRETCHES, 1)
    return panes, max(total_ms // (panes * PANE_MS), 1)


def _added(watch: TotalWatch, block: PaneBlock) -> Mapping[int, float]:
    """What the pane adds: the sum of a distribution's values, the events of a rate, or the requests."""
    code = watch.signal.code
    if watch.signal.kind is Kind.DISTRIBUTION:
        return block.sums.get(code, {})
    counts = block.counts.get(code)
    if counts is None:
        return {}
    if watch.signal.kind is Kind.RATE:
        counts = replace(counts, count=np.where(counts.bucket == 1, counts.count, 0))
    return {stream: float(n) for stream, n in totals(counts).items()}


def _grown(before: Amounts | None, now: int, many: int, amount: float) -> Amounts:
    if before is None:
        return Amounts(now, now, np.array([amount]))
    first = max(before.first, now - many)
    amounts = np.zeros(now - first + 1)
    kept = before.amounts[first - before.first :]
    amounts[: len(kept)] = kept
    amounts[-1] += amount
    return Amounts(before.begun, first, amounts)


def _crossing(watch: TotalWatch, stream: int, a: Amounts, now: int, many: int, block: PaneBlock) -> Crossing:
    """The most severe limit that is crossed; too little only once the whole time has been seen."""
    total = float(a.amounts[max(now - many + 1 - a.first, 0) :].sum())
    worst = Crossing(stream, None, 0.0, total, total, block.start_ms)
    for bound in watch.bounds:
        for severity, limit in bound.tiers:
            over = total > limit.value
            if bound.side is Side.DOWN:
                over = total < limit.value and now - a.begun >= many
            if over and _severer(severity, worst.severity):
                worst = replace(worst, severity=severity, limit=limit.value)
    return worst


def _severer(severity: Severity, than: Severity | None) -> bool:
    return than is None or severity.rank >= than.rank
