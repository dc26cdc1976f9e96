"""Blocks of many streams at once, and how often the shipped bets alarm on them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.counted import FalseAlarms
from detectors import bets, esr, ratio, slots
from detectors.events import RareEvents

Array = NDArray[Any]
Block = tuple[Array, Array]
"""k and n of one block: [streams, events], or [streams, events, slots] for bets on slots."""
Bet = Callable[[Array, Array, Array], Array]
"""k, n [rows] or [rows, slots], m [rows] to log L [rows, components]."""


@dataclass(frozen=True)
class World:
    """Streams that behave alike: `limits` float64[streams, events], `share` [events] of each stream's own budget.

    Every block injects the weight of `panes` panes. `bet` is the shipped one.
    """

    limits: Array
    share: Array
    blocks: Iterable[Block]
    panes: int = 1
    bet: Bet = bets.pane_bet_log_components


def one_event(m: float, streams: int, blocks: Iterable[Block], **more: Any) -> World:
    """A world of one rare event, one limit for all."""
    return World(np.full((streams, 1), m), np.ones(1), blocks, **more)


def by_ratio(requests: float, a: float) -> Bet:
    """The Bernoulli ratio mixture for blocks of about `requests`."""
    known: dict[bytes, Array] = {}

    def bet(k: Array, n: Array, m: Array) -> Array:
        limits = m.tobytes()
        if limits not in known:
            known[limits] = ratio.alternatives(m, np.full(m.size, requests), a)
        return ratio.ratio_log_components(k, n, m, known[limits])

    return bet


def by_limits(limits: Iterable[Array]) -> Bet:
    """The shipped bet with limits [rows] of its own for each block, in their order."""
    following = iter(limits)

    def bet(k: Array, n: Array, _: Array) -> Array:
        return bets.pane_bet_log_components(k, n, next(following))

    return bet


by_slots: Final[Bet] = slots.slot_log_components


def false_alarms(world: World, a: float) -> FalseAlarms:
    """Alarms of all streams; one that alarms drops all its evidence and goes on. Empty blocks are not counted."""
    alarms = blocks = 0
    for over, seen in _alarms(world, a, restart=True):
        alarms += int(over.sum())
        blocks += int(seen.sum())
    return FalseAlarms(alarms, blocks * world.panes, a)


def delays(world: World, a: float) -> Array:
    """Blocks to the first alarm of each stream, which has changed from its first block on: int64[streams].

    Raises RuntimeError if the world ends before all have alarmed.
    """
    found = np.zeros(len(world.limits), dtype=np.int64)
    for step, (over, _) in enumerate(_alarms(world, a, restart=False), 1):
        found[over & (found == 0)] = step
        if found.all():
            return found
    raise RuntimeError(f"{int((found == 0).sum())} of {found.size} streams never alarmed")


def _alarms(world: World, a: float, restart: bool) -> Iterator[tuple[Array, Array]]:
    """For each block which streams alarm, and which held requests: bool[streams] both."""
    streams, events = world.limits.shape
    m, log_w = world.limits.ravel(), np.log(np.tile(world.share * world.panes, streams))
    log_m: Array | None = None
    for k, n in world.blocks:
        rows = (m.size, *k.shape[2:])
        log_l = world.bet(k.reshape(rows), n.reshape(rows), m)
        log_m = esr.start(*log_l.shape) if log_m is None else log_m
        size = n.reshape(m.size, -1).sum(axis=1)
        log_m = esr.update(log_m, log_l, log_w, size)
        over = (esr.level(log_m) >= np.log(a)).reshape(streams, events).any(axis=1)
        if restart and over.any():
            log_m[np.repeat(over, events)] = -np.inf
        yield over, (size.reshape(streams, events) > 0).any(axis=1)


def binomial(rng: np.random.Generator, streams: int, steps: int, n: int, p: float) -> Iterator[Block]:
    """One rare event, independent requests, n a block."""
    size = np.full((streams, 1), n)
    return ((rng.binomial(n, p, (streams, 1)), size) for _ in range(steps))


def of_events(rng: np.random.Generator, n: int, streams: int, shares: Iterable[Array]) -> Iterator[Block]:
    """All rare events at once: n requests a block fall into cells with `shares` for each block, see `cells`."""
    for share, inside in shares:
        k = rng.multinomial(n, share, streams) @ inside
        yield k, np.full(k.shape, n)


def cells(events: RareEvents, population: Array) -> tuple[Array, Array]:
    """Shares float64[c] of the cells between all events' edges in a `population` of buckets; which events hold them."""
    low, high = events.low.astype(np.int64), events.high.astype(np.int64)
    cuts = np.unique(np.concatenate([low, high + 1]))
    cell = np.searchsorted(cuts, population, side="right")
    share = np.bincount(cell, minlength=cuts.size + 1) / population.size
    begins = np.concatenate([[-(2**40)], cuts])
    inside = (begins[:, None] >= low) & (begins[:, None] <= high)
    return share, (inside ^ events.negate).astype(np.int64)


def merged(k: Array, n: Array, panes: int) -> Iterator[Block]:
    """Blocks of `panes` panes from k, n [streams, panes]."""
    streams, blocks = k.shape[0], k.shape[1] // panes
    k, n = (x[:, : blocks * panes].reshape(streams, blocks, panes).sum(axis=2) for x in (k, n))
    return ((k[:, [t]], n[:, [t]]) for t in range(blocks))
