"""What happens in the demo and when: hours of event time in about a minute, then the present."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from monitor.local.traffic import Batch, Drift, Phase, traffic

Versions = tuple[tuple[str, float], ...]

SPEED: Final = 300
PER_SECOND: Final = 2.0
PARTITIONS: Final = 4
MINUTE_MS: Final = 60_000

# Minutes of event time. The first act is long enough to learn a reference and then to watch nothing happen.
ACTS: Final[tuple[tuple[Drift | None, int], ...]] = (
    (None, 185),
    (Drift.LENGTH, 13),
    (None, 17),
    (Drift.LANGUAGE, 13),
    (None, 17),
    (Drift.CONFIDENCE, 13),
    (None, 17),
    (Drift.SLOW, 28),
    (None, 20),
)
RETRIES: Final = 4.0
OLD: Final[Versions] = (("v41", 1.0),)
BOTH: Final[Versions] = (("v41", 0.5), ("v42", 0.5))


@dataclass(frozen=True, slots=True)
class Scenario:
    """Phases without gaps, played from `starts_ms` of the clock on at `SPEED`; they end when they meet the clock."""

    starts_ms: int
    phases: tuple[Phase, ...]

    @property
    def caught_up_ms(self) -> int:
        """When event time has become the clock's."""
        return self.phases[-1].end_ms

    def event_ms(self, clock_ms: int) -> int:
        """The event time that has come when the clock shows `clock_ms`; never ahead of the clock."""
        return min(self.phases[0].start_ms + SPEED * (clock_ms - self.starts_ms), clock_ms)

    def phase_at(self, event_ms: int) -> Phase:
        """The phase of an event time; the first before all, the last after all."""
        return next((p for p in self.phases if event_ms < p.end_ms), self.phases[-1])

    def injections(self) -> Iterator[Phase]:
        """The phases in which something goes wrong, in order."""
        return (phase for phase in self.phases if phase.drift is not None)

    def traffic(self) -> Iterator[Batch]:
        """All records of all phases, the same for the same start."""
        return traffic(self.phases, per_second=PER_SECOND)

    def present(self, start_ms: int, end_ms: int, *, failing: bool) -> Iterator[Batch]:
        """Records of a moment after the phases: healthy, or a total failure with the retries that it brings."""
        drift, load = (Drift.ERRORS, RETRIES) if failing else (None, 1.0)
        phase = Phase(start_ms, end_ms, drift, self.phases[-1].versions, load)
        return traffic([phase], per_second=PER_SECOND, seed=start_ms)


def scenario(starts_ms: int) -> Scenario:
    """The demo's history from `starts_ms` of the clock on: quiet, then four drifts with recoveries."""
    played_ms = MINUTE_MS * sum(minutes for _, minutes in ACTS)
    caught_up_ms = starts_ms + played_ms // SPEED
    phases: list[Phase] = []
    at, versions = caught_up_ms - played_ms, OLD
    for drift, minutes in ACTS:
        versions = BOTH if drift is Drift.LANGUAGE else versions
        phases.append(Phase(at, at + minutes * MINUTE_MS, drift, versions))
        at += minutes * MINUTE_MS
    return Scenario(starts_ms, tuple(phases))
