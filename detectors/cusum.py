"""When did it begin: the onset of a change, estimated beside the e-detector.

    C_t = max(0, C_{t-1}) + l_t,   l = k ln(q/m) + (n - k) ln((1 - q)/(1 - m)),   odds(q) = 1.25 odds(m)

The block after the last one that ended with C <= 0 is the most likely first block of a change from "at most
m" to q (Page 1954; Hinkley 1970). q lies just above m on purpose: the sign of the drift of C then changes
at a rate barely above m, so that a shift of any size moves C up from its first block on. Simulated
(`tests/detectors`): median error 0 to 2 blocks from 1.6 times the odds of m upward. No guarantee of any
kind hangs on it: the estimate is for people.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.checks import Floats, Ints, counts, finite, inside
from detectors.errors import DetectorError

ODDS_ABOVE = 1.25
"""The alternative q of the increment has this many times the odds of m."""


@dataclass(frozen=True, slots=True)
class Onset:
    """State of the onset estimate, one entry a row.

    `c` float64[rows]; `onset_ms` int64[rows], start of the candidate's first block (0: no block seen yet);
    since that onset: `k_since`, `n_since` float64[rows] events and requests, `blocks_with_events`
    int64[rows] blocks that held an event.
    """

    c: Floats
    onset_ms: Ints
    k_since: Floats
    n_since: Floats
    blocks_with_events: Ints


def start(rows: int) -> Onset:
    """The state of `rows` rows that have seen nothing.

    >>> start(1).c
    array([0.])
    """
    zero, none = np.zeros(rows), np.zeros(rows, dtype=np.int64)
    return Onset(zero, none, zero, zero, none)


def increment(k: ArrayLike, n: ArrayLike, m: ArrayLike) -> Floats:
    """Log-likelihood ratio of a rate just above `m` against `m`: float64[rows]; 0 where n = 0.

    `k`, `n` [rows] with 0 <= k <= n, `m` float64[rows] in (0, 1). Raises `DetectorError` otherwise.

    >>> increment([0, 2], [20, 20], [0.02, 0.02]).round(3)
    array([-0.1  ,  0.347])
    """
    events, total = counts(k, n)
    limit = inside("m", m)
    # ln((1-q)/(1-m)) = -ln(1 + (r-1) m) for q with r times the odds of m, and ln(q/m) = ln r less the same.
    shrink = np.log1p((ODDS_ABOVE - 1) * limit)
    gain: Floats = events * np.log(ODDS_ABOVE) - total * shrink
    return gain


def update(state: Onset, log_l: ArrayLike, block_start_ms: ArrayLike, k: ArrayLike, n: ArrayLike) -> Onset:
    """The state after one block.

    `log_l` float64[rows] from `increment`; `block_start_ms` int64, one for all or [rows]; `k`, `n` [rows].
    Where C <= 0 before the block, the candidate restarts at this block's start with fresh counters. Empty
    blocks change nothing. Raises `DetectorError` for NaN, k > n, and arrays that do not fit.

    >>> state = update(start(1), increment([3], [20], [0.02]), 10_000, [3], [20])
    >>> state = update(state, increment([4], [20], [0.02]), 20_000, [4], [20])
    >>> int(state.onset_ms[0]), float(state.k_since[0]), int(state.blocks_with_events[0])
    (10000, 7.0, 2)
    """
    events, total = counts(k, n)
    gain = finite("log_l", log_l)
    if events.shape != state.c.shape or gain.shape != state.c.shape:
        raise DetectorError(f"state {state.c.shape}, log_l {gain.shape}, k {events.shape} do not fit")
    seen = total > 0
    fresh = seen & (state.c <= 0)
    begun: NDArray[np.int64] = np.broadcast_to(np.asarray(block_start_ms, dtype=np.int64), fresh.shape)
    with_event = (events > 0).astype(np.int64)
    return Onset(
        c=np.where(seen, np.maximum(state.c, 0.0) + gain, state.c),
        onset_ms=np.where(fresh, begun, state.onset_ms),
        k_since=np.where(fresh, 0.0, state.k_since) + events,
        n_since=np.where(fresh, 0.0, state.n_since) + total,
        blocks_with_events=np.where(fresh, 0, state.blocks_with_events) + with_event,
    )
