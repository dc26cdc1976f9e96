"""Requests against the same time last week: halved, doubled. A plain comparison, outside the false-alarm promise.

Ten minutes are held against the mean of the seven such stretches around the same time a week before, which evens out
what a single one would jump by. Both must be clear of chance: further from the limit than four standard deviations of
a Poisson count. Ten minutes in which the stream's switch was tripped are unknown: they are not held against others, nor
others against them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from monitor.config.rule import Limit, Severity
from monitor.judge.block import Labels, PaneBlock, totals
from monitor.judge.plan import TrafficWatch
from monitor.judge.reference import REQUESTS
from monitor.judge.window import Crossing
from monitor.records.delta import I64, PANE_MS
from monitor.records.signals import Side

STRETCH_PANES: Final = 60
STRETCH_MS: Final = STRETCH_PANES * PANE_MS
WEEK: Final = 7 * 86_400_000 // STRETCH_MS
AROUND: Final = 3
KEPT: Final = WEEK + 2 * AROUND + 2
DEVIATIONS: Final = 4.0
UNKNOWN: Final = -1


@dataclass(frozen=True, slots=True)
class Week:
    """A stream's requests in stretches of ten minutes from number `first` on, int64[at most KEPT].

    `UNKNOWN` stands for a stretch in which its switch was tripped.
    """

    first: int
    counts: I64

    def at(self, stretch: int) -> int:
        """The requests of one stretch, 0 where nothing came, or `UNKNOWN`."""
        i = stretch - self.first
        return int(self.counts[i]) if 0 <= i < len(self.counts) else 0


def heard(weeks: Mapping[int, Week], block: PaneBlock) -> Mapping[int, Week]:
    """The weeks of all streams after one pane."""
    came = totals(block.counts[REQUESTS]) if REQUESTS in block.counts else {}
    came |= dict.fromkeys(block.paused & weeks.keys(), UNKNOWN)
    if not came:
        return weeks
    stretch = block.pane // STRETCH_PANES
    return {**weeks, **{stream: _added(weeks.get(stream), stretch, n) for stream, n in came.items()}}


def _added(week: Week | None, stretch: int, n: int) -> Week:
    if week is None or stretch - week.first >= 2 * KEPT:
        return Week(stretch, np.array([n], np.int64))
    counts = np.zeros(max(stretch - week.first + 1, len(week.counts)), np.int64)
    counts[: len(week.counts)] = week.counts
    now = stretch - week.first
    counts[now] = UNKNOWN if UNKNOWN in (n, counts[now]) else counts[now] + n
    drop = max(len(counts) - KEPT, 0)
    return Week(week.first + drop, counts[drop:])


def closes_stretch(block: PaneBlock) -> bool:
    """Whether the pane is the last of its ten minutes."""
    return (block.pane + 1) % STRETCH_PANES == 0


def step(watch: TrafficWatch, weeks: Mapping[int, Week], pane: int, labels: Labels) -> list[Crossing]:
    """What each stream's last ten minutes come to, where the week before is known and had enough requests."""
    stretch = pane // STRETCH_PANES
    found = []
    for stream, week in weeks.items():
        now, usual = week.at(stretch), _usual(week, stretch)
        if now == UNKNOWN or usual is None or usual < watch.rule.min_n:
            continue
        if watch.rule.match.accepts(labels.get(stream, {})):
            found.append(_crossing(watch, stream, now, usual, stretch))
    return found


def _usual(week: Week, stretch: int) -> float | None:
    before = stretch - WEEK
    if week.first > before - AROUND:
        return None
    around = [week.at(s) for s in range(before - AROUND, before + AROUND + 1)]
    known = [n for n in around if n != UNKNOWN]
    return sum(known) / len(known) if known else None


def _crossing(watch: TrafficWatch, stream: int, now: int, usual: float, stretch: int) -> Crossing:
    worst = Crossing(stream, None, 0.0, now, round(usual), stretch * STRETCH_MS)
    for side, severity, limit in _tiers(watch):
        edge = limit.value * usual
        beyond = now - edge if side is Side.UP else edge - now
        if beyond > DEVIATIONS * sqrt(edge) and (
            worst.severity is None or severity.rank >= worst.severity.rank
        ):
            worst = Crossing(stream, severity, limit.value, now, round(usual), stretch * STRETCH_MS)
    return worst


def _tiers(watch: TrafficWatch) -> list[tuple[Side, Severity, Limit]]:
    return [(bound.side, severity, limit) for bound in watch.bounds for severity, limit in bound.tiers]
