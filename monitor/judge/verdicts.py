"""What the core decides: values that the edges turn into rows and messages."""

from dataclasses import dataclass
from typing import Final, Literal

from monitor.config.rule import Severity
from monitor.judge.evidence import Alarm
from monitor.judge.hours import Hours
from monitor.judge.reference import Correlation, Reference

NO_TIER: Final = -1
"""The tier of an incident that rests on no limit: seen while the stream was learning."""

What = Literal["opened", "escalated", "turned", "worsened", "resolved", "expired"]
"""A drift has `turned` where its other side alarms for the first time, as severe as it was."""


@dataclass(frozen=True, slots=True)
class Open:
    """An incident as the core remembers it. `changed_ms` is when it last opened or grew, in event time.

    `quiet_ms` is when its condition last held, for windows and silence.
    """

    severity: Severity
    onset_ms: int
    changed_ms: int
    quiet_ms: int
    tier: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One move of one incident. `alarm` is the evidence behind it where a watch is; `reason` explains an end.

    `slice_id` is the slice of the stream that it is about, 0 for the whole.
    """

    what: What
    rule: str
    signal: str | None
    stream: int
    severity: Severity
    onset_ms: int
    detected_ms: int
    watch: str
    alarm: Alarm | None = None
    reference: Reference | None = None
    reason: str = ""
    slice_id: int = 0


@dataclass(frozen=True, slots=True)
class Learned:
    """A reference has been settled for a stream's signal, with its hours of the week if it has any."""

    stream: int
    signal: int
    reference: Reference
    hours: Hours | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A reference that had none has found the block beyond which nothing reaches."""

    stream: int
    signal: int
    reference_id: int
    correlation: Correlation


@dataclass(frozen=True, slots=True)
class Trip:
    """A kill condition holds: the switch is to be tripped unless it is already."""

    switch: str
    rule: str
    signal: str
    stream: int
    watch: str
    onset_ms: int
    detected_ms: int
    evidence_until_ms: int
    k: float
    n: float
    m: float
    reference: Reference | None = None
    value: str = ""


@dataclass(frozen=True, slots=True)
class Mended:
    """What a probe let through is certainly good again, by every rule that can pull the switch: release it."""

    switch: str
    value: str
    rules: tuple[str, ...]
    evidence_until_ms: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A (rule, stream) raised: its state stays as it was, the others go on."""

    watch: str
    detail: str


Decision = Verdict | Learned | Chosen | Trip | Mended | Quarantined
