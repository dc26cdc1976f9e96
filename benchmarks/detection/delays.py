"""The delay column: the same bets on changed streams, against D_bet, D* and the CUSUM that knows the change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.detection import limits
from benchmarks.detection.counted import FalseAlarms
from benchmarks.detection.worlds import (
    Array,
    Bet,
    World,
    binomial,
    by_ratio,
    by_slots,
    cells,
    delays,
    false_alarms,
    of_events,
    one_event,
)
from detectors import bets
from detectors.buckets import LOG
from detectors.categories import category_events
from detectors.events import RareEvents
from detectors.tube import tube_points, tube_stretch

A: Final = 259_200.0
SLOTS: Final = 10
STEPS: Final = 20_000
SEED: Final = 20_260_102
OF_D_BET, OF_D_STAR, OF_SLOTS = 1.3, 1.35, 1.5
"""Targets, each plus one block."""

RATES: Final = (
    (0.02, 0.03, 20),
    (0.02, 0.03, 200),
    (0.02, 0.10, 20),
    (0.02, 0.10, 200),
    (0.20, 0.23, 200),
    (0.002, 0.01, 20),
    (0.01, 0.10, 1),
    (0.50, 0.60, 20),
)


@dataclass(frozen=True, slots=True)
class Extent:
    """Streams that change; and for the true run length the threshold, streams and panes of the same bets at p = m."""

    streams: int
    a: float
    null_streams: int
    null_panes: int


FULL: Final = Extent(300, 1e4, 200, 2_500)
QUICK: Final = Extent(60, 1e3, 50, 500)


@dataclass(frozen=True, slots=True)
class Seen:
    """Mean delay of one bet in blocks, and its false alarms at p = m with the same settings."""

    delay: float
    null: FalseAlarms

    def of(self, limit: float) -> float:
        """How many times the limit, one block for the pane's own length left out."""
        return max(self.delay - 1, 0.0) / limit


@dataclass(frozen=True, slots=True)
class Rate:
    """One risen rate. `cusum` is at the run length that the pane bet truly has."""

    m: float
    p: float
    n: int
    d_star: float
    d_bet: float
    cusum: float
    bet: Seen
    slots: Seen | None
    ratio: Seen

    @property
    def slots_near(self) -> bool:
        """Whether the slots' target applies: less than one event more than allowed in a slot."""
        return self.slots is not None and self.n / SLOTS * (self.p - self.m) < 1


def rate(m: float, p: float, n: int, extent: Extent) -> Rate:
    """Measure one row."""
    bet = _seen(bets.pane_bet_log_components, m, p, n, extent)
    slotted = _seen(by_slots, m, p, n, extent, SLOTS) if n >= SLOTS else None
    run_length = A / min(max(bet.null.ratio, 0.1), 1.0)
    return Rate(
        m,
        p,
        n,
        limits.d_star_rate(m, p, n, A),
        limits.d_bet(m, p, n, A),
        limits.cusum_delay(m, p, n, run_length),
        bet,
        slotted,
        _seen(by_ratio(n, A), m, p, n, extent),
    )


def _seen(bet: Bet, m: float, p: float, n: int, extent: Extent, slots: int = 0) -> Seen:
    rng = np.random.default_rng(SEED)
    changed = _world(rng, bet, m, p, n, extent.streams, STEPS, slots)
    null = _world(rng, bet, m, m, n, extent.null_streams, extent.null_panes, slots)
    return Seen(float(delays(changed, A).mean()), false_alarms(null, extent.a))


def _world(
    rng: np.random.Generator, bet: Bet, m: float, p: float, n: int, streams: int, steps: int, slots: int
) -> World:
    if not slots:
        return one_event(m, streams, binomial(rng, streams, steps, n, p), bet=bet)
    size = np.full((streams, 1, slots), n // slots)
    drawn = ((rng.binomial(n // slots, p, size.shape), size) for _ in range(steps))
    return one_event(m, streams, drawn, bet=bet)


@dataclass(frozen=True, slots=True)
class Many:
    """A changed distribution or mix; `d_star` is NaN where the nearest null is not worked out."""

    what: str
    n: int
    d_star: float
    d_bet: float
    delay: float

    @property
    def of_d_bet(self) -> float:
        return max(self.delay - 1, 0.0) / self.d_bet


def many(extent: Extent) -> list[Many]:
    """Tubes and categories, in blocks of one pane."""
    rng = np.random.default_rng(SEED)
    found = [_moved(rng, extent, *row) for row in ((0.05, 0.10, 200), (0.05, 0.25, 20), (0.1, 0.3, 50))]
    values = rng.lognormal(5, 0.8, 100_000)
    bucket, count = np.unique(LOG.bucket(values), return_counts=True)
    tube = tube_stretch(bucket, count, 1.5, LOG)
    slower = np.where(np.arange(values.size) % 25 == 0, 20 * values, values)
    for what, n, changed in (("stretch 1.5: all x2", 40, 2 * values), ("4% of requests x20", 200, slower)):
        found.append(_of(rng, extent, what, n, tube, *cells(tube, LOG.bucket(changed))))
    return [*found, _mix(rng, extent)]


def _moved(rng: np.random.Generator, extent: Extent, tolerance: float, shift: float, n: int) -> Many:
    """A uniform quantity whose distribution function sinks by `shift` at its median, by less towards its ends."""
    values = np.arange(1, 1001)
    tube = tube_points(values, np.full(1000, 10**6), tolerance, qs=tuple(np.arange(1, 10) / 10))
    tenths = sunk(shift)
    population = np.repeat(values, np.repeat(np.rint(10_000 * tenths).astype(np.int64), 100))
    star = limits.d_star_tube(np.full(10, 0.1), tolerance, tenths, n, A)
    return _of(rng, extent, f"tube {tolerance}: sunk by {shift}", n, tube, *cells(tube, population), star)


def sunk(shift: float) -> Array:
    """Shares of the ten tenths of a distribution that has sunk by `shift` at its median."""
    q = np.arange(11) / 10
    return np.asarray(np.diff(q - shift * (1 - np.abs(2 * q - 1))))


def _mix(rng: np.random.Generator, extent: Extent) -> Many:
    events = category_events([1, 2, 3], np.array([70, 20, 10]) * 10**6)
    inside = ((events.category == np.arange(1, 4)[:, None]) ^ events.negate).astype(np.int64)
    return _of(rng, extent, "categories: a tenth becomes 40%", 40, events, np.array([0.5, 0.1, 0.4]), inside)


def _of(
    rng: np.random.Generator,
    extent: Extent,
    what: str,
    n: int,
    events: RareEvents,
    share: Array,
    inside: Array,
    star: float = float("nan"),
) -> Many:
    streams = extent.streams
    blocks = of_events(rng, n, streams, ((share, inside) for _ in range(STEPS)))
    world = World(np.tile(events.m, (streams, 1)), events.share, blocks)
    return Many(what, n, star, _best_edge(events, share @ inside, n), float(delays(world, A).mean()))


def _best_edge(events: RareEvents, rates: Array, n: int) -> float:
    """D_bet of the edge that sees it first, alone, at its share of the budget."""
    pairs = zip(events.m.tolist(), rates.tolist(), events.share.tolist(), strict=True)
    return min(limits.d_bet(m, p, n, A / share) for m, p, share in pairs if p > m)


def rates_table(rows: Iterable[Rate]) -> str:
    """Markdown; a delay is followed by its false alarms x A / blocks at p = m."""
    head = ["m -> p", "n", "D*", "CUSUM that knows", "ratio", "of D*", "1 s slots", "of D*", "D_bet"]
    lines = [_line([*head, "pane bet", "of D_bet"]), "|" + "---|" * (len(head) + 2)]
    for row in rows:
        slots = (_told(row.slots), f"{row.slots.of(row.d_star):.2f}") if row.slots else ("", "")
        if row.slots and not row.slots_near:
            slots = (slots[0], f"{slots[1]} (slots too full)")
        shift = f"{row.m:g} -> {row.p:g}"
        ratio = (_told(row.ratio), f"{row.ratio.of(row.d_star):.2f}")
        bet = (_told(row.bet), f"{row.bet.of(row.d_bet):.2f}")
        limit = (f"{row.d_star:.1f}", f"{row.cusum:.1f}")
        lines.append(_line([shift, str(row.n), *limit, *ratio, *slots, f"{row.d_bet:.1f}", *bet]))
    return "\n".join(lines)


def many_table(rows: Iterable[Many]) -> str:
    head = ["change", "n", "D*", "D_bet of the best edge", "pane bet", "of D_bet"]
    lines = [_line(head), "|" + "---|" * len(head)]
    for row in rows:
        star = "" if np.isnan(row.d_star) else f"{row.d_star:.1f}"
        figures = [f"{row.d_bet:.1f}", f"{row.delay:.1f}", f"{row.of_d_bet:.2f}"]
        lines.append(_line([row.what, str(row.n), star, *figures]))
    return "\n".join(lines)


def worst(rates: Sequence[Rate], others: Sequence[Many]) -> tuple[float, float]:
    """The worst pane bet against D_bet, and the worst ratio against D*."""
    of_bet = [row.bet.of(row.d_bet) for row in rates] + [row.of_d_bet for row in others]
    return max(of_bet), max(row.ratio.of(row.d_star) for row in rates)


def _told(seen: Seen) -> str:
    return f"{seen.delay:.1f} ({seen.null.ratio:.2f})"


def _line(values: Iterable[str]) -> str:
    return "| " + " | ".join(values) + " |"
