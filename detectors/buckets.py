"""Fixed buckets: histograms that need no reference to be merged, stored and judged again.

A value x is in bucket i exactly if upper(i - 1) < x <= upper(i); bucket numbers are ordered as the values
are.

- `LOG`, for positive quantities: upper(i) = gamma^i, gamma = 1.01/0.99, -32000 <= i <= 32000, so value(i) =
  2 gamma^i / (gamma + 1) is within 1% of every value of the bucket. Source: Masson, Rim and Lee, "DDSketch"
  (VLDB 2019). x <= 0 is in bucket -32768, value 0.
- `LOGIT`, for probabilities: logit(upper(i)) = .02 i, -1000 <= i <= 1000; exactly 0 and exactly 1 have
  buckets of their own.

A rate's buckets are 0 and 1 (it happened); a category's bucket is its id (0: unknown). Neither needs a
scale. The edges are computed in decimal and rounded once: the same bucket on every machine, and
bucket(upper(i)) == i.
"""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.checks import Floats, Ints, finite, probability, refuse
from detectors.errors import DetectorError

BucketIds = NDArray[np.int32]

ZERO = -32768
"""LOG: x <= 0; LOGIT: p = 0."""
ONE = 32767
"""LOGIT: p = 1."""


class Scale(Protocol):
    """What every scale does; all of it vectorised over flat arrays."""

    def bucket(self, values: ArrayLike) -> BucketIds:
        """The bucket of each of `values` float64[n]: int32[n]; NaN and infinities are refused."""
        ...

    def upper(self, buckets: ArrayLike) -> Floats:
        """The inclusive upper edge of each bucket: float64[n]."""
        ...

    def lower(self, buckets: ArrayLike) -> Floats:
        """The exclusive lower edge of each bucket, -inf for the lowest: float64[n]."""
        ...

    def value(self, buckets: ArrayLike) -> Floats:
        """The value that stands for each bucket: float64[n]."""
        ...

    def bucket_at_most(self, value: float) -> int:
        """The largest bucket b with upper(b) <= value: the event "bucket > b" covers every x > value."""
        ...

    def bucket_at_least(self, value: float) -> int:
        """The smallest bucket b with upper(b) >= value: the event "bucket > b" implies x > value."""
        ...


@dataclass(frozen=True, slots=True)
class LogScale:
    """Relative buckets for quantities >= 0; see the module.

    >>> LOG.bucket([0, 1, 100, 100.0001]).tolist()
    [-32768, 0, 231, 231]
    >>> LOG.value([-32768, 231]).round(1).tolist()
    [0.0, 100.5]
    """

    numerator: int = 101
    denominator: int = 99
    last: int = 32_000

    def bucket(self, values: ArrayLike) -> BucketIds:
        """ceil(ln x / ln gamma), clipped to +-`last`; x <= 0 in `ZERO`: int32[n].

        Raises `DetectorError` for NaN and infinities.
        """
        x = finite("values", values)
        above = x > 0
        scale = np.log(self.numerator / self.denominator)
        guess = np.ceil(np.log(x, where=above, out=np.zeros_like(x)) / scale)
        index = np.clip(guess, -self.last, self.last).astype(np.int32)
        edges = _powers(self.numerator, self.denominator, self.last)
        # The logarithm is off by an ulp at the edges themselves: the table decides.
        at = index + self.last
        too_low = (x > edges[at]) & (index < self.last)
        too_high = (x <= edges[at - 1]) & (index > -self.last)
        return np.where(above, index + too_low - too_high, ZERO).astype(np.int32)

    def upper(self, buckets: ArrayLike) -> Floats:
        """gamma^i; 0 for `ZERO`; the largest float for bucket `last`: float64[n]."""
        index = _within(buckets, self.last, (ZERO,))
        edges = _powers(self.numerator, self.denominator, self.last)
        return np.where(index == ZERO, 0.0, edges[np.maximum(index, -self.last) + self.last])

    def lower(self, buckets: ArrayLike) -> Floats:
        """gamma^(i-1); 0 for bucket -`last`, -inf for `ZERO`: float64[n]."""
        index = _within(buckets, self.last, (ZERO,))
        edges = _powers(self.numerator, self.denominator, self.last)
        inner = np.where(index > -self.last, edges[np.maximum(index - 1, -self.last) + self.last], 0.0)
        return np.where(index == ZERO, -np.inf, inner)

    def value(self, buckets: ArrayLike) -> Floats:
        """2 gamma^i / (gamma + 1), within 1% of everything in the bucket; 0 for `ZERO`: float64[n]."""
        index = _within(buckets, self.last, (ZERO,))
        gamma = self.numerator / self.denominator
        middle = 2 * gamma ** index.astype(np.float64) / (gamma + 1)
        return np.where(index == ZERO, 0.0, middle)

    def bucket_at_most(self, value: float) -> int:
        """See `Scale.bucket_at_most`; raises `DetectorError` for a negative value.

        >>> LOG.bucket_at_most(100.0), LOG.bucket_at_most(0.0)
        (230, -32768)
        """
        x = float(finite("value", value))
        if x < 0:
            raise DetectorError(f"value = {x}: every bucket's upper edge is above it")
        at = int(np.searchsorted(_powers(self.numerator, self.denominator, self.last), x, side="right")) - 1
        return ZERO if at < 0 else at - self.last

    def bucket_at_least(self, value: float) -> int:
        """See `Scale.bucket_at_least`.

        >>> LOG.bucket_at_least(100.0), LOG.bucket_at_least(0.0)
        (231, -32768)
        """
        return int(self.bucket(np.array([value]))[0])


@dataclass(frozen=True, slots=True)
class LogitScale:
    """Buckets of equal width in log odds for probabilities; see the module.

    >>> LOGIT.bucket([0, 0.5, 0.99, 1]).tolist()
    [-32768, 0, 230, 32767]
    >>> LOGIT.value([-32768, 0, 230, 32767]).round(4).tolist()
    [0.0, 0.4975, 0.9899, 1.0]
    """

    steps_per_unit: int = 50
    last: int = 1_000

    def bucket(self, values: ArrayLike) -> BucketIds:
        """ceil(logit(p) / .02), clipped to +-`last`; 0 in `ZERO`, 1 in `ONE`: int32[n].

        Raises `DetectorError` for NaN and for values outside [0, 1].
        """
        p = probability("values", values)
        inner = np.searchsorted(_logistic(self.steps_per_unit, self.last), p, side="left") - self.last
        index = np.where(p >= 1, ONE, np.minimum(inner, self.last))
        return np.where(p <= 0, ZERO, index).astype(np.int32)

    def upper(self, buckets: ArrayLike) -> Floats:
        """1 / (1 + exp(-.02 i)); bucket `last` ends at the largest float below 1: float64[n]."""
        index = _within(buckets, self.last, (ZERO, ONE))
        edges = _logistic(self.steps_per_unit, self.last)
        inner = edges[np.clip(index, -self.last, self.last) + self.last]
        return np.where(index == ZERO, 0.0, np.where(index == ONE, 1.0, inner))

    def lower(self, buckets: ArrayLike) -> Floats:
        """The upper edge of the bucket before; 0 for bucket -`last`, -inf for `ZERO`: float64[n]."""
        index = _within(buckets, self.last, (ZERO, ONE))
        before = np.where(index == ONE, self.last, np.where(index == -self.last, ZERO, index - 1))
        return np.where(index == ZERO, -np.inf, self.upper(np.where(index == ZERO, ZERO, before)))

    def value(self, buckets: ArrayLike) -> Floats:
        """The middle of the bucket in log odds; 0 for `ZERO`, 1 for `ONE`: float64[n]."""
        index = _within(buckets, self.last, (ZERO, ONE))
        middle = 1 / (1 + np.exp(-(np.clip(index, -self.last, self.last) - 0.5) / self.steps_per_unit))
        return np.where(index == ZERO, 0.0, np.where(index == ONE, 1.0, middle))

    def bucket_at_most(self, value: float) -> int:
        """See `Scale.bucket_at_most`; raises `DetectorError` outside [0, 1].

        >>> LOGIT.bucket_at_most(0.5), LOGIT.bucket_at_most(1.0)
        (0, 32767)
        """
        p = float(probability("value", value))
        if p >= 1:
            return ONE
        at = int(np.searchsorted(_logistic(self.steps_per_unit, self.last), p, side="right")) - 1
        return ZERO if at < 0 else at - self.last

    def bucket_at_least(self, value: float) -> int:
        """See `Scale.bucket_at_least`; raises `DetectorError` outside [0, 1].

        >>> LOGIT.bucket_at_least(0.5), LOGIT.bucket_at_least(1.0)
        (0, 32767)
        """
        return int(self.bucket(np.array([value]))[0])


LOG = LogScale()
LOGIT = LogitScale()


def quantile(buckets: ArrayLike, counts: ArrayLike, q: float, scale: Scale) -> float:
    """The value standing for the bucket of the element of rank ceil(q n), as `percentile_disc` picks it.

    `buckets` int32[b] ascending, `counts` int64[b] >= 0, 0 <= q <= 1. Raises `DetectorError` for an empty
    histogram.

    >>> [round(quantile([0, 231], [9, 1], q, LOG), 2) for q in (0.9, 0.91)]
    [0.99, 100.49]
    """
    index, count = histogram(buckets, counts)
    return float(scale.value(index[rank_position(count, q)]))


def rank_position(count: Ints, q: float) -> int:
    """Position in `count` int64[b] of the element of rank ceil(q n); raises `DetectorError` if there is none.

    >>> rank_position(np.array([9, 1]), 0.9)
    0
    """
    reached = np.cumsum(count)
    n = int(reached[-1]) if reached.size else 0
    if n == 0:
        raise DetectorError("the histogram is empty: it has no quantile")
    rank = max(1, int(np.ceil(float(probability("q", q)) * n)))
    return int(np.searchsorted(reached, rank, side="left"))


def histogram(buckets: ArrayLike, counts: ArrayLike) -> tuple[BucketIds, Ints]:
    """`buckets` int32[b] strictly ascending and `counts` int64[b] >= 0, checked; raises `DetectorError`.

    >>> histogram([3, 4], [1, 0])[1]
    array([1, 0])
    """
    index, count = np.asarray(buckets, dtype=np.int32), np.asarray(counts, dtype=np.int64)
    if index.ndim != 1 or index.shape != count.shape:
        raise DetectorError(f"buckets {index.shape} and counts {count.shape} must be flat and of one length")
    if (np.diff(index.astype(np.int64)) <= 0).any():
        raise DetectorError("buckets must be strictly ascending")
    refuse("counts", count, count < 0, "must not be negative")
    return index, count


def _within(buckets: ArrayLike, last: int, special: tuple[int, ...]) -> NDArray[np.int64]:
    index = np.asarray(buckets, dtype=np.int64)
    known = (np.abs(index) <= last) | np.isin(index, special)
    refuse("buckets", index, ~known, f"no bucket of this scale (-{last} to {last} and {special})")
    return index


@cache
def _powers(numerator: int, denominator: int, last: int) -> Floats:
    """Upper edges of buckets -last..last, correctly rounded; the last one open to the largest float."""
    with localcontext() as exact:
        exact.prec = 40
        gamma = Decimal(numerator) / Decimal(denominator)
        up = [Decimal(1)]
        for _ in range(last):
            up.append(up[-1] * gamma)
        edges = np.array([float(1 / p) for p in reversed(up[1:])] + [float(p) for p in up])
    edges[-1] = np.finfo(np.float64).max
    edges.flags.writeable = False
    return edges


@cache
def _logistic(steps_per_unit: int, last: int) -> Floats:
    """Upper edges of buckets -last..last in probability, correctly rounded; the last one just below 1."""
    with localcontext() as exact:
        exact.prec = 40
        odds = [(Decimal(i) / steps_per_unit).exp() for i in range(-last, last + 1)]
        edges = np.array([float(o / (1 + o)) for o in odds])
    edges[-1] = np.nextafter(1.0, 0.0)
    edges.flags.writeable = False
    return edges
