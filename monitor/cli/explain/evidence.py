"""The evidence of an incident, recomputed from stored panes by the core that decided it."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Row, select

from detectors import esr
from monitor.cli import past
from monitor.cli.past import Stretch
from monitor.config.model import Config
from monitor.judge import rows as rw
from monitor.judge.block import PaneBlock
from monitor.judge.compiling import compile_plan
from monitor.judge.evidence import Alarm, WatchState, count_rows
from monitor.judge.parts import part
from monitor.judge.plan import Plan, Watch
from monitor.judge.reference import REQUESTS
from monitor.judge.rows import Rows
from monitor.judge.verdicts import Verdict
from monitor.ledger.counted import reference, stream
from monitor.ledger.facts import Facts
from monitor.ledger.moments import millis, moment
from monitor.records.delta import F64, PANE_MS

AFTER_PANES: Final = 30
FEWEST_BEFORE_PANES: Final = 60
MOST_BEFORE_PANES: Final = 2_000
WHOLE_HISTORY_PANES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the row that alarmed, ended at `end_ms`: `k` events among `n`, log M after it, the onset by then.

    `log_m` is -inf before anything is injected and once the row is muted; `onset_ms` None while nothing is unusual.
    """

    end_ms: int
    k: float
    n: float
    log_m: float
    onset_ms: int | None


@dataclass(frozen=True, slots=True)
class Certified:
    """A tier that alarmed: from `at_ms` on it is certain that the rate is above `m`."""

    at_ms: int
    severity: str
    text: str
    m: float


@dataclass(frozen=True, slots=True)
class Trace:
    """The row that alarmed, block by block, up to a little after the incident was detected.

    An alarm comes where `log_m` reaches `log_a`. `p_ref` is its rate in the reference, NaN without one.
    """

    blocks: tuple[Block, ...]
    certified: tuple[Certified, ...]
    log_a: float
    m: float
    p_ref: float
    block_s: int
    guaranteed: bool
    onset_ms: int
    detected_ms: int


@dataclass(frozen=True, slots=True)
class Recomputed:
    """`trace` where evidence could be recomputed; `reproduced` says whether it comes to the stored incident.

    `doubts` are the reasons known why it may not.
    """

    trace: Trace | None
    reproduced: bool
    doubts: tuple[str, ...]


def keeps_evidence(facts: Facts) -> bool:
    """Whether an incident of this kind rests on evidence at all; silence, windows and traffic do not."""
    return facts.kind in ("rate", "distribution", "category")


@dataclass(frozen=True, slots=True)
class _Seen:
    """The rows of one part after one pane, and what the pane counted for them: float64[r] both."""

    pane: int
    rows: Rows
    k: F64
    n: F64


def recomputed(conn: Connection, settings: Config, row: Row[Any]) -> Recomputed:
    """Judge the incident's signal again up to a little after it, with a tap on the rows of its rule."""
    plan = compile_plan(settings)
    watch = _watch(conn, plan, row)
    kept = past.kept(conn)
    changed = () if row.config_hash == settings.config_hash else ("alerts.yaml has changed since",)
    if row.facts.get("found_by"):
        return Recomputed(None, False, ("river saw it while the stream was learning: no evidence was kept",))
    if watch is None:
        return Recomputed(
            None, False, (f"no rule {row.rule} keeps evidence on {row.signal or 'silence'} now",)
        )
    stretch = _stretch(conn, row, kept)
    if kept is None or stretch is None:
        return Recomputed(None, False, ("its panes are no longer kept",))
    gone = _gone(conn, row, kept)
    tapped, verdicts = _tapped(conn, plan, watch, stretch, row)
    opened = _nearest(verdicts, millis(row.detected_at))
    if opened is None or opened.alarm is None:
        pulled = ("it was opened by its kill, which rests on single seconds, and these are not kept",)
        return Recomputed(None, False, (*(pulled if row.kill_switch else ()), *changed, *gone))
    told = (opened.what, opened.onset_ms, opened.detected_ms)
    reproduced = told == ("opened", millis(row.onset_at), millis(row.detected_at))
    trace = _trace(watch, plan, tapped, opened, opened.alarm, verdicts)
    return Recomputed(trace, reproduced, () if reproduced else (*changed, *gone))


def _watch(conn: Connection, plan: Plan, row: Row[Any]) -> Watch | None:
    """The rule on the incident's signal, in the variant that its stream has."""
    labels = conn.execute(select(stream.c.labels).where(stream.c.key == row.stream)).scalar() or {}
    named = (w for w in plan.watches if (w.rule.name, w.signal.name) == (row.rule, row.signal))
    return next((w for w in named if w.rule.match.accepts(labels)), None)


def _stretch(conn: Connection, row: Row[Any], kept: Stretch | None) -> Stretch | None:
    """From the first pane; of a long history from where the incident's reference was taken up."""
    detected = millis(row.detected_at) // PANE_MS
    if kept is None or detected <= kept.first:
        return None
    grown = max(int(row.facts.get("detected_ms", 0)) // PANE_MS, detected)
    end = min(grown + AFTER_PANES, max(kept.end, detected))
    if end - kept.first <= WHOLE_HISTORY_PANES:
        return Stretch(kept.first, end)
    held: datetime | None = conn.execute(
        select(reference.c.held_from).where(reference.c.reference_id == row.reference_id)
    ).scalar()
    return Stretch(
        max(kept.first, end - WHOLE_HISTORY_PANES if held is None else millis(held) // PANE_MS), end
    )


def _gone(conn: Connection, row: Row[Any], kept: Stretch) -> tuple[str, ...]:
    first: datetime | None = conn.execute(
        select(stream.c.first_seen).where(stream.c.key == row.stream)
    ).scalar()
    if first is None or millis(first) // PANE_MS >= kept.first:
        return ()
    return (f"panes before {moment(kept.first * PANE_MS):%Y-%m-%d %H:%M:%S} UTC are no longer kept",)


def _tapped(
    conn: Connection, plan: Plan, watch: Watch, stretch: Stretch, row: Row[Any]
) -> tuple[Sequence[_Seen], list[Verdict]]:
    """What the rows of the incident's part went through at last, and every alarm of theirs."""
    stream_id = conn.execute(select(stream.c.stream_id).where(stream.c.key == row.stream)).scalar()
    if stream_id is None:
        return [], []
    mine, signals = part(stream_id, row.slice_id), {REQUESTS, watch.signal.code}
    only = replace(plan, kills=(), windows=(), traffic=(), totals=(), objectives=(), absent=())
    before = max(2 * (millis(row.detected_at) - millis(row.onset_at)) // PANE_MS, FEWEST_BEFORE_PANES)
    before = min(before, MOST_BEFORE_PANES)
    tapped: deque[_Seen] = deque(maxlen=before + max(AFTER_PANES, before // 2))
    last = millis(row.detected_at) // PANE_MS + max(AFTER_PANES, before // 2)
    verdicts: list[Verdict] = []
    state = past.held_at(conn, only, stretch.first)
    for after, block, decisions in past.judged(conn, only, stretch, state, signals):
        if block.pane < last:
            tapped.extend(_seen(after.watches.get(watch.key), watch, block, mine))
        moves = (d for d in decisions if isinstance(d, Verdict) and d.watch == watch.key and d.alarm)
        verdicts += [v for v in moves if part(v.stream, v.slice_id) == mine]
    return list(tapped), verdicts


def _seen(state: WatchState | None, watch: Watch, block: PaneBlock, mine: int) -> Iterator[_Seen]:
    if state is None or not (state.rows.stream == mine).any():
        return
    rows = rw.kept(state.rows, state.rows.stream == mine)
    counts = block.counted(watch.signal.code, watch.each)
    none = np.zeros(len(rows))
    k, n = (none, none) if counts is None else count_rows(rows, counts, state.known)
    yield _Seen(block.pane, rows, k, n)


def _nearest(verdicts: Sequence[Verdict], detected_ms: int) -> Verdict | None:
    """The opening at that time; else the alarm nearest to it, where there is any within the tapped time."""
    near = [v for v in verdicts if abs(v.detected_ms - detected_ms) <= MOST_BEFORE_PANES * PANE_MS]
    return min(near, key=lambda v: (abs(v.detected_ms - detected_ms), v.what != "opened"), default=None)


def _trace(
    watch: Watch,
    plan: Plan,
    tapped: Sequence[_Seen],
    opened: Verdict,
    alarm: Alarm,
    verdicts: Sequence[Verdict],
) -> Trace:
    blocks = tuple(_blocks(tapped, alarm))
    until = [s for s in tapped if (s.pane + 1) * PANE_MS <= opened.detected_ms]
    at = [int(s.rows.block[i]) for s in until if (i := _index(s.rows, alarm)) is not None]
    return Trace(
        blocks=blocks,
        certified=tuple(dict.fromkeys(_certified(watch, opened, verdicts))),
        log_a=float(np.log(plan.threshold)),
        m=alarm.m,
        p_ref=alarm.p_ref,
        block_s=(at[-1] if at else 1) * PANE_MS // 1000,
        guaranteed=alarm.guaranteed,
        onset_ms=opened.onset_ms,
        detected_ms=opened.detected_ms,
    )


def _certified(watch: Watch, opened: Verdict, verdicts: Sequence[Verdict]) -> Iterator[Certified]:
    for v in verdicts:
        if v.alarm is not None and v.alarm.tier >= 0 and v.detected_ms >= opened.detected_ms:
            tier = watch.tiers[v.alarm.tier]
            yield Certified(v.detected_ms, str(tier.severity), tier.text, v.alarm.m)


def _index(rows: Rows, alarm: Alarm) -> int | None:
    same = (rows.tier == alarm.tier) & (rows.quantity == alarm.quantity) & (rows.low == alarm.low)
    same &= (rows.high == alarm.high) & (rows.negate == alarm.negate)
    found = np.flatnonzero(same)
    return int(found[0]) if len(found) else None


def _blocks(tapped: Sequence[_Seen], alarm: Alarm) -> Iterator[Block]:
    """The blocks of the row that alarmed; the alarm mutes it, so its own level stands for M there."""
    k, n, muted = 0.0, 0.0, True
    for seen in tapped:
        i = _index(seen.rows, alarm)
        if i is None:
            continue
        k, n, end_ms = k + float(seen.k[i]), n + float(seen.n[i]), (seen.pane + 1) * PANE_MS
        if (seen.pane + 1) % int(seen.rows.block[i]):
            continue
        alarmed = bool(seen.rows.muted[i]) and not muted
        muted = bool(seen.rows.muted[i])
        level = alarm.level if alarmed else float(esr.level(seen.rows.log_m[i : i + 1])[0])
        unusual = float(seen.rows.onset.c[i]) > 0
        yield Block(end_ms, k, n, level, int(seen.rows.onset.onset_ms[i]) if unusual else None)
        k = n = 0.0
