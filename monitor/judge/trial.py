"""How a signal's records hang together while its reference is provisional: from this its blocks are chosen.

Correlation is a matter of the signal, not of a rule: it is measured on a few events of the provisional reference, so
that a rule that is added or changed later finds it there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from detectors import blocks, events
from detectors.buckets import rank_position
from detectors.events import HIGHEST, LOWEST, EventTable
from monitor.judge.block import Counts
from monitor.judge.reference import Correlation, Reference
from monitor.judge.rows import Flags
from monitor.records.delta import I64
from monitor.records.signals import Kind, Signal

RANKS: Final = (0.5, 0.9, 0.99)
COMMONEST: Final = 3
RECORDS: Final = 2
"""Where the sums of a tally hold the number of records."""
FALLBACK: Final = blocks.SECONDS.index(60)


@dataclass(frozen=True, slots=True)
class Trial:
    """Some events of one signal, int64[r] each: a record of `stream` in a bucket from `low` to `high`."""

    stream: I64
    low: I64
    high: I64
    tally: blocks.Tally

    def __len__(self) -> int:
        return len(self.stream)


def begun(signal: Signal, provisional: Mapping[int, Reference]) -> Trial:
    """The trial of the streams with these references: an error, the upper half and tails, or common categories."""
    rows = [(s, low, high) for s, r in provisional.items() for low, high in _events(signal, r)]
    stream, low, high = np.array(rows, np.int64).reshape(-1, 3).T
    return Trial(stream, low, high, blocks.start(len(rows)))


def _events(signal: Signal, reference: Reference) -> list[tuple[int, int]]:
    buckets = reference.buckets
    if signal.kind is Kind.RATE:
        return [(1, 1)]
    if signal.kind is Kind.CATEGORY:
        common = np.argsort(-reference.counts, kind="stable")[:COMMONEST]
        return [(b, b) for b in buckets[common].tolist()]
    above = {int(buckets[rank_position(reference.counts, rank)]) for rank in RANKS}
    return [(b + 1, HIGHEST) for b in sorted(above)]


def noted(trial: Trial, counts: Counts | None) -> Trial:
    """The trial after one more pane, empty where `counts` has nothing of a stream."""
    none = np.empty(0, np.int64)
    stream, bucket, count = (counts.stream, counts.bucket, counts.count) if counts else (none, none, none)
    streams, low, high = (x.astype(np.int32) for x in (trial.stream, trial.low, trial.high))
    plain = np.zeros(len(trial), np.bool_)
    table = EventTable(streams, low, high, plain, np.full(len(trial), LOWEST, np.int32))
    k, n = events.count(table, stream, bucket, count)
    return Trial(trial.stream, trial.low, trial.high, blocks.tallied(trial.tally, k, n))


def past(signal: Signal, reference: Reference, panes: I64, counts: Counts) -> Trial:
    """The trial of one stream over stored panes; `panes` int64[n] are the pane numbers of the rows of `counts`."""
    trial = begun(signal, {0: reference})
    at = panes - (int(panes.min()) if len(panes) else 0)
    length = int(at.max()) + 1 if len(at) else 0
    n = np.bincount(at, counts.count, length)
    inside = (counts.bucket >= trial.low[:, None]) & (counts.bucket <= trial.high[:, None])
    k = [np.bincount(at, counts.count * rows, length) for rows in inside]
    tally = blocks.tally_of(np.array(k).reshape(len(trial), length), np.broadcast_to(n, (len(trial), length)))
    return Trial(trial.stream, trial.low, trial.high, tally)


def correlation(trial: Trial, stream: int) -> Correlation:
    """What the trial has come to for one stream."""
    mine = kept(trial, trial.stream == stream).tally
    if not len(mine):
        return Correlation()
    choice = blocks.choose(mine)
    at = blocks.SECONDS.index(choice.seconds) if choice.guaranteed else FALLBACK
    count, _, n = (mine.sums[:, at, i] for i in range(3))
    phi = float(blocks.design_effects(mine)[:, at].max())
    mean = float((n / np.maximum(count, 1)).mean())
    rho = min(max((phi - 1) / (mean - 1), 0.0), 1.0) if mean > 1 else 0.0
    return Correlation(choice.seconds if choice.guaranteed else None, phi, rho)


def joined(first: Trial, second: Trial) -> Trial:
    """The events of both."""
    return _combined(first, second, lambda a, b: np.concatenate((a, b)))


def kept(trial: Trial, mask: Flags) -> Trial:
    """The events where `mask` bool[r] is true."""
    return _combined(trial, trial, lambda a, _: a[mask])


def _combined(first: Trial, second: Trial, combine: Any) -> Trial:
    tallies = [combine(getattr(first.tally, name), getattr(second.tally, name)) for name in _TALLY]
    return Trial(
        combine(first.stream, second.stream),
        combine(first.low, second.low),
        combine(first.high, second.high),
        blocks.Tally(*tallies),
    )


_TALLY: Final = tuple(f.name for f in fields(blocks.Tally))
