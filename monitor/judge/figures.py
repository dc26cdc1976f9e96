"""The figures of an incident, from what was counted and what alarmed: shares, values, and the limit crossed."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from detectors.buckets import quantile
from monitor.config.rule import Bound, Limit
from monitor.judge.attribution import Counts
from monitor.judge.evidence import NEW, Alarm
from monitor.judge.history import History
from monitor.judge.plan import Watch, WindowWatch
from monitor.judge.window import share
from monitor.records.signals import FIRST_CATEGORY, UNKNOWN_CATEGORY, Side, Signal

UNCHANGED: Final = 1.1


def quantity_of(alarm: Alarm, signal: Signal, bucket: int | None, stream: int, history: History) -> str:
    """What `Facts` call the quantity that alarmed; a share with the name of its category."""
    if bucket is None:
        return alarm.quantity
    name = "unknown" if bucket == UNKNOWN_CATEGORY else history.category(stream, signal.code, bucket)
    return f"share:{name}"


def category_of(alarm: Alarm, counts: Counts, before: Counts | None) -> int:
    """The category that the incident is about: the one that alarmed, else the one that grew most."""
    if alarm.quantity == f"share:{UNKNOWN_CATEGORY}":
        return UNKNOWN_CATEGORY
    if alarm.quantity != NEW and not alarm.negate:
        return alarm.low
    known = before[0] if before and alarm.quantity == NEW else np.empty(0, np.int64)
    grown = {
        int(b): _share_of(counts, int(b)) - _share_of(before, int(b))
        for b in counts[0]
        if b > UNKNOWN_CATEGORY and b not in known
    }
    return max(grown, key=lambda b: grown[b], default=FIRST_CATEGORY)


def _share_of(counts: Counts | None, bucket: int) -> float:
    """A category's share: of the known ones, or of all for `unknown`."""
    if counts is None:
        return 0.0
    buckets, many = counts
    n = int(many.sum() if bucket == UNKNOWN_CATEGORY else many[buckets > UNKNOWN_CATEGORY].sum())
    return float(many[buckets == bucket].sum() / n) if n else 0.0


def value_of(counts: Counts | None, quantity: str, bucket: int | None, signal: Signal) -> float | None:
    """The observed value of a quantity in its unit; None where nothing was counted."""
    if counts is None or not counts[1].sum():
        return None
    if bucket is not None:
        return _share_of(counts, bucket)
    if signal.scale is None:
        return float(counts[1][counts[0] == 1].sum() / counts[1].sum())
    return quantile(counts[0], counts[1], float(quantity[1:]) / 100, signal.scale)


def affected_of(alarm: Alarm, bucket: int | None, counts: Counts) -> tuple[int, int]:
    """The records of a histogram that the incident is about, and all."""
    buckets, many = counts
    if bucket is not None:
        return int(many[buckets == bucket].sum()), int(many.sum())
    inside = (buckets >= alarm.low) & (buckets <= alarm.high)
    return int(many[inside != alarm.negate].sum()), int(many.sum())


def affected_share(alarm: Alarm, bucket: int | None, before: Counts | None) -> float:
    """Their share in the reference; 0 without one."""
    if before is None:
        return 0.0
    affected, n = affected_of(alarm, bucket, before)
    return affected / n if n else 0.0


def side_of(alarm: Alarm, what: Watch | WindowWatch, bucket: int | None) -> Literal["up", "down"]:
    """Where the quantity went: as the alarm says, else to the side of its limit."""
    if alarm.side is not None:
        return "down" if alarm.side is Side.DOWN else "up"
    if bucket is not None:
        return "up"
    if isinstance(what, Watch):
        return "down" if what.tiers[alarm.tier].side is Side.DOWN else "up"
    return "down" if what.bounds[0].side is Side.DOWN else "up"


def tolerance_text(what: Watch | WindowWatch, alarm: Alarm) -> str:
    """The limit that was crossed, as the user wrote it."""
    if isinstance(what, Watch):
        return what.tiers[alarm.tier].text
    return next((limit.text for b in what.bounds for _, limit in b.tiers if limit.value == alarm.m), "")


def share_limit(what: Watch | WindowWatch, alarm: Alarm) -> float:
    """The share that what is beyond the limit must not exceed; a window's limit may be a value."""
    if isinstance(what, Watch):
        return alarm.m
    return share(what, *crossed_limit(alarm, what.bounds))


def crossed_limit(alarm: Alarm, bounds: Sequence[Bound]) -> tuple[Side, Limit]:
    """The limit that a plain threshold or sum went beyond, and its side."""
    return next((b.side, limit) for b in bounds for _, limit in b.tiers if limit.value == alarm.m)


def at_least(alarm: Alarm, signal: Signal, quantity: str, bucket: int | None) -> float | None:
    """What the alarm certifies: the share exceeds m, or the quantile is beyond the event's edge."""
    if bucket is not None:
        return None if alarm.negate or alarm.quantity == NEW else alarm.m
    if signal.scale is None:
        return alarm.m if alarm.low == 1 else 1 - alarm.m
    edge = alarm.low - 1 if alarm.low > -(2**31) else alarm.high
    return float(signal.scale.upper([edge])[0])


def median_unchanged(
    alarm: Alarm, quantity: str, counts: Counts, before: Counts | None, signal: Signal
) -> bool:
    """Whether a tail moved alone: the median is where it was in the reference."""
    if signal.scale is None or before is None or quantity in ("p50", "rate") or alarm.low == -(2**31):
        return False
    now, then = value_of(counts, "p50", None, signal), value_of(before, "p50", None, signal)
    return now is not None and then is not None and then > 0 and 1 / UNCHANGED <= now / then <= UNCHANGED
