"""What the times of a log are: when they begin and end, how far out of order, and of a request's start or its end."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.cli.inspect.study import Study
from monitor.records.delta import I64
from monitor.records.timing import lateness

LATENESS_MS: Final = (3_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000)
LATE: Final = 0.001
_BEHIND_MS: Final = 1_000.0
_LEAST: Final = 30
_ALIKE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Order:
    """How a log is out of order: the share `late` by the usual lateness, and what `lateness_ms` would do.

    None where not even an hour is enough: such a log is not in the order of time at all. `starts`: records lie behind
    by as much as they took, so `ts` is when requests began.
    """

    late: float
    lateness_ms: int | None
    starts: bool


def order(study: Study) -> Order:
    """Measured on the records that have a time, in the order of the log."""
    known = np.flatnonzero(~np.isnan(study.ts_ms))
    if known.size == 0:
        return Order(0.0, LATENESS_MS[0], starts=False)
    event = study.ts_ms[known].astype(np.int64)
    shares = (float(lateness(event, allowed, None).late.mean()) for allowed in LATENESS_MS)
    first = next(shares)
    enough = LATENESS_MS[0] if first <= LATE else None
    for allowed, share in zip(LATENESS_MS[1:], shares, strict=True):
        if enough is None and share <= LATE:
            enough = allowed
    starts = _starts_of_topic(study) if study.taken.of_topic else _starts(study, event, known)
    return Order(first, enough, starts)


def _starts(study: Study, event: I64, rows: I64) -> bool:
    """Whether records that lie behind others do so by their latency."""
    took = study.columns.number("latency_ms")
    if took is None:
        return False
    behind = (np.maximum.accumulate(event) - event).astype(np.float64)
    far = (behind > _BEHIND_MS) & ~np.isnan(took[rows])
    if np.count_nonzero(far) < _LEAST:
        return False
    return bool(np.mean(took[rows][far] >= 0.5 * behind[far]) > _ALIKE)


def _starts_of_topic(study: Study) -> bool:
    """Whether Kafka got records later than they state, by their latency."""
    took = study.columns.number("latency_ms")
    if took is None:
        return False
    kafka = np.array(study.taken.timestamps_ms, np.float64)[study.outcome.rows]
    behind = kafka - study.stated_ms
    known = ~np.isnan(behind) & ~np.isnan(took)
    took, behind = took[known], behind[known]
    if (
        took.size < _LEAST
        or np.median(behind) < 0.5 * np.median(took)
        or took.std() == 0
        or behind.std() == 0
    ):
        return False
    return bool(np.corrcoef(took, behind)[0, 1] > _ALIKE)
