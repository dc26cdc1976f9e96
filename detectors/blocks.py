"""How long a block must be so that bursts do not reach from one into the next.

"Any dependence inside a block" is what the pane bet allows; bursts across blocks break it by one to three
orders of magnitude. So each rule gets the shortest block whose rates are no longer correlated in the
reference. The point estimate decides: independent blocks pass it in 84 to 100% of references, an upper 95%
bound would let only 24 to 85% pass.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from detectors.checks import Floats, Ints, counts, positive
from detectors.errors import DetectorError

SECONDS = (10, 60, 300, 1200)
PANE_SECONDS = 10
FEWEST_BLOCKS = 50
FEWEST_NEIGHBOURS = 25
"""Pairs of neighbouring blocks that both hold requests, without which a lag-1 says nothing."""
MOST_LAG1 = 0.1
SUMS = 16
ROUNDING = 1e-9
_PAIRS = 6
_SIZES = np.array([seconds // PANE_SECONDS for seconds in SECONDS])


@dataclass(frozen=True, slots=True)
class BlockChoice:
    """`seconds` of the block, whether the promise holds, the lag-1 found (NaN: too few blocks, or nothing varies)."""

    seconds: int
    guaranteed: bool
    lag1: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Running sums over blocks of each length in `SECONDS`, of r rare events: lag-1 and phi follow from them.

    `panes` int64[r] counts panes so far. float64[r, 4]: `open_k`, `open_n` the block in progress, `last_k`, `last_n`
    the block before. `sums` float64[r, 4, 16], see `_closed`.
    """

    panes: Ints
    open_k: Floats
    open_n: Floats
    last_k: Floats
    last_n: Floats
    sums: Floats

    def __len__(self) -> int:
        return int(self.panes.size)


def start(rows: int) -> Tally:
    """The tally of `rows` events that have seen nothing.

    >>> len(start(2))
    2
    """
    none = np.zeros((rows, len(SECONDS)))
    return Tally(np.zeros(rows, np.int64), none, none, none, none, np.zeros((rows, len(SECONDS), SUMS)))


def tallied(tally: Tally, k: ArrayLike, n: ArrayLike) -> Tally:
    """The tally after one pane of 10 s; `k`, `n` [r], an empty pane is n = 0. Raises `DetectorError` for k > n, NaN.

    >>> one = tallied(start(1), [2], [20])
    >>> one.sums[0, :, 2].tolist()
    [20.0, 0.0, 0.0, 0.0]
    """
    events, total = counts(k, n)
    panes = tally.panes + 1
    open_k, open_n = tally.open_k + events[:, None], tally.open_n + total[:, None]
    full = panes[:, None] % _SIZES == 0
    closed = _closed(tally.last_k, tally.last_n, open_k, open_n)
    return Tally(
        panes,
        np.where(full, 0.0, open_k),
        np.where(full, 0.0, open_n),
        np.where(full, open_k, tally.last_k),
        np.where(full, open_n, tally.last_n),
        tally.sums + np.where(full[:, :, None], closed, 0.0),
    )


def tally_of(k: ArrayLike, n: ArrayLike) -> Tally:
    """The tally of whole histories: `k`, `n` [panes] or [events, panes], panes of 10 s in time order.

    As `tallied` pane by pane, without the loop; for closed histories, since blocks in progress are dropped.

    >>> choose(tally_of([1, 0] * 20, [20] * 40))
    BlockChoice(seconds=60, guaranteed=False, lag1=nan)
    """
    events, total = counts(np.atleast_2d(k), np.atleast_2d(n))
    begun = start(len(events))
    sums = np.stack([_history(events, total, int(size)) for size in _SIZES], axis=1)
    return replace(begun, panes=begun.panes + events.shape[1], sums=sums)


def _history(k: Floats, n: Floats, size: int) -> Floats:
    """The sums over all whole blocks of `size` panes: float64[events, 16]."""
    rows, whole = k.shape[0], k.shape[1] // size
    k, n = (x[:, : whole * size].reshape(rows, whole, size).sum(axis=2) for x in (k, n))
    before_k, before_n = (np.pad(x, ((0, 0), (1, 0)))[:, :-1] for x in (k, n))
    sums: Floats = _closed(before_k, before_n, k, n).sum(axis=1)
    return sums


def _closed(last_k: Floats, last_n: Floats, k: Floats, n: Floats) -> Floats:
    """What a block of `k` events in `n` requests adds to the sums, after a block of `last_k` in `last_n`.

    The pooled rate p is known at the end only, so the squares around it are kept expanded in powers of p:
    blocks, k, n, k^2, kn, n^2; then over neighbours that both hold requests: how many, the product of both
    scores, and the squares of the earlier and of the later score. Shape [..., 16].
    """
    both = (last_n > 0) & (n > 0)
    root = np.sqrt(np.where(both, last_n * n, 1.0))
    earlier, later = np.where(both, last_n, 1.0), np.where(both, n, 1.0)
    alone = (n > 0, k, n, k * k, k * n, n * n)
    product = (k * last_k / root, (k * last_n + last_k * n) / root, root)
    squares = (last_k**2 / earlier, last_k, last_n, k**2 / later, k, n)
    pairs = [np.where(both, x, 0.0) for x in (1.0, *product, *squares)]
    return np.stack([np.asarray(x, np.float64) for x in (*alone, *pairs)], axis=-1)


def lag1s(tally: Tally) -> Floats:
    """Lag-1 autocorrelation of block rates k/n around the pooled rate, weighted by size: float64[r, 4].

        sum_t s_t s_{t+1} / sqrt(sum_t s_t^2 sum_t s_{t+1}^2) over neighbours that both hold requests,
        s_t = (k_t - n_t p) / sqrt(n_t)

    NaN where nothing varies or fewer than three blocks hold requests.

    >>> tally = start(1)
    >>> for k in [0, 0, 0, 9, 9, 9, 0, 0, 0, 9, 9, 9]:
    ...     tally = tallied(tally, [k], [10])
    >>> lag1s(tally).round(2).tolist()
    [[0.45, nan, nan, nan]]
    """
    blocks, k, n, *_, pairs, kk, kn, nn, e_kk, e_k, e_n, l_kk, l_k, l_n = np.moveaxis(tally.sums, -1, 0)
    p = k / np.maximum(n, 1)
    product = kk - p * kn + p * p * nn
    earlier, later = e_kk - 2 * p * e_k + p * p * e_n, l_kk - 2 * p * l_k + p * p * l_n
    varies = (
        (blocks >= 3) & (np.minimum(earlier, later) > ROUNDING * np.maximum(e_kk + l_kk, 1)) & (pairs > 0)
    )
    scale = np.sqrt(np.where(varies, earlier * later, 1.0))
    found: Floats = np.where(varies, product / scale, np.nan)
    return found


def design_effects(tally: Tally) -> Floats:
    """phi >= 1 of the pooled rate, for blocks of each length: float64[r, 4], as `bounds.design_effect`.

    >>> tally = start(1)
    >>> for k in [0, 8, 0, 8]:
    ...     tally = tallied(tally, [k], [10])
    >>> design_effects(tally).round(2)[0, 0]
    np.float64(8.89)
    """
    blocks, k, n, kk, kn, nn = np.moveaxis(tally.sums, -1, 0)[:6]
    p = k / np.maximum(n, 1)
    spread, expected = kk - 2 * p * kn + p * p * nn, n * p * (1 - p)
    known = (blocks > 1) & (expected > 0)
    phi = blocks / np.maximum(blocks - 1, 1) * spread / np.where(known, expected, 1.0)
    effect: Floats = np.where(known, np.maximum(phi, 1.0), 1.0)
    return effect


def choose(tally: Tally) -> BlockChoice:
    """The shortest of 10, 60, 300, 1200 s with >= 50 non-empty blocks and a lag-1 autocorrelation <= .1.

    All rows are events of one signal of one stream: the lag-1 is the mean over those that vary. Events that never
    vary (k = 0 throughout, or the same share in every block) pass: there is no burst to reach across. Blocks with
    fewer than 25 pairs of neighbours are too short. If none
    passes: 60 s and `guaranteed` False; use `before_learning` then.

    >>> tally = start(1)
    >>> for pane in range(600):
    ...     tally = tallied(tally, [pane % 2], [20])
    >>> choose(tally).seconds, choose(tally).guaranteed
    (10, True)
    """
    blocks, hits, size = (tally.sums[:, :, i] for i in range(3))
    steady = not ((hits[:, 0] > 0) & (hits[:, 0] < size[:, 0])).any()
    lags, pairs = lag1s(tally), tally.sums[:, :, _PAIRS]
    found = float("nan")
    for i, seconds in enumerate(SECONDS):
        if not len(tally) or blocks[:, i].min() < FEWEST_BLOCKS:
            break
        if not steady and pairs[:, i].min() < FEWEST_NEIGHBOURS:
            continue
        lag = lags[:, i][~np.isnan(lags[:, i])]
        found = float(lag.mean()) if lag.size else float("nan")
        if steady or not lag.size or found <= MOST_LAG1:
            return BlockChoice(seconds, True, found)
    return BlockChoice(60, False, found)


def before_learning(
    kind: Literal["rate", "latency", "distribution", "category"], requests_per_s: float, quantile: float = 0.5
) -> int:
    """The block in seconds while there is no reference to choose by.

    Rates and categories: 10 s from 20 requests/s, else 60 s. Latency and other distributions: 60 s; p99 and
    beyond: 300 s. Raises `DetectorError` for an unknown kind and a negative or non-finite rate.

    >>> before_learning("rate", 50.0), before_learning("rate", 2.0), before_learning("latency", 50.0, 0.99)
    (10, 60, 300)
    """
    if requests_per_s != 0:
        positive("requests_per_s", requests_per_s)
    if kind in ("rate", "category"):
        return 10 if requests_per_s >= 20 else 60
    if kind in ("latency", "distribution"):
        return 300 if quantile >= 0.99 else 60
    raise DetectorError(f"kind = {kind!r}: must be rate, latency, distribution or category")
