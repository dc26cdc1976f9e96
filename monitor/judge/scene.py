"""What turning decisions into rows needs to know, and what it says of it."""

from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.config.model import Config
from monitor.judge.history import History
from monitor.judge.plan import Plan


@dataclass(frozen=True, slots=True)
class Scene:
    """What effects need besides the decision: `now_ms` is the newest ingest clock.

    `caught_up` says that what is judged is of now, not of the past.
    """

    conn: Connection
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
