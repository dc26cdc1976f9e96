"""A reference whose halves differ by more than a rule tolerates: there was a change while it was learned."""

from collections.abc import Sequence

import numpy as np

from detectors import bounds
from monitor.judge import making
from monitor.judge import rows as rw
from monitor.judge.block import Counts
from monitor.judge.evidence import count_rows
from monitor.judge.making import Ground
from monitor.judge.plan import Watch
from monitor.judge.reference import Correlation, Learner, Reference, second_half


def newer_half(
    learner: Learner, watches: Sequence[Watch], stream: int, correlation: Correlation, alpha: float
) -> Learner | None:
    """What to learn on with, where the newer half is for certain beyond a tolerance around the older; else None.

    `watches` are the rules on the signal. Certain means a Clopper-Pearson lower bound at `alpha`, on the effective
    number of records.
    """
    half = learner.half
    if half is None or half.requests >= learner.requests:
        return None
    rest = second_half(learner, half)
    older = Reference(
        0,
        False,
        half.requests,
        learner.from_ms,
        half.until_ms,
        half.buckets,
        half.counts,
        correlation,
        panes=half.panes,
    )
    differs = any(_beyond(watch, stream, older, rest, alpha) for watch in watches)
    return rest if differs else None


def _beyond(watch: Watch, stream: int, older: Reference, rest: Learner, alpha: float) -> bool:
    events = [
        event
        for event in making.events_of(watch, stream, Ground(older, alpha))
        if watch.tiers[event.tier].tolerance is not None
    ]
    if not events or not rest.n:
        return False
    rows = rw.made(events, 1, True)
    counts = Counts(np.full(len(rest.buckets), stream, np.int64), rest.buckets, rest.counts)
    known = np.array(making.known_categories(watch, older), np.int64)
    k, n = count_rows(rows, counts, {stream: known})
    phi = older.correlation.phi
    lower = bounds.clopper_pearson_lower(k / phi, n / phi, alpha)
    return bool((lower > rows.m).any())
