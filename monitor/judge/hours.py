"""A reference by the hour of the week: up to 168 histograms, in UTC, Monday 00:00 first."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors import base_rates
from detectors.base_rates import PaneRates
from monitor.judge.rows import Flags
from monitor.records import fold
from monitor.records.delta import F64, I64

HOUR_MS: Final = 3_600_000
HOURS_OF_DAY: Final = 24
HOURS: Final = 168
ENOUGH_IN_HOUR: Final = 500
EPOCH_HOUR: Final = 72
"""The epoch began on a Thursday."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What was usual in some `hours` of the week: a histogram by ascending `buckets`, and its pane rates."""

    hours: tuple[int, ...]
    buckets: I64
    counts: I64
    panes: PaneRates


def hour_of(ms: int) -> int:
    """The hour of the week of a moment, from 0 to 167."""
    return (ms // HOUR_MS + EPOCH_HOUR) % HOURS


@dataclass(frozen=True, slots=True)
class Hours:
    """Histograms of the hours that have any: int64[c] `hour`, `bucket`, `count`, sorted by the first two.

    `rate` float64[c] are their sums of count/n over panes; `panes` and `inverse` float64[168] how many panes each hour
    has, and the sum of 1/n over them.
    """

    hour: I64
    bucket: I64
    count: I64
    rate: F64
    panes: F64
    inverse: F64


def of_hour(hour: int, buckets: I64, counts: I64) -> Hours:
    """One pane of one hour, not empty."""
    one = base_rates.of_pane(counts)
    panes, inverse = np.zeros(HOURS), np.zeros(HOURS)
    panes[hour], inverse[hour] = one.panes, one.inverse
    return Hours(np.full(len(buckets), hour, np.int64), buckets, counts, one.rates, panes, inverse)


def of_panes(panes: I64, pane_ms: int, buckets: I64, counts: I64) -> Hours:
    """A stored history: int64[n] each, the panes' numbers with the buckets and counts they hold."""
    _, at = np.unique(panes, return_inverse=True)
    n = np.bincount(at, counts)
    hour = (panes * pane_ms // HOUR_MS + EPOCH_HOUR) % HOURS
    first = np.unique(at, return_index=True)[1]
    (hours, bucket), cells = _folded(hour, buckets)
    return Hours(
        hour=hours,
        bucket=bucket,
        count=np.bincount(cells, counts, len(hours)).astype(np.int64),
        rate=_sums(cells, counts / n[at], len(hours)),
        panes=np.bincount(hour[first], minlength=HOURS).astype(np.float64),
        inverse=_sums(hour[first], 1 / n, HOURS),
    )


def added(first: Hours, second: Hours) -> Hours:
    """Both together."""
    (hour, bucket), cells = _folded(
        np.concatenate((first.hour, second.hour)), np.concatenate((first.bucket, second.bucket))
    )
    count, rate = np.concatenate((first.count, second.count)), np.concatenate((first.rate, second.rate))
    return Hours(
        hour,
        bucket,
        np.bincount(cells, count, len(hour)).astype(np.int64),
        _sums(cells, rate, len(hour)),
        first.panes + second.panes,
        first.inverse + second.inverse,
    )


def _sums(cells: I64, what: F64, cell_count: int) -> F64:
    sums: F64 = np.bincount(cells, what, cell_count).astype(np.float64)
    return sums


def _folded(hour: I64, bucket: I64) -> tuple[list[I64], I64]:
    """The distinct (hour, bucket), sorted, and which of them each row is."""
    keys, order, starts = fold.grouped([hour, bucket])
    at = np.empty(len(order), np.int64)
    at[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
    return keys, at


def usual(hours: Hours, hour: int) -> Usual | None:
    """What was usual in an hour; of a thin one that hour of all days of the week; None where that is thin too."""
    for mine in ((hour,), tuple(range(hour % HOURS_OF_DAY, HOURS, HOURS_OF_DAY))):
        part = np.isin(hours.hour, mine)
        if hours.count[part].sum() >= ENOUGH_IN_HOUR:
            return _usual(hours, part, mine)
    return None


def _usual(hours: Hours, part: Flags, mine: tuple[int, ...]) -> Usual:
    bucket, cells = np.unique(hours.bucket[part], return_inverse=True)
    count = np.bincount(cells, hours.count[part]).astype(np.int64)
    rates, at = _sums(cells, hours.rate[part], len(bucket)), np.array(mine)
    panes = PaneRates(rates, float(hours.panes[at].sum()), float(hours.inverse[at].sum()))
    return Usual(mine, bucket, count, panes)
