"""How long references may learn so that a log of some length comes to a verdict."""

from dataclasses import dataclass
from typing import Final

from monitor.cli.rounding import duration, duration_down, round_down

LEARN: Final = 10_000
LEAST_LEARNED: Final = 100
DAY_MS: Final = 86_400_000
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


def reached_by(records: int, lasted_ms: float) -> Learning:
    """What a stream of so many records in that time reaches after a third of it, at most what is recommended."""
    learn = int(min(LEARN, max(LEAST_LEARNED, round_down(max(records / PART, 1)))))
    enough = lasted_ms >= PART * DAY_MS
    return Learning(learn, DAY_MS if enough else duration_down(lasted_ms / PART))
