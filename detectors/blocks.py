"""How long a block must be so that bursts do not reach from one into the next.

"Any dependence inside a block" is what the pane bet allows; bursts across blocks break it by one to three
orders of magnitude. So each rule gets the shortest block whose rates are no longer correlated in the
reference: a lag-1 of .03 at most, as far as so many blocks can tell. Where shorter blocks tell more (there are more
of them), they decide: bursts that are over within a block leave a known part of it in the next. Independent blocks
pass in 85 to 100% of references. (A lag-1 of .1 was too much: with a queue at load .85 a tenth of all references
chose 60 s, and their rules had 10 times the promised alarms at A = 100,000.)

What changes over hours is no burst: it is a swing, for tolerances to allow. Its part in the lag-1, which is the
same at every length, is taken from blocks of 1200 s and left out of shorter ones.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from detectors.checks import Floats, Ints, counts, finite, positive, refuse
from detectors.errors import DetectorError

SECONDS = (10, 60, 300, 1200)
PANE_SECONDS = 10
FEWEST_BLOCKS = 50
FEWEST_NEIGHBOURS = 25
"""Pairs of neighbouring blocks that both hold requests, without which a lag-1 says nothing."""
MOST_LAG1 = 0.03
RESOLVED = 1 / 3
"""A lag-1 at most this large: bursts are over within two blocks or so."""
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

        sum_t (s_t s_{t+1} - g) / sqrt(sum_t (s_t^2 - g) sum_t (s_{t+1}^2 - g)) over neighbours that both hold
        requests, s_t = (k_t - n_t p) / sqrt(n_t)

    g is the part of swings over hours: n times the covariance of the rates of neighbouring blocks of 1200 s, from 50 of
    them and for shorter blocks only. NaN where nothing varies or fewer than three blocks hold requests.

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
    swing = _swing(blocks, product, nn)
    product, earlier, later = product - swing * nn, earlier - swing * e_n, later - swing * l_n
    varies = (
        (blocks >= 3) & (np.minimum(earlier, later) > ROUNDING * np.maximum(e_kk + l_kk, 1)) & (pairs > 0)
    )
    scale = np.sqrt(np.where(varies, earlier * later, 1.0))
    found: Floats = np.where(varies, product / scale, np.nan)
    return found


def _swing(blocks: Floats, product: Floats, size: Floats) -> Floats:
    """The variance of rates that lasts from one block of 1200 s to the next: float64[r, 4], 0 for those blocks."""
    known = blocks[:, -1:] >= FEWEST_BLOCKS
    lasting = np.where(known, np.maximum(product[:, -1:] / np.maximum(size[:, -1:], 1), 0.0), 0.0)
    swing: Floats = lasting * (np.array(SECONDS) < SECONDS[-1])
    return swing


def foreseen(lag1: ArrayLike, times: ArrayLike) -> Floats:
    """The lag-1 of blocks `times` as long as those that have `lag1`, where bursts are over within a block.

        1 / (times (1 / lag1 + 2) - 2); 0 for a lag-1 that is not above 0

    What reaches from one block into the next stays the same, K, and the variance of a block of length T is V T - 2 K.

    >>> foreseen([0.25, -0.1], 5).round(3)
    array([0.036, 0.   ])
    """
    lag, longer = np.broadcast_arrays(finite("lag1", lag1), finite("times", times))
    refuse("times", longer, longer < 1, "must be at least 1")
    above = np.maximum(lag, ROUNDING)
    part: Floats = np.where(lag > 0, 1 / (longer * (1 / above + 2) - 2), 0.0)
    return part


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
    """The shortest of 10, 60, 300, 1200 s with >= 50 non-empty blocks beyond which bursts do not reach.

    That is, with a lag-1 autocorrelation of at most .03, both by their own rates, for which one standard error (1.5
    beyond 10 s) is allowed if that is more, and as foreseen by the shortest blocks that bursts are over in. All rows
    are events of one signal of one stream: the lag-1 is the mean over those that vary. Events that never vary (k = 0
    throughout, or the same share in every block) pass: there is no burst to reach across. Blocks with fewer than 25
    pairs of neighbours are too short. If none passes: 60 s and `guaranteed` False; use `before_learning` then.

    >>> tally = start(1)
    >>> for pane in range(600):
    ...     tally = tallied(tally, [pane % 2], [20])
    >>> choose(tally).seconds, choose(tally).guaranteed
    (10, True)
    """
    blocks, hits, size = (tally.sums[:, :, i] for i in range(3))
    steady = not ((hits[:, 0] > 0) & (hits[:, 0] < size[:, 0])).any()
    lags, pairs = _means(lag1s(tally)), tally.sums[:, :, _PAIRS]
    found = float("nan")
    for i, seconds in enumerate(SECONDS):
        if not len(tally) or blocks[:, i].min() < FEWEST_BLOCKS:
            break
        if not steady and pairs[:, i].min() < FEWEST_NEIGHBOURS:
            continue
        found = float(lags[i])
        if steady or np.isnan(found) or _is_long_enough(lags, i, float(pairs[:, i].min())):
            return BlockChoice(seconds, True, found)
    return BlockChoice(60, False, found)


def _means(lags: Floats) -> Floats:
    """The mean lag-1 of the events that vary, for each length: float64[4]."""
    vary = ~np.isnan(lags)
    many = vary.sum(axis=0)
    total = np.where(vary, lags, 0.0).sum(axis=0)
    means: Floats = np.where(many > 0, total / np.maximum(many, 1), np.nan)
    return means


def _is_long_enough(lags: Floats, i: int, pairs: float) -> bool:
    """Whether bursts end within blocks of length i: by their own lag-1, and by that of shorter ones."""
    own = max(MOST_LAG1, (1.5 if i else 1.0) / np.sqrt(pairs))
    if lags[i] > own:
        return False
    shorter = [j for j in range(i) if not np.isnan(lags[j])]
    if not shorter:
        return True
    by = next((j for j in shorter if lags[j] <= RESOLVED), shorter[-1])
    return bool(foreseen(lags[by], SECONDS[i] / SECONDS[by]) <= MOST_LAG1)


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
