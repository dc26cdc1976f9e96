"""How often an event was in a reference, as an upper bound: over all records, and as the mean over its panes.

The two differ where volume and rate go together: nights of 5 requests at 5% and days of 500 at 1% have a pooled
rate of 1.04% and a mean pane rate of 3%. A bet on panes needs the conditional rate of each block to be at most m,
so m comes from the larger. Under independent records the mean of B pane rates varies as p (1 - p) / B^2 sum 1/n,
which is that of B^2 / sum 1/n records; correlated ones count as N / phi, as everywhere.

The larger of two bounds at alpha is a bound at alpha of the larger rate: it fails only where the bound of that
one does.
"""

from dataclasses import dataclass

import numpy as np

from detectors.bounds import clopper_pearson_upper
from detectors.checks import Bools, Floats, Ints, finite, refuse
from detectors.errors import DetectorError


def _nothing() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, slots=True)
class PaneRates:
    """Sums over the panes with data: `rates` float64[b] of count/n in each bucket, `panes` how many, `inverse` of 1/n.

    Without panes `rates` is empty: nothing is known of them.
    """

    rates: Floats
    panes: float = 0.0
    inverse: float = 0.0

    @property
    def size(self) -> float:
        """B^2 / sum 1/n: how many independent records would pin the mean rate down as well; 0 without panes."""
        return self.panes**2 / self.inverse if self.panes else 0.0

    def among(self, part: Bools | Ints) -> "PaneRates":
        """The rates of some buckets among those only; a pane weighs by the part of its records that they hold."""
        if not self.panes:
            return self
        rates = self.rates[part]
        held = float(rates.sum())
        return PaneRates(rates, held, self.inverse * held / self.panes)


NO_PANES = PaneRates(_nothing())


def of_pane(counts: Ints) -> PaneRates:
    """The pane rates of one pane with data, `counts` int64[b]; raises `DetectorError` for an empty one.

    >>> of_pane(np.array([3, 1])).rates
    array([0.75, 0.25])
    """
    n = int(counts.sum())
    if n <= 0:
        raise DetectorError("a pane without records has no rates")
    rates: Floats = counts / n
    return PaneRates(rates, 1.0, 1 / n)


def of_panes(panes: Ints, buckets: Ints, counts: Ints) -> PaneRates:
    """The pane rates of a whole history by its distinct buckets, ascending; int64[n] each, `panes` tells panes apart.

    Raises `DetectorError` for a pane without records.

    >>> of_panes(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([3, 1, 5])).rates
    array([1.75, 0.25])
    """
    _, pane = np.unique(panes, return_inverse=True)
    n = np.bincount(pane, counts)
    refuse("n", n, n <= 0, "a pane without records has no rates")
    _, bucket = np.unique(buckets, return_inverse=True)
    rates: Floats = np.bincount(bucket, counts / n[pane]).astype(np.float64)
    return PaneRates(rates, float(n.size), float((1 / n).sum()))


@dataclass(frozen=True, slots=True)
class BaseRates:
    """A reference histogram whose intervals are rare events.

    `buckets` int64[b] ascending, `counts` int64[b], not all 0; `size` the effective number of its records,
    `panes` its pane rates by the same buckets, if it has any.
    """

    buckets: Ints
    counts: Ints
    size: float
    panes: PaneRates = NO_PANES

    def __post_init__(self) -> None:
        if self.n <= 0:
            raise DetectorError("the reference is empty: it has no rates")
        rates = finite("rates", self.panes.rates)
        refuse("rates", rates, rates < 0, "must not be negative")
        if self.panes.panes and rates.shape != self.counts.shape:
            raise DetectorError(
                f"pane rates {rates.shape} and counts {self.counts.shape} must be of one length"
            )

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @property
    def phi(self) -> float:
        """How many records count as one."""
        return max(self.n / self.size, 1.0)

    def pooled(self, low: int, high: int, negate: bool = False) -> float:
        """The share of all records with a bucket in [low, high], or of all others."""
        return _share(self.counts, self._inside(low, high), negate)

    def highest(self, low: int, high: int, negate: bool = False) -> float:
        """The larger of the pooled rate and the mean of pane rates."""
        return max(self.pooled(low, high, negate), self._mean(low, high, negate))

    def upper(self, low: int, high: int, alpha: float, negate: bool = False) -> float:
        """Upper bound at `alpha` of `highest`: the larger of the Clopper-Pearson bounds of both rates."""
        found = _upper(self.pooled(low, high, negate), self.size, alpha)
        if self.panes.panes:
            found = max(found, _upper(self._mean(low, high, negate), self.panes.size / self.phi, alpha))
        return found

    def _mean(self, low: int, high: int, negate: bool) -> float:
        return _share(self.panes.rates, self._inside(low, high), negate) if self.panes.panes else 0.0

    def _inside(self, low: int, high: int) -> slice:
        start = np.searchsorted(self.buckets, low, side="left")
        return slice(int(start), int(np.searchsorted(self.buckets, high, side="right")))


def _share(weights: Ints | Floats, inside: slice, negate: bool) -> float:
    """What lies inside, of the sum of all: exactly 0 and 1 where nothing or all does."""
    part, total = float(weights[inside].sum()), float(weights.sum())
    if negate:
        part = float(weights[: inside.start].sum() + weights[inside.stop :].sum())
    return min(part / total, 1.0)


def _upper(rate: float, size: float, alpha: float) -> float:
    return float(clopper_pearson_upper(rate * size, size, alpha))
