"""What the HTTP pages say, as values: the daemon fills them in, the pages only render."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Status:
    """One moment of the daemon. Counts start at zero with the process; ages are in seconds.

    `alive` names its parts and `ready` what it depends on, each with None where all is well, else with one
    sentence that says why not. What is None or has no entry is not known and gets no sample in `/metrics`.
    """

    alive: Mapping[str, str | None] = field(default_factory=dict)
    ready: Mapping[str, str | None] = field(default_factory=dict)
    records: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By topic and result."""
    lag: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """Records not read yet, by topic and partition."""
    watermark_age_s: float | None = None
    leader: bool = False
    incidents: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By severity and state."""
    deliveries: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By receiver and result."""
    outbox_oldest_s: float | None = None
    """Age of the oldest delivery that waits; 0 where none does."""
    tripped: Mapping[str, bool] = field(default_factory=dict)
    """By kill switch."""
    error_budgets: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """What is left of an objective's error budget, 1 at the start, by rule and stream."""
    config_good: bool | None = None
    """Whether alerts.yaml as it was read last is in effect."""
    fields_dropped: Mapping[str, int] = field(default_factory=dict)
    """By field of the prediction record."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """That came later, by whether they found what they are judged by."""
