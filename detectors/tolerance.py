"""How far from its reference a rate may be: from the reference's upper bound and a tolerance to the limit m.

The defaults are those under which realistic daily swings raised no alarms, measured kind by kind: odds for
rates and categories, because two points are twenty times as often at 0.1% and nothing at 20%; stretch for
quantities, because it scales to the tail by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from detectors.checks import Floats, finite, probability, refuse
from detectors.errors import DetectorError

M_MAX = 0.5
"""An event with a limit above this is left out: its complement is the rare event to watch."""

Form = Literal["odds", "points", "stretch", "times"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """One tolerance: what `amount` means depends on `form`.

    odds: `amount` times the odds of the reference, at least `floor` above it · points: the reference plus
    `amount` · stretch: values up to `amount` times longer or shorter · times: `amount` times as often.
    """

    form: Form
    amount: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        lowest = 0.0 if self.form == "points" else 1.0
        if not (np.isfinite(self.amount) and self.amount > lowest):
            raise DetectorError(
                f"tolerance {self.form} {self.amount}: must be a finite number above {lowest:g}"
            )
        if not 0 <= self.floor < 1:
            raise DetectorError(f"tolerance floor {self.floor}: must be between 0 and 1")


DEFAULTS: Mapping[str, Tolerance] = MappingProxyType(
    {
        "rate": Tolerance("odds", 2.0, 0.002),
        "rate_by_hour": Tolerance("odds", 1.5, 0.002),
        "rate_quiet": Tolerance("odds", 3.0, 0.002),
        "distribution": Tolerance("stretch", 1.5),
        "distribution_by_hour": Tolerance("stretch", 1.25),
        "p99": Tolerance("times", 3.0),
        "p99.9": Tolerance("times", 5.0),
        "confidence": Tolerance("points", 0.10),
        "category": Tolerance("odds", 2.0, 0.01),
        "unknown": Tolerance("odds", 3.0, 0.01),
    }
)
"""The shipped tolerances, by kind of signal."""

WIDER: Mapping[Form, tuple[float, ...]] = MappingProxyType(
    {"odds": (5.0, 20.0), "stretch": (2.0, 4.0), "points": (0.30,), "times": (5.0, 20.0)}
)
"""The wider tiers that stay live after a tier has alarmed."""

PROVISIONAL_FACTOR = 3.0
MOST_PROVISIONAL_POINTS = 0.30


def odds_times(p: ArrayLike, factor: float) -> Floats:
    """The rate with `factor` times the odds of `p`: factor p / (1 + (factor - 1) p): float64 of p's shape.

    Raises `DetectorError` for p outside [0, 1] and a factor that is not finite and above 0.

    >>> odds_times([0.001, 0.2, 1.0], 2.0).round(4)
    array([0.002 , 0.3333, 1.    ])
    """
    rate = probability("p", p)
    if not (np.isfinite(factor) and factor > 0):
        raise DetectorError(f"factor = {factor}: must be a finite number above 0")
    # Rounding may pass 1 by its last digit.
    result: Floats = np.minimum(factor * rate / (1 + (factor - 1) * rate), 1.0)
    return result


def above_odds(p_upper: ArrayLike, factor: float, floor: float) -> Floats:
    """m = max(`factor` times the odds of `p_upper`, p_upper + `floor`), at most 1.

    `p_upper` is the upper bound of the reference's rate (k = 0 has one too). Raises `DetectorError` as
    `odds_times`.

    >>> above_odds([0.0003, 0.01], 2.0, 0.002).round(4)
    array([0.0023, 0.0198])
    """
    rate = probability("p_upper", p_upper)
    return np.minimum(np.maximum(odds_times(rate, factor), rate + _amount("floor", floor)), 1.0)


def above_points(p_upper: ArrayLike, points: float) -> Floats:
    """m = `p_upper` + `points`, at most 1.

    >>> above_points([0.01, 0.95], 0.1).round(2)
    array([0.11, 1.  ])
    """
    return np.minimum(probability("p_upper", p_upper) + _amount("points", points), 1.0)


def above_times(p_upper: ArrayLike, times: float) -> Floats:
    """m = `times` x `p_upper`, at most 1: "p99 exceeded three times as often".

    >>> above_times([0.01], 3.0)
    array([0.03])
    """
    return np.minimum(probability("p_upper", p_upper) * _amount("times", times), 1.0)


def limit(p_upper: ArrayLike, tolerance: Tolerance) -> Floats:
    """m under `tolerance`: float64 of p_upper's shape (for a stretch see `detectors.tube`).

    Raises `DetectorError` for a stretch and for p_upper outside [0, 1].

    >>> limit([0.01], DEFAULTS["rate"]).round(4)
    array([0.0198])
    """
    match tolerance.form:
        case "odds":
            return above_odds(p_upper, tolerance.amount, tolerance.floor)
        case "points":
            return above_points(p_upper, tolerance.amount)
        case "times":
            return above_times(p_upper, tolerance.amount)
        case "stretch":
            raise DetectorError("a stretch has no m of its own: detectors.tube takes it from the reference")


def provisional(tolerance: Tolerance) -> Tolerance:
    """Three times the deviation, while learning: 2x -> 4x, 1.5x -> 2.5x, 10pp -> 30pp (the most).

    >>> provisional(Tolerance("stretch", 1.5)).amount, provisional(Tolerance("points", 0.2)).amount
    (2.5, 0.3)
    """
    floor = min(tolerance.floor * PROVISIONAL_FACTOR, MOST_PROVISIONAL_POINTS)
    if tolerance.form == "points":
        most = max(MOST_PROVISIONAL_POINTS, tolerance.amount)
        return replace(tolerance, amount=min(tolerance.amount * PROVISIONAL_FACTOR, most), floor=floor)
    return replace(tolerance, amount=1 + PROVISIONAL_FACTOR * (tolerance.amount - 1), floor=floor)


def wider(tolerance: Tolerance) -> tuple[Tolerance, ...]:
    """The wider tiers above `tolerance`, in order: odds x5 and x20, stretch 2 and 4; only what is wider.

    >>> [tier.amount for tier in wider(Tolerance("odds", 2.0, 0.002))]
    [5.0, 20.0]
    """
    amounts = WIDER[tolerance.form]
    return tuple(replace(tolerance, amount=amount) for amount in amounts if amount > tolerance.amount)


def _amount(name: str, value: float) -> float:
    amount = finite(name, value)
    refuse(name, amount, amount < 0, "must not be negative")
    return float(amount)
