"""Error budgets: bad and all records over several windows at once, added up, outside the false-alarm promise.

Time is cut into minutes for windows up to six hours and into hours for longer ones, so that a window covers between
its whole time and one stretch less, never more. Sums run from the beginning: a window is a difference of two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from monitor.config.objectives import HOUR_MS, MINUTE_MS, BurnRate
from monitor.judge.block import Counts, PaneBlock, totals
from monitor.judge.objective import ObjectiveWatch
from monitor.judge.window import Crossing
from monitor.records.delta import I64

LONGEST_OF_MINUTES_MS: Final = 6 * HOUR_MS
LONGEST_OF_HOURS_MS: Final = 72 * HOUR_MS
Counted = tuple[int, int]
"""Bad records and all records."""


@dataclass(frozen=True, slots=True)
class Series:
    """Bad and all records up to the end of each stretch from number `first` on: int64[n, 2]."""

    first: int
    sums: I64

    def until(self, stretches: I64) -> I64:
        """The sums at the end of each of `stretches` int64[k]; 0 before the first: int64[k, 2]."""
        at = np.minimum(stretches - self.first, len(self.sums) - 1)
        return np.where((at >= 0)[:, None], self.sums[np.maximum(at, 0)], 0)

    def last(self, many: int, now: int) -> Counted:
        """What was counted in the last `many` stretches up to `now`."""
        before, after = self._at(now - many), self._at(now)
        return after[0] - before[0], after[1] - before[1]

    def _at(self, stretch: int) -> Counted:
        if stretch < self.first:
            return 0, 0
        bad, n = self.sums[min(stretch - self.first, len(self.sums) - 1)].tolist()
        return bad, n


@dataclass(frozen=True, slots=True)
class Burn:
    """One stream's records, and which burn rates it was last seen to exceed, in the order of the watch's."""

    minutes: Series
    hours: Series
    burning: tuple[bool, ...]

    def series(self, window_ms: int) -> tuple[Series, int]:
        """The series that serves a window, and the length of its stretches in ms."""
        if window_ms <= LONGEST_OF_MINUTES_MS:
            return self.minutes, MINUTE_MS
        return self.hours, HOUR_MS

    def counted(self, window_ms: int, at_ms: int) -> Counted:
        """What was counted in the window that ends with the stretch of `at_ms`."""
        series, size = self.series(window_ms)
        return series.last(window_ms // size, at_ms // size)


@dataclass(frozen=True, slots=True)
class ObjectiveState:
    """What a watch has counted, by stream."""

    identity: str
    streams: Mapping[int, Burn] = field(default_factory=dict)


def step(
    watch: ObjectiveWatch, state: ObjectiveState, block: PaneBlock
) -> tuple[ObjectiveState, list[Crossing]]:
    """The state after one closed pane, and the severest burn rate that each stream exceeds."""
    streams = dict(state.streams)
    for stream, counted in _added(watch, block).items():
        if watch.rule.match.accepts(block.labels.get(stream, {})):
            streams[stream] = _grown(watch, streams.get(stream), counted, block.start_ms)
    crossings = []
    for stream, burn in streams.items():
        streams[stream] = burn = _looked_at(watch, burn, block.start_ms)
        crossings.append(_crossing(watch, stream, burn, block.start_ms))
    return replace(state, streams=streams), crossings


def budget_left(watch: ObjectiveWatch, burn: Burn, at_ms: int) -> float:
    """What is left of the budget for the records counted over the objective's time: 1 at first, below 0 overspent."""
    bad, n = burn.counted(watch.objective.over_ms, at_ms)
    return 1 - bad / (watch.objective.budget * n) if n else 1.0


def _added(watch: ObjectiveWatch, block: PaneBlock) -> dict[int, Counted]:
    counts = block.counts.get(watch.signal.code)
    if counts is None:
        return {}
    bad = totals(_bad(watch, counts))
    return {stream: (bad.get(stream, 0), n) for stream, n in totals(counts).items()}


def _bad(watch: ObjectiveWatch, counts: Counts) -> Counts:
    scale, below = watch.signal.scale, watch.objective.below
    past = 0 if scale is None or below is None else int(scale.bucket_at_least(below))
    return replace(counts, count=np.where(counts.bucket > past, counts.count, 0))


def _grown(watch: ObjectiveWatch, burn: Burn | None, counted: Counted, at_ms: int) -> Burn:
    minute, hour = at_ms // MINUTE_MS, at_ms // HOUR_MS
    if burn is None:
        begun = np.array([counted], np.int64)
        return Burn(Series(minute, begun), Series(hour, begun), (False,) * len(watch.rates))
    kept_ms = max(watch.objective.over_ms, LONGEST_OF_HOURS_MS)
    return replace(
        burn,
        minutes=_added_to(burn.minutes, minute, LONGEST_OF_MINUTES_MS // MINUTE_MS, counted),
        hours=_added_to(burn.hours, hour, -(-kept_ms // HOUR_MS), counted),
    )


def _added_to(series: Series, now: int, most: int, counted: Counted) -> Series:
    """With `counted` in stretch `now`; only what a window of `most` stretches needs is kept."""
    first = max(series.first, now - most)
    sums = series.until(np.arange(first, now + 1))
    sums[-1] += counted
    return Series(first, sums)


def _looked_at(watch: ObjectiveWatch, burn: Burn, at_ms: int) -> Burn:
    burning = tuple(
        _burns(burn, rate, watch.limit(tier), watch.rule.min_n, was=burn.burning[tier], at_ms=at_ms)
        for tier, rate in enumerate(watch.rates)
    )
    return burn if burning == burn.burning else replace(burn, burning=burning)


def _burns(burn: Burn, rate: BurnRate, limit: float, min_n: int, *, was: bool, at_ms: int) -> bool:
    """Whether both windows exceed `limit`; as it `was` where there are too few records to say so."""
    long_bad, long_n = burn.counted(rate.long_ms, at_ms)
    short_bad, short_n = burn.counted(rate.short_ms, at_ms)
    if long_n >= min_n and short_n >= min_n:
        return long_bad > limit * long_n and short_bad > limit * short_n
    over = long_n == 0 or long_bad > limit * long_n
    well = short_n >= min_n and short_bad <= limit * short_n
    return was and over and not well


def _crossing(watch: ObjectiveWatch, stream: int, burn: Burn, at_ms: int) -> Crossing:
    tier = next((tier for tier, burns in enumerate(burn.burning) if burns), None)
    if tier is None:
        return Crossing(stream, None, 0.0, 0, 0, at_ms)
    bad, n = burn.counted(watch.rates[tier].long_ms, at_ms)
    return Crossing(
        stream=stream,
        severity=watch.severity(tier),
        limit=watch.limit(tier),
        k=bad,
        n=n,
        begin_ms=_onset_ms(burn, watch.rates[tier].long_ms, watch.limit(tier), at_ms),
        tier=tier,
        budget_left=budget_left(watch, burn, at_ms),
    )


def _onset_ms(burn: Burn, window_ms: int, limit: float, at_ms: int) -> int:
    """Since when in the window more than `limit` is bad; to the minute where minutes are kept."""
    series, size = burn.series(window_ms)
    onset_ms = _lowest_ms(series, size, at_ms - window_ms, limit, at_ms)
    if size > MINUTE_MS and at_ms - onset_ms < LONGEST_OF_MINUTES_MS:
        onset_ms = max(onset_ms, _lowest_ms(burn.minutes, MINUTE_MS, onset_ms - MINUTE_MS, limit, at_ms))
    return onset_ms


def _lowest_ms(series: Series, size: int, from_ms: int, limit: float, at_ms: int) -> int:
    """Where, in stretches of `size` after `from_ms`, the sum of bad - limit x all was lowest (CUSUM)."""
    ends = np.arange(from_ms // size, at_ms // size)
    sums = series.until(ends)
    excess = sums[:, 0] - limit * sums[:, 1]
    lowest = len(ends) - 1 - int(np.argmin(excess[::-1]))
    return (int(ends[lowest]) + 1) * size
