"""False alarms against what was promised, and how sure the count is."""

from dataclasses import dataclass
from typing import Final, Literal

from scipy.stats import gamma

TAIL: Final = 0.001

Verdict = Literal["within", "unclear", "broken"]


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """`alarms` in `blocks` units of injected weight (panes, mostly) at threshold `a`; the budget allows blocks / a."""

    alarms: int
    blocks: float
    a: float

    @property
    def ratio(self) -> float:
        return self.alarms * self.a / self.blocks

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 99.8% interval of the ratio for Poisson counts."""
        low = gamma.ppf(TAIL, self.alarms) if self.alarms else 0.0
        high = gamma.ppf(1 - TAIL, self.alarms + 1)
        return float(low) * self.a / self.blocks, float(high) * self.a / self.blocks

    @property
    def verdict(self) -> Verdict:
        """Within the budget if no more alarms came than promised; broken if chance does not explain the excess."""
        if self.ratio <= 1:
            return "within"
        return "broken" if self.interval[0] > 1 else "unclear"

    def __add__(self, other: "FalseAlarms") -> "FalseAlarms":
        return FalseAlarms(self.alarms + other.alarms, self.blocks + other.blocks, self.a)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.ratio:.2f} ({low:.2f} to {high:.2f}) of the budget, {self.alarms} alarms"
