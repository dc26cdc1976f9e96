"""Objectives as values: a share of good records over a time, and how fast its error budget may burn."""

from dataclasses import dataclass
from typing import Final

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Objective:
    """At least `target` of the records over `over_ms` are good: at most `below` (in the signal's unit), or no event."""

    target: float
    below: float | None
    over_ms: int
    text: str

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return 1 - self.target


@dataclass(frozen=True, slots=True)
class BurnRate:
    """Alarm where in both windows more than `factor` times the error budget's share is bad."""

    pages: bool
    long_ms: int
    short_ms: int
    factor: float

    @property
    def windows(self) -> str:
        """`1h/5m`."""
        return f"{_short(self.long_ms)}/{_short(self.short_ms)}"


_TABLE: Final = (
    (True, HOUR_MS, 5 * MINUTE_MS, 0.02),
    (True, 6 * HOUR_MS, 30 * MINUTE_MS, 0.05),
    (False, 24 * HOUR_MS, 2 * HOUR_MS, 0.10),
    (False, 72 * HOUR_MS, 6 * HOUR_MS, 0.10),
)
"""Whether it pages, the long window, the short one, and the part of the whole budget that the long one may use up."""


def burn_rates(over_ms: int) -> tuple[BurnRate, ...]:
    """The windows for an objective over `over_ms`, the fastest first.

    A factor is (part of the budget) x `over_ms` / (long window): 14.4, 6, 3 and 1 over 30 days. It is at least 1,
    since what keeps its objective burns at 1 or less.
    Source: The Site Reliability Workbook, chapter 5.
    """
    return tuple(
        BurnRate(pages, long_ms, short_ms, max(part * over_ms / long_ms, 1.0))
        for pages, long_ms, short_ms, part in _TABLE
    )


def _short(ms: int) -> str:
    for size, unit in ((24 * HOUR_MS, "d"), (HOUR_MS, "h")):
        if ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms // MINUTE_MS}m"
