"""Streams at the edge of what is allowed, and how often a detector alarms on them."""

from collections.abc import Callable

import numpy as np

from benchmarks.detection.counted import FalseAlarms
from benchmarks.detection.limits import d_bet as d_bet
from detectors import bets, esr
from detectors.events import RareEvents

Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
Bet = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def false_alarms(
    draw: Draw,
    m: np.ndarray,
    share: np.ndarray,
    a: float = 1e3,
    streams: int = 250,
    steps: int = 2000,
    seed: int = 1,
    bet: Bet = bets.pane_bet_log_components,
    counts_empty: bool = False,
) -> FalseAlarms:
    """Alarms of independent streams, each with the rare events `m`, `share` [events] and a budget of its own.

    `draw(rng)` gives k, n [streams, events] of one block. A stream that alarms drops all its evidence and
    goes on. Blocks that are empty for every event are not counted as blocks. `counts_empty` breaks the rule
    that an empty block injects nothing.
    """
    rng = np.random.default_rng(seed)
    limits, log_w = np.tile(m, streams), np.log(np.tile(share, streams))
    components = bet(np.zeros(1), np.ones(1), m[:1]).shape[1]
    log_m = esr.start(limits.size, components)
    alarms = blocks = 0
    for _ in range(steps):
        k, n = draw(rng)
        log_l = bet(k.ravel(), n.ravel(), limits)
        log_m = esr.update(log_m, log_l, log_w, np.ones(limits.size) if counts_empty else n.ravel())
        over = (esr.level(log_m) >= np.log(a)).reshape(streams, m.size).any(axis=1)
        alarms += int(over.sum())
        blocks += int((n > 0).any(axis=1).sum())
        log_m[np.repeat(over, m.size)] = -np.inf
    return FalseAlarms(alarms, blocks, a)


def delays(
    draw: Draw,
    m: np.ndarray,
    share: np.ndarray,
    a: float,
    streams: int = 300,
    steps: int = 4000,
    seed: int = 2,
) -> np.ndarray:
    """Blocks to the alarm, for each of `streams` streams that have changed from their first block on."""
    rng = np.random.default_rng(seed)
    limits, log_w = np.tile(m, streams), np.log(np.tile(share, streams))
    log_m = esr.start(limits.size, bets.COMPONENTS)
    found = np.zeros(streams, dtype=np.int64)
    for step in range(1, steps + 1):
        k, n = draw(rng)
        log_m = esr.update(
            log_m, bets.pane_bet_log_components(k.ravel(), n.ravel(), limits), log_w, n.ravel()
        )
        over = (esr.level(log_m) >= np.log(a)).reshape(streams, m.size).any(axis=1)
        found[over & (found == 0)] = step
        if found.all():
            return found
    raise AssertionError(f"{int((found == 0).sum())} of {streams} streams never alarmed in {steps} blocks")


def binomial(streams: int, n: int, p: float) -> Draw:
    """One rare event, independent requests, n a block."""
    return lambda rng: (rng.binomial(n, p, (streams, 1)), np.full((streams, 1), n))


def beta_binomial(streams: int, n: int, p: float, rho: float) -> Draw:
    """One rare event, requests of a block correlated by rho."""
    a, b = p * (1 / rho - 1), (1 - p) * (1 / rho - 1)
    return lambda rng: (rng.binomial(n, rng.beta(a, b, (streams, 1))), np.full((streams, 1), n))


def of_sizes(streams: int, sizes: list[int], p: float) -> Draw:
    """One rare event, the block's size drawn anew each time."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        n = rng.choice(sizes, (streams, 1))
        return rng.binomial(n, p), n

    return draw


def of_population(streams: int, n: int, events: RareEvents, population: np.ndarray) -> Draw:
    """All rare events of a tube at once: n buckets a block, drawn from `population`."""
    cuts = np.unique(np.concatenate([events.low.astype(np.int64), events.high.astype(np.int64) + 1]))
    cell = np.searchsorted(cuts, population, side="right")
    share = np.bincount(cell, minlength=cuts.size + 1) / population.size
    begins = np.concatenate([[-(2**40)], cuts])
    inside = ((begins[:, None] >= events.low) & (begins[:, None] <= events.high)).astype(np.int64)

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        k = rng.multinomial(n, share, streams) @ inside
        return k, np.full(k.shape, n)

    return draw
