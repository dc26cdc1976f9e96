"""What it takes to turn decisions into incidents and messages, and what is said of it."""

from dataclasses import dataclass

from monitor.config.model import Config
from monitor.judge.history import History
from monitor.judge.plan import Plan
from monitor.judge.standing import Incidents


@dataclass(frozen=True, slots=True)
class Scene:
    """What is needed besides the decision: `now_ms` is the newest ingest clock.

    `caught_up` says that what is judged is of now, not of the past.
    """

    incidents: Incidents
    config: Config
    plan: Plan
    history: History
    now_ms: int
    caught_up: bool = True


@dataclass(frozen=True, slots=True)
class Happened:
    """One line for the log: what happened to which rule and stream."""

    event: str
    rule: str
    stream: str
    summary: str
    incident_id: str | None = None
