"""One watch after one pane: count, bet, alarm, recover. All streams in one pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from detectors import bets, cusum, esr, events, recovery
from monitor.judge import rows as rw
from monitor.judge.block import Counts, PaneBlock
from monitor.judge.parts import stream_of
from monitor.judge.plan import Watch
from monitor.judge.rows import Flags, Rows
from monitor.records.delta import F64, I64, PANE_MS
from monitor.records.signals import Side

ACTIVE_PANES: Final = 360
NEW: Final = "share:new"
LARGEST_STREAM: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class WatchState:
    """What a watch has seen. Of a rule with `each`, every "stream" here is a part of one.

    `seen` is each stream's last pane with data, `resting` the reference its rows rest on, `known` int64[c] the
    categories of that reference: "share:new" rows count everything else; `hour` of the week they were made for.
    """

    identity: str
    rows: Rows = rw.NOTHING
    seen: Mapping[int, int] = field(default_factory=dict)
    resting: Mapping[int, int] = field(default_factory=dict)
    known: Mapping[int, I64] = field(default_factory=dict)
    hour: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A row whose evidence reached the threshold; `k` of `n` since the estimated onset. `stream` may be a part.

    `found_by` names river's detectors where they saw it while the stream was learning, and `side` where it went:
    nothing is certified then. `budget_left` is an objective's.
    """

    stream: int
    tier: int
    quantity: str
    low: int
    high: int
    negate: bool
    m: float
    p_ref: float
    k: float
    n: float
    onset_ms: int
    guaranteed: bool
    level: float
    found_by: tuple[str, ...] = ()
    side: Side | None = None
    budget_left: float | None = None


def step(
    watch: Watch, state: WatchState, block: PaneBlock, threshold: float
) -> tuple[WatchState, list[Alarm]]:
    """The watch's state after one pane, and the rows that alarm; their tiers are muted by `after_alarm`."""
    if not len(state.rows):
        return state, []
    rows = _counted(watch, state, block)
    due = (block.pane + 1) % rows.block == 0
    if due.any():
        log_w = _log_weights(watch, state, rows, block)
        rows = _bet(rows, due, log_w, block)
    alarms = _alarms(watch, rows, due, threshold)
    seen = _seen(state.seen, rows, due, block.pane)
    rows = replace(rows, k=np.where(due, 0.0, rows.k), n=np.where(due, 0.0, rows.n))
    return replace(state, rows=rows, seen=seen), alarms


def _counted(watch: Watch, state: WatchState, block: PaneBlock) -> Rows:
    rows = state.rows
    counts = block.counted(watch.signal.code, watch.each)
    if counts is None or not len(rows):
        return rows
    k, n = count_rows(rows, counts, state.known)
    if block.paused:
        runs = ~np.isin(stream_of(rows.stream), list(block.paused))
        k, n = k * runs, n * runs
    return replace(rows, k=rows.k + k, n=rows.n + n)


def count_rows(
    rows: Rows, counts: Counts, known: Mapping[int, I64], only: I64 | slice = slice(None)
) -> tuple[F64, F64]:
    """Events and records of each row in `counts`, or of the rows `only`: float64[r] both."""
    mine = rows.stream[only]
    low, high, universe_low = (c[only].astype(np.int32) for c in (rows.low, rows.high, rows.universe_low))
    stream, counts = _numbered(mine, counts)
    new = np.flatnonzero(rows.quantity[only] == NEW).tolist() if known else []
    left_out = [(i, known[int(mine[i])]) for i in new]
    row = np.concatenate([np.full(len(b), i) for i, b in left_out]) if left_out else np.empty(0)
    bucket = np.concatenate([b for _, b in left_out]) if left_out else np.empty(0)
    left = (row.astype(np.int32), bucket.astype(np.int32))
    table = events.EventTable(stream.astype(np.int32), low, high, rows.negate[only], universe_low, *left)
    k, n = events.count(table, counts.stream, counts.bucket, counts.count)
    return k.astype(np.float64), n.astype(np.float64)


def _numbered(rows: I64, counts: Counts) -> tuple[I64, Counts]:
    """Streams as they are; parts, which are too large for an `EventTable`, numbered from 0 among those of `rows`."""
    if not len(rows) or rows.max() <= LARGEST_STREAM:
        return rows, counts
    parts, numbers = np.unique(rows, return_inverse=True)
    at = np.minimum(np.searchsorted(parts, counts.stream), len(parts) - 1)
    there = parts[at] == counts.stream
    return numbers, Counts(at[there], counts.bucket[there], counts.count[there])


def _log_weights(watch: Watch, state: WatchState, rows: Rows, block: PaneBlock) -> F64:
    """log w per row: the watch's weight over the active streams of its promise; -inf if muted or not seen before."""
    active = [s for s, pane in state.seen.items() if block.pane - pane <= ACTIVE_PANES]
    if not active:
        return np.full(len(rows), -np.inf)
    sharers = watch.sharing.sharers(rows.stream, active, block.labels)
    live = (sharers > 0) & ~rows.muted
    with np.errstate(divide="ignore"):
        log_w: F64 = np.log(live * watch.weight / np.maximum(sharers, 1) * rows.share * rows.block)
    return log_w


def _bet(rows: Rows, due: Flags, log_w: F64, block: PaneBlock) -> Rows:
    k, n = np.where(due, rows.k, 0.0), np.where(due, rows.n, 0.0)
    log_l = bets.pane_bet_log_components(k, n, rows.m, rows.rho)
    log_m = np.where(due[:, None], esr.update(rows.log_m, log_l, log_w, n), rows.log_m)
    begins = (block.pane + 1 - rows.block) * PANE_MS
    onset = cusum.update(rows.onset, cusum.increment(k, n, rows.m), begins, k, n)
    log_r = rows.log_r
    if rows.alarmed.any():
        held = recovery.update(log_r, k, n, rows.m, rows.p_ref, rows.phi)
        log_r = np.where((due & rows.alarmed)[:, None], held, log_r)
    return replace(rows, log_m=log_m, onset=onset, log_r=log_r)


def _alarms(watch: Watch, rows: Rows, due: Flags, threshold: float) -> list[Alarm]:
    if not due.any():
        return []
    level = esr.level(rows.log_m)
    over = due & ~rows.muted & (level >= np.log(threshold)) & (rows.onset.n_since >= watch.rule.min_n)
    sparse = rows.min_events > 0
    over &= ~sparse | ((rows.onset.k_since >= rows.min_events) & (rows.onset.blocks_with_events >= 2))
    return [_alarm(rows, int(i), float(level[i])) for i in np.flatnonzero(over)]


def _alarm(rows: Rows, i: int, level: float) -> Alarm:
    return Alarm(
        stream=int(rows.stream[i]),
        tier=int(rows.tier[i]),
        quantity=str(rows.quantity[i]),
        low=int(rows.low[i]),
        high=int(rows.high[i]),
        negate=bool(rows.negate[i]),
        m=float(rows.m[i]),
        p_ref=float(rows.p_ref[i]),
        k=float(rows.onset.k_since[i]),
        n=float(rows.onset.n_since[i]),
        onset_ms=int(rows.onset.onset_ms[i]),
        guaranteed=bool(rows.guaranteed[i]),
        level=level,
    )


def _seen(seen: Mapping[int, int], rows: Rows, due: Flags, pane: int) -> Mapping[int, int]:
    streams = set(rows.stream[due & (rows.n > 0)].tolist())
    return {**seen, **dict.fromkeys(streams, pane)} if streams else seen


def after_alarm(watch: Watch, state: WatchState, alarm: Alarm) -> WatchState:
    """Mute the tier that alarmed and all tiers within it; wider tiers and the other side stay live.

    The rows of the same quantity wait for recovery from now on.
    """
    rows = state.rows
    side = watch.tiers[alarm.tier].side
    inner = [i for i, t in enumerate(watch.tiers) if t.side is side and i <= alarm.tier]
    within = (rows.stream == alarm.stream) & np.isin(rows.tier, inner)
    rows = rw.alarmed(rows, within & (rows.quantity == alarm.quantity))
    return replace(state, rows=rw.muted(rows, within))


def is_first_of_side(watch: Watch, state: WatchState, alarm: Alarm) -> bool:
    """Whether no tier of its side has alarmed since the stream began afresh."""
    side = watch.tiers[alarm.tier].side
    alike = [i for i, tier in enumerate(watch.tiers) if tier.side is side]
    rows = state.rows
    return not rows.muted[(rows.stream == alarm.stream) & np.isin(rows.tier, alike)].any()


def recovered(state: WatchState) -> dict[int, bool]:
    """For each stream that waits for recovery, whether all its alarmed rows have recovered."""
    rows = state.rows
    if not rows.alarmed.any():
        return {}
    back = esr.level(rows.log_r) >= recovery.RESOLVED
    streams = np.unique(rows.stream[rows.alarmed]).tolist()
    return {s: bool(back[rows.alarmed & (rows.stream == s)].all()) for s in streams}


def after_resolve(state: WatchState, stream: int) -> WatchState:
    """Everything of the stream begins afresh."""
    return replace(state, rows=rw.restarted(state.rows, state.rows.stream == stream))


def forgotten(state: WatchState, stream: int) -> WatchState:
    """Without a stream that is there no more: its rows, and what they rest on."""
    return replace(
        state,
        rows=rw.kept(state.rows, state.rows.stream != stream),
        seen={s: pane for s, pane in state.seen.items() if s != stream},
        resting={s: reference for s, reference in state.resting.items() if s != stream},
        known={s: categories for s, categories in state.known.items() if s != stream},
    )


def rested(
    state: WatchState, stream: int, fresh: Rows, reference_id: int, known: I64, hour: int
) -> WatchState:
    """Replace a stream's rows by `fresh` ones that rest on a reference with the categories `known`, in that `hour`.

    Of another reference they keep the evidence on equal limits, of the same one in another hour all of it.
    """
    mine = state.rows.stream == stream
    keep = rw.moved if state.resting.get(stream) == reference_id else rw.carried
    fresh = keep(fresh, rw.kept(state.rows, mine))
    rows = rw.joined(rw.kept(state.rows, ~mine), fresh)
    resting = {**state.resting, stream: reference_id}
    known_by = {**state.known, stream: known}
    return replace(state, rows=rows, resting=resting, known=known_by, hour={**state.hour, stream: hour})
