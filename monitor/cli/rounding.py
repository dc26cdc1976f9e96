"""Numbers as people write them into a configuration: 10%, 800ms, 2s, 15m."""

from math import floor, log10
from typing import Final

_STEPS: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_DURATIONS_MS: Final = tuple(
    n * unit
    for unit, steps in (
        (1_000, (0, 1, 5, 10, 30)),
        (60_000, (1, 2, 5, 10, 15, 30)),
        (3_600_000, (1, 2, 3, 4, 6, 8, 12, 24)),
    )
    for n in steps
)


def round_up(value: float) -> float:
    """The next round number from `value` > 0 on.

    >>> [round_up(x) for x in (0.021, 37, 1400)]
    [0.025, 40.0, 1500.0]
    """
    scale = 10.0 ** floor(log10(value))
    step = next(step for step in _STEPS if step * scale >= value * (1 - 1e-9))
    return float(f"{step * scale:.6g}")


def round_down(value: float) -> float:
    """The last round number up to `value` > 0."""
    scale = 10.0 ** floor(log10(value))
    step = next(step for step in reversed(_STEPS) if step * scale <= value * (1 + 1e-9))
    return float(f"{step * scale:.6g}")


def percent(share: float) -> str:
    """`0.1` is `10%`."""
    return f"{100 * share:g}%"


def milliseconds(ms: float) -> str:
    """A LIMIT of a time: `800ms`, `2s`."""
    return f"{ms / 1_000:g}s" if ms >= 1_000 else f"{ms:g}ms"


def duration_up(ms: float) -> int:
    """The next duration that people would write, at most a day."""
    return next((d for d in _DURATIONS_MS if d >= ms), _DURATIONS_MS[-1])


def duration_down(ms: float) -> int:
    """The last one up to `ms`."""
    return next(d for d in reversed(_DURATIONS_MS) if d <= ms)


def duration(ms: int) -> str:
    """`7200000` is `2h`, `0` is `0s`."""
    for size, unit in ((3_600_000, "h"), (60_000, "m")):
        if ms and ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms // 1_000}s"
