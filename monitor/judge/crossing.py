"""Incidents of plain limits: they open when one is crossed, and end `clear_for` after it no longer is."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from monitor.config.rule import Severity
from monitor.judge.block import PaneBlock, SlotBlock
from monitor.judge.evidence import Alarm
from monitor.judge.moves import verdict_of
from monitor.judge.objective import ObjectiveWatch
from monitor.judge.plan import TotalWatch, TrafficWatch, WindowWatch
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Decision, Open, What
from monitor.judge.window import Crossing
from monitor.records.delta import SLOT_MS
from monitor.records.signals import Side

PlainWatch = WindowWatch | TrafficWatch | TotalWatch | ObjectiveWatch
LARGEST_BUCKET: Final = 2**31 - 1
SMALLEST_BUCKET: Final = -(2**31)


def crossed(
    state: JudgeState,
    watch: PlainWatch,
    crossings: Iterable[Crossing],
    block: SlotBlock | PaneBlock,
    decisions: list[Decision],
) -> JudgeState:
    """The state after what each stream comes to; moves go to `decisions`."""
    incidents = dict(state.incidents)
    for crossing in crossings:
        key = (watch.key, crossing.stream)
        now, severity = incidents.get(key), crossing.severity
        if severity is None:
            clear_for_ms = 0 if key in state.pending else watch.rule.clear_for_ms
            if now and _quiet_ms(now, block) >= clear_for_ms:
                decisions.append(
                    verdict_of("resolved", watch, crossing.stream, incidents.pop(key), block.end_ms)
                )
            continue
        incidents[key], what = _grown(now, severity, crossing, block)
        if what:
            alarm = _alarm(watch, crossing)
            decisions.append(verdict_of(what, watch, crossing.stream, incidents[key], block.end_ms, alarm))
    return replace(state, incidents=incidents)


def _quiet_ms(now: Open, block: SlotBlock | PaneBlock) -> int:
    """How long nothing was crossed; of windows from the first such second on, as Prometheus keeps alerts firing."""
    since_ms = now.quiet_ms + (SLOT_MS if isinstance(block, SlotBlock) else 0)
    return block.end_ms - since_ms


def _grown(
    now: Open | None, severity: Severity, crossing: Crossing, block: SlotBlock | PaneBlock
) -> tuple[Open, What | None]:
    if now is None:
        return Open(severity, crossing.begin_ms, block.end_ms, block.end_ms, 0), "opened"
    if severity.rank > now.severity.rank:
        return replace(now, severity=severity, changed_ms=block.end_ms, quiet_ms=block.end_ms), "escalated"
    return replace(now, quiet_ms=block.end_ms), None


def _alarm(watch: PlainWatch, crossing: Crossing) -> Alarm:
    quantity, low, high = _counted(watch, crossing.limit)
    return Alarm(
        stream=crossing.stream,
        tier=crossing.tier,
        quantity=quantity,
        low=low,
        high=high,
        negate=False,
        m=crossing.limit,
        p_ref=float("nan"),
        k=crossing.k,
        n=crossing.n,
        onset_ms=crossing.begin_ms,
        guaranteed=False,
        level=0.0,
        budget_left=crossing.budget_left,
    )


def _counted(watch: PlainWatch, limit: float) -> tuple[str, int, int]:
    """The quantity, and the first and last bucket of what is beyond the limit."""
    scale, quantile = watch.signal.scale, watch.rule.quantile
    if not isinstance(watch, WindowWatch) or scale is None or quantile is None:
        return "rate", 1, 1
    sides = [bound.side for bound in watch.bounds for _, tier in bound.tiers if tier.value == limit]
    quantity = f"p{100 * quantile:g}"
    if sides[0] is Side.DOWN:
        return quantity, SMALLEST_BUCKET, scale.bucket_at_most(limit)
    return quantity, scale.bucket_at_least(limit) + 1, LARGEST_BUCKET
