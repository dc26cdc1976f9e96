"""How long references may learn so that a log of some length comes to a verdict."""

from dataclasses import dataclass
from typing import Final

from monitor.cli.rounding import duration, duration_down, round_down

LEARN: Final = 10_000
LEAST_LEARNED: Final = 100
DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
PART: Final = 3
"""Of a log a third teaches, so that most of it is watched."""


@dataclass(frozen=True, slots=True)
class Learning:
    """`reference` of alerts.yaml: records, and event time in ms."""

    learn: int
    at_least_ms: int

    @property
    def usual(self) -> bool:
        """Whether it is what is recommended."""
        return self.learn == LEARN and self.at_least_ms == DAY_MS

    def __str__(self) -> str:
        return f"{{learn: {self.learn}, at_least: {duration(self.at_least_ms)}}}"


def reached_live(records: int, lasted_ms: float) -> Learning:
    """What a stream of that pace should learn that goes on: nights are seen, and it takes a week at most."""
    in_a_week = records * WEEK_MS / lasted_ms if lasted_ms > 0 else LEARN
    return Learning(_within(in_a_week), DAY_MS)


def reached_by(records: int, lasted_ms: float) -> Learning:
    """What a stream of so many records in that time reaches after a third of it, at most what is recommended."""
    enough = lasted_ms >= PART * DAY_MS
    return Learning(_within(records / PART), DAY_MS if enough else duration_down(lasted_ms / PART))


def _within(records: float) -> int:
    return int(min(LEARN, max(LEAST_LEARNED, round_down(max(records, 1)))))
