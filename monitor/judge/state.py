"""The judge's memory between two blocks: values only, so that it can be stored, compared and replayed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from detectors.learning_watch import LearningWatch
from monitor.judge.burning import ObjectiveState
from monitor.judge.evidence import WatchState
from monitor.judge.hours import Hours
from monitor.judge.kill import KillState
from monitor.judge.pending import Pending
from monitor.judge.reference import Key, Learner, Reference, Stage
from monitor.judge.total import TotalState
from monitor.judge.traffic import Week
from monitor.judge.trial import Trial
from monitor.judge.verdicts import Open
from monitor.judge.window import WindowState

IncidentKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class StreamState:
    """What is known of a stream: when it was first and last heard, and how many predictions it made."""

    first_ms: int
    last_ms: int
    requests: int

    def stage(self, learn: int, at_least_ms: int) -> Stage:
        """How far learning has come for the stream as a whole."""
        if self.requests * 10 < learn:
            return Stage.LEARNING
        done = self.requests >= learn and self.last_ms - self.first_ms >= at_least_ms
        return Stage.WATCHED if done else Stage.PROVISIONAL


@dataclass(frozen=True, slots=True)
class Young:
    """A signal that is still learning: its watch, and the sum and number of what awaits the next mean."""

    watch: LearningWatch = field(default_factory=LearningWatch)
    total: float = 0.0
    n: int = 0


@dataclass(frozen=True, slots=True)
class JudgeState:
    """Everything that the core remembers. `next_pane` is the first evidence pane not judged yet.

    `incidents` that are `pending` wait for their `for`; nobody knows of them yet.

    `trials` are by signal code. `hour` is what is learned of the hour in progress, `hours` of those before, and of
    references by the hour of the week.
    """

    next_pane: int | None = None
    next_slot: int | None = None
    next_kill_slot: int | None = None
    next_reference: int = 1
    streams: Mapping[int, StreamState] = field(default_factory=dict)
    learners: Mapping[Key, Learner] = field(default_factory=dict)
    references: Mapping[Key, Reference] = field(default_factory=dict)
    hour: Mapping[Key, Hours] = field(default_factory=dict)
    hours: Mapping[Key, Hours] = field(default_factory=dict)
    young: Mapping[Key, Young] = field(default_factory=dict)
    watches: Mapping[str, WatchState] = field(default_factory=dict)
    trials: Mapping[int, Trial] = field(default_factory=dict)
    kills: Mapping[str, KillState] = field(default_factory=dict)
    windows: Mapping[str, WindowState] = field(default_factory=dict)
    totals: Mapping[str, TotalState] = field(default_factory=dict)
    objectives: Mapping[str, ObjectiveState] = field(default_factory=dict)
    weeks: Mapping[int, Week] = field(default_factory=dict)
    incidents: Mapping[IncidentKey, Open] = field(default_factory=dict)
    quarantined: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[IncidentKey, Pending] = field(default_factory=dict)
