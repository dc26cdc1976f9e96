"""One budget for 400 streams that come and go: the promise is over all of them together."""

from typing import Final

import numpy as np

from benchmarks.detection.counted import FalseAlarms
from benchmarks.detection.worlds import Array
from detectors import bets

STREAMS: Final = 400
REQUESTS: Final = 20
M: Final = 0.02
CHANCE_TO_TURN: Final = 0.002
"""A pane: a stream stays, or stays away, for about 83 minutes."""


def joint_false_alarms(rng: np.random.Generator, a: float, panes: int, runs: int) -> FalseAlarms:
    """Alarms over all streams at p = m in `runs` independent installations of `panes` panes, all at weight 1 a pane."""
    e_values, k_most = table(), REQUESTS
    active = rng.random((runs, STREAMS)) < 0.5
    m = np.zeros((runs, STREAMS, bets.COMPONENTS))
    alarms = 0
    for _ in range(panes):
        before, active = active, active ^ (rng.random(active.shape) < CHANCE_TO_TURN)
        weight = 1 / np.maximum(before.sum(axis=1), 1)
        # A stream injects from its second pane on; one that is away is frozen.
        live = before & active
        run, stream = np.nonzero(live)
        k = rng.binomial(k_most, M, run.size)
        after = advanced(m[run, stream], e_values[k], weight[run])
        over = after.sum(axis=1) >= a
        after[over] = 0.0
        m[run, stream] = after
        alarms += int(over.sum())
    return FalseAlarms(alarms, panes * runs, a)


def table() -> Array:
    """The shipped pane bet's e-value for every count: float64[REQUESTS + 1, components]."""
    k = np.arange(REQUESTS + 1)
    size = np.full(k.size, REQUESTS)
    return np.asarray(np.exp(bets.pane_bet_log_components(k, size, np.full(k.size, M))))


def advanced(m: Array, e_values: Array, weight: Array) -> Array:
    """`esr.update` without logs, twenty times as fast; A is small enough here. A test holds the two together."""
    return np.asarray((m + (weight / m.shape[1])[:, None]) * e_values)
