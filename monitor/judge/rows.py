"""The rare events that one watch follows, a row each, and the evidence against them so far."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import cusum, esr, recovery
from detectors.bets import COMPONENTS
from monitor.records.delta import F64, I64

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Event:
    """A rare event of one stream whose rate must not exceed `m`: bucket in [low, high] (xor `negate`).

    Only buckets from `universe_low` up are counted. `p_ref` is its rate in the reference (NaN without one),
    `min_events` how many are needed to open an incident.
    """

    stream: int
    tier: int
    quantity: str
    low: int
    high: int
    negate: bool
    universe_low: int
    m: float
    p_ref: float
    share: float
    rho: float = 0.0
    phi: float = 1.0
    min_events: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """Arrays of one length r, a row for each `Event`, in the order they were added.

    `block` int64[r] is the block length in panes, `guaranteed` whether the promise covers it. `k`, `n` float64[r] count
    the block in progress. `log_m` float64[r, COMPONENTS]; `log_r` float64[r, recovery.COMPONENTS] is recovery's, of
    rows that are `alarmed`; `muted` rows inject nothing.
    """

    stream: I64
    tier: I64
    quantity: NDArray[np.str_]
    low: I64
    high: I64
    negate: Flags
    universe_low: I64
    m: F64
    p_ref: F64
    share: F64
    rho: F64
    phi: F64
    min_events: I64
    block: I64
    guaranteed: Flags
    k: F64
    n: F64
    log_m: F64
    log_r: F64
    alarmed: Flags
    muted: Flags
    onset: cusum.Onset

    def __len__(self) -> int:
        return len(self.stream)


def made(events: Sequence[Event], block_panes: int, guaranteed: bool) -> Rows:
    """Rows without any evidence yet."""
    r = len(events)
    return Rows(
        stream=np.array([e.stream for e in events], np.int64),
        tier=np.array([e.tier for e in events], np.int64),
        quantity=np.array([e.quantity for e in events], np.str_),
        low=np.array([e.low for e in events], np.int64),
        high=np.array([e.high for e in events], np.int64),
        negate=np.array([e.negate for e in events], np.bool_),
        universe_low=np.array([e.universe_low for e in events], np.int64),
        m=np.array([e.m for e in events], np.float64),
        p_ref=np.array([e.p_ref for e in events], np.float64),
        share=np.array([e.share for e in events], np.float64),
        rho=np.array([e.rho for e in events], np.float64),
        phi=np.array([e.phi for e in events], np.float64),
        min_events=np.array([e.min_events for e in events], np.int64),
        block=np.full(r, block_panes, np.int64),
        guaranteed=np.full(r, guaranteed, np.bool_),
        k=np.zeros(r),
        n=np.zeros(r),
        log_m=esr.start(r, COMPONENTS),
        log_r=recovery.start(r),
        alarmed=np.zeros(r, np.bool_),
        muted=np.zeros(r, np.bool_),
        onset=cusum.start(r),
    )


NOTHING = made((), 1, True)


def joined(first: Rows, second: Rows) -> Rows:
    """The rows of both."""
    return _combined(lambda a, b: np.concatenate((a, b)), first, second)


def kept(rows: Rows, mask: Flags) -> Rows:
    """The rows where `mask` bool[r] is true."""
    return _combined(lambda a, _: a[mask], rows, rows)


def _combined(combine: Any, first: Rows, second: Rows) -> Rows:
    columns = {f.name: combine(getattr(first, f.name), getattr(second, f.name)) for f in _COLUMNS}
    onset = {f.name: combine(getattr(first.onset, f.name), getattr(second.onset, f.name)) for f in _ONSET}
    return Rows(**columns, onset=cusum.Onset(**onset))


_COLUMNS = tuple(f for f in fields(Rows) if f.name != "onset")
_ONSET = fields(cusum.Onset)


def carried(fresh: Rows, before: Rows) -> Rows:
    """Fresh rows of one stream with the evidence that `before` has on equal events and limits."""
    at = {key: i for i, key in enumerate(_event_keys(before))}
    return _with_evidence(
        fresh, before, [(i, at[key]) for i, key in enumerate(_event_keys(fresh)) if key in at]
    )


def _with_evidence(fresh: Rows, before: Rows, pairs: Sequence[tuple[int, int]]) -> Rows:
    """`fresh` with the evidence of `before`, for (row of fresh, row of before)."""
    if not pairs:
        return fresh
    new, old = np.array(pairs, np.int64).T
    columns = {name: _copied(getattr(fresh, name), getattr(before, name), new, old) for name in EVIDENCE}
    onset = [_copied(getattr(fresh.onset, f.name), getattr(before.onset, f.name), new, old) for f in _ONSET]
    return replace(fresh, **columns, onset=cusum.Onset(*onset))


def moved(fresh: Rows, before: Rows) -> Rows:
    """Fresh rows of one stream, for another hour of one reference, with the evidence of the same quantity before.

    Rows that alarmed stay as they were where the hour has no such quantity: an incident waits for their recovery.
    """
    now, then = _quantity_keys(fresh), _quantity_keys(before)
    at = {key: i for i, key in enumerate(then)}
    mine = set(now)
    left = np.array([key not in mine for key in then], np.bool_) & before.alarmed
    return joined(
        _with_evidence(fresh, before, [(i, at[key]) for i, key in enumerate(now) if key in at]),
        kept(before, left),
    )


def _quantity_keys(rows: Rows) -> list[tuple[Any, ...]]:
    columns = (rows.tier, rows.quantity, rows.negate)
    return list(zip(*(c.tolist() for c in columns), strict=True))


EVIDENCE = ("k", "n", "log_m", "log_r", "alarmed", "muted")


def _event_keys(rows: Rows) -> list[tuple[Any, ...]]:
    columns = (rows.tier, rows.quantity, rows.low, rows.high, rows.negate, rows.universe_low, rows.m)
    return list(zip(*(c.tolist() for c in columns), strict=True))


def _copied(fresh: NDArray[Any], before: NDArray[Any], new: I64, old: I64) -> NDArray[Any]:
    after = fresh.copy()
    after[new] = before[old]
    return after


def muted(rows: Rows, mask: Flags) -> Rows:
    """Rows of `mask` bool[r] stop collecting evidence: their M is 0."""
    return replace(rows, muted=rows.muted | mask, log_m=np.where(mask[:, None], -np.inf, rows.log_m))


def alarmed(rows: Rows, mask: Flags) -> Rows:
    """Rows of `mask` bool[r] have alarmed: from here on they wait for recovery, to which nothing before counts."""
    fresh = mask & ~rows.alarmed
    return replace(
        rows,
        alarmed=rows.alarmed | mask,
        log_r=np.where(fresh[:, None], -np.inf, rows.log_r),
        k=np.where(fresh, 0.0, rows.k),
        n=np.where(fresh, 0.0, rows.n),
    )


def restarted(rows: Rows, mask: Flags) -> Rows:
    """Rows of `mask` bool[r] begin afresh: no evidence, no alarm, an onset not before now."""
    keep = ~mask
    onset = replace(
        rows.onset,
        c=np.where(keep, rows.onset.c, 0.0),
        k_since=np.where(keep, rows.onset.k_since, 0.0),
        n_since=np.where(keep, rows.onset.n_since, 0.0),
        blocks_with_events=np.where(keep, rows.onset.blocks_with_events, 0),
    )
    return replace(
        rows,
        log_m=np.where(keep[:, None], rows.log_m, -np.inf),
        log_r=np.where(keep[:, None], rows.log_r, -np.inf),
        alarmed=rows.alarmed & keep,
        muted=rows.muted & keep,
        onset=onset,
    )
