"""How long to wait before the next attempt, and when to stop trying."""

from dataclasses import dataclass
from typing import Final

from tenacity import RetryCallState, Retrying, wait_exponential, wait_random_exponential


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with half of it random: after n attempts half to all of min(first_s 2^(n-1), most_s).

    A receiver's Retry-After is honoured up to `longest_wish_s`. A message without `not_after` is given up
    `give_up_s` after it was decided. A receiver is announced as failing after `warn_after` attempts in vain,
    or after `warn_after_s`.
    """

    first_s: float
    most_s: float
    longest_wish_s: float
    give_up_s: float
    warn_after: int
    warn_after_s: float

    def delay_s(self, attempts: int, retry_after_s: float | None = None) -> float:
        """The seconds to wait after `attempts` in vain."""
        half = {"multiplier": self.first_s / 2, "max": self.most_s / 2}
        made = RetryCallState(Retrying(), None, (), {})
        made.attempt_number = attempts
        own = (wait_exponential(**half) + wait_random_exponential(**half))(made)
        return max(own, min(retry_after_s or 0.0, self.longest_wish_s))

    def gives_up(self, age_ms: int) -> bool:
        """Whether a message decided `age_ms` ago is not tried again."""
        return age_ms >= self.give_up_s * 1000

    def warns(self, attempts: int, age_ms: int) -> bool:
        """Whether a receiver that has refused `attempts` over `age_ms` is worth an alert."""
        return attempts >= self.warn_after or age_ms >= self.warn_after_s * 1000


INCIDENTS: Final = Backoff(
    first_s=1, most_s=300, longest_wish_s=3600, give_up_s=86_400, warn_after=10, warn_after_s=300
)

# Every second that a kill is late counts: a receiver's wish for hours is not honoured, a first failure is told at once.
KILLS: Final = Backoff(
    first_s=0.5, most_s=15, longest_wish_s=30, give_up_s=86_400, warn_after=1, warn_after_s=10
)
