"""When a stream's rules get their limits: at first sight, when its reference is provisional, and when it is learned."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from detectors import blocks, bounds
from monitor.config.model import LimitKind
from monitor.judge import making
from monitor.judge import rows as rw
from monitor.judge.block import PaneBlock, SlotBlock
from monitor.judge.evidence import ACTIVE_PANES, WatchState, count_rows, rested
from monitor.judge.kill import KillState
from monitor.judge.making import Ground
from monitor.judge.plan import KillWatch, Plan, Watch
from monitor.judge.reference import Key, Learner, Reference, Stage, learn_block, settle, stage
from monitor.judge.rows import Event
from monitor.judge.state import JudgeState, Trial
from monitor.judge.verdicts import Decision, Learned
from monitor.records.signals import Kind, Side

MOST_TRIAL_PANES: Final = 8640
TRIAL_QUANTITIES: Final = 3
ABSOLUTE_ONLY: Final = 0


def log_share(pairs: int) -> float:
    """log of one (rule, stream) pair's share of the kill budget."""
    return -float(np.log(max(pairs, 1)))


def learn(state: JudgeState, block: PaneBlock, plan: Plan) -> tuple[JudgeState, list[Decision]]:
    """Add the pane to all learners, settle those that have come far enough, and give rules their rows."""
    state = _take_up(state, block, plan)
    learners = learn_block(state.learners, block, _wanted(state, block, plan))
    state = replace(state, learners=learners)
    decisions: list[Decision] = []
    for key, learner in learners.items():
        reached = stage(learner, plan.learn, plan.at_least_ms)
        now = state.references.get(key)
        if reached is Stage.WATCHED or (reached is Stage.PROVISIONAL and now is None):
            state = _settled(state, block, plan, key, learner, reached, decisions)
    return state, decisions


def _take_up(state: JudgeState, block: PaneBlock, plan: Plan) -> JudgeState:
    """Watches of streams seen for the first time start on their absolute limits."""
    watches = dict(state.watches)
    for watch in plan.watches:
        now = watches.get(watch.key)
        if now is None or now.identity != watch.identity:
            now = WatchState(watch.identity)
        fresh = [s for s in state.streams if s not in now.resting and _applies(watch, s, block)]
        for stream in fresh:
            now = _rows_made(state, now, watch, stream, block, None)
        watches[watch.key] = now
    return replace(state, watches=watches)


def _applies(watch: Watch | KillWatch, stream: int, block: PaneBlock | SlotBlock) -> bool:
    return watch.rule.match.accepts(block.labels.get(stream, {}))


def _wanted(state: JudgeState, block: PaneBlock, plan: Plan) -> dict[int, set[int]]:
    """Signal codes and the streams that still learn them; a stream with an open incident does not learn."""
    firing = {(stream, key) for key, stream in state.incidents}
    wanted: dict[int, set[int]] = {}
    for watch in plan.watches:
        if _is_referenced(watch, plan):
            wanted.setdefault(watch.signal.code, set()).update(
                s for s in state.streams if _applies(watch, s, block)
            )
    for watch in plan.watches:
        code = watch.signal.code
        wanted[code] = {s for s in wanted.get(code, set()) if (s, watch.key) not in firing}
    return {code: {s for s in streams if _still(state, (s, code))} for code, streams in wanted.items()}


def _is_referenced(watch: Watch, plan: Plan) -> bool:
    """Absolute limits learn too: the reference says what was usual, and what a kill must exceed."""
    return bool(plan.learn) and watch.signal.kind is not Kind.TRAFFIC


def _still(state: JudgeState, key: Key) -> bool:
    reference = state.references.get(key)
    return reference is None or reference.provisional


def _settled(
    state: JudgeState,
    block: PaneBlock,
    plan: Plan,
    key: Key,
    learner: Learner,
    reached: Stage,
    decisions: list[Decision],
) -> JudgeState:
    reference = settle(learner, state.next_reference, reached is Stage.PROVISIONAL)
    decisions.append(Learned(*key, reference))
    learners = {k: v for k, v in state.learners.items() if k != key or reached is Stage.PROVISIONAL}
    state = replace(
        state,
        next_reference=state.next_reference + 1,
        references={**state.references, key: reference},
        learners=learners,
    )
    stream, code = key
    for watch in plan.watches:
        if watch.signal.code == code and _applies(watch, stream, block):
            state = _on_reference(state, watch, stream, block, reference)
    return _kills_again(state, stream, code)


def _on_reference(
    state: JudgeState, watch: Watch, stream: int, block: PaneBlock, reference: Reference
) -> JudgeState:
    """New rows on a new reference; an open incident keeps its rows until it is resolved."""
    if (watch.key, stream) in state.incidents:
        return state
    now = _rows_made(state, state.watches[watch.key], watch, stream, block, reference)
    return replace(state, watches={**state.watches, watch.key: now})


def _rows_made(
    state: JudgeState,
    now: WatchState,
    watch: Watch,
    stream: int,
    block: PaneBlock,
    reference: Reference | None,
) -> WatchState:
    trial = state.trials.get(watch.key, {}).get(stream)
    rate = _requests_per_s(state, stream)
    choice = None
    if reference is not None and not reference.provisional and trial is not None:
        choice = blocks.choose_block(
            trial.k.T, np.broadcast_to(trial.n, trial.k.T.shape), making.fallback_seconds(watch, rate)
        )
    ground = _ground(state, watch, reference, trial, choice, block)
    panes, guaranteed = making.block_panes(watch, rate, choice)
    fresh = rw.made(making.events_of(watch, stream, ground), panes, guaranteed)
    known = np.array(making.known_categories(watch, reference), np.int64)
    return rested(now, stream, fresh, reference.reference_id if reference else ABSOLUTE_ONLY, known)


def _requests_per_s(state: JudgeState, stream: int) -> float:
    heard = state.streams[stream]
    return heard.requests * 1000 / max(heard.last_ms - heard.first_ms, 10_000)


def _ground(
    state: JudgeState,
    watch: Watch,
    reference: Reference | None,
    trial: Trial | None,
    choice: blocks.BlockChoice | None,
    block: PaneBlock,
) -> Ground:
    active = sum(block.end_ms - s.last_ms <= ACTIVE_PANES * 10_000 for s in state.streams.values())
    alpha = making.ALL_BOUNDS_ALPHA * watch.weight / max(active, 1)
    if trial is None or choice is None or not len(trial.n):
        return Ground(reference, alpha)
    size = choice.seconds // blocks.PANE_SECONDS
    whole = len(trial.n) // size * size
    k = trial.k[:whole].reshape(-1, size, trial.k.shape[1]).sum(axis=1)
    n = trial.n[:whole].reshape(-1, size).sum(axis=1)
    if not n.any():
        return Ground(reference, alpha)
    phi = float(np.max(bounds.design_effect(k.T, np.broadcast_to(n, k.T.shape))))
    mean = float(n[n > 0].mean())
    rho = min(max((phi - 1) / (mean - 1), 0.0), 1.0) if mean > 1 else 0.0
    return Ground(reference, alpha, phi, rho)


def on_trial(state: JudgeState, block: PaneBlock, plan: Plan) -> JudgeState:
    """Note the pane's rates of streams on a provisional reference: from them the block length is chosen."""
    trials = dict(state.trials)
    for watch in plan.watches:
        now = state.watches[watch.key]
        streams = [s for s in now.resting if _provisional(state, s, watch)]
        before = trials.get(watch.key, {})
        if streams or before:
            trials[watch.key] = {s: _noted(before.get(s), watch, now, s, block) for s in streams}
    return replace(state, trials=trials)


def _provisional(state: JudgeState, stream: int, watch: Watch) -> bool:
    reference = state.references.get((stream, watch.signal.code))
    return reference is not None and reference.provisional


def _noted(trial: Trial | None, watch: Watch, now: WatchState, stream: int, block: PaneBlock) -> Trial:
    mine = np.flatnonzero((now.rows.stream == stream) & (now.rows.tier == 0))
    spread = np.unique(np.linspace(0, max(len(mine) - 1, 0), TRIAL_QUANTITIES).astype(np.int64))
    counts = block.counts.get(watch.signal.code)
    k, n = np.zeros((1, len(spread))), np.zeros(1)
    if counts is not None and len(mine):
        events, total = count_rows(now.rows, counts, now.known, mine[spread])
        k, n = events[None, :], total[:1]
    if trial is None or trial.k.shape[1] != k.shape[1]:
        return Trial(k, n)
    kept = slice(-MOST_TRIAL_PANES, None)
    return Trial(np.concatenate((trial.k, k))[kept], np.concatenate((trial.n, n))[kept])


def take_up_kills(state: JudgeState, block: SlotBlock, plan: Plan) -> JudgeState:
    """Kill rules get a row for every stream they match, as soon as their limit is known."""
    kills = dict(state.kills)
    for watch in plan.kills:
        now = kills.get(watch.key)
        if now is None or now.identity != watch.identity:
            now = KillState(watch.identity)
        code = watch.signal.code
        seen = np.unique(block.counts[code].stream).tolist() if code in block.counts else []
        for stream in [s for s in seen if s not in now.resting and _applies(watch, s, block)]:
            now = _kill_row(now, watch, stream, state.references.get((stream, code)))
        kills[watch.key] = now
    return replace(state, kills=kills)


def _kill_row(now: KillState, watch: KillWatch, stream: int, reference: Reference | None) -> KillState:
    if reference is None and watch.limit.kind is not LimitKind.ABSOLUTE:
        return now
    events: list[Event] = making.kill_event(watch, stream, reference)
    fresh = rw.made(events, 1, True)
    resting = {**now.resting, stream: reference.reference_id if reference else ABSOLUTE_ONLY}
    return replace(now, rows=rw.joined(now.rows, fresh), resting=resting)


def _kills_again(state: JudgeState, stream: int, code: int) -> JudgeState:
    """Kill rows rest on the newest reference: drop them, the next slot makes them again."""
    kills: Mapping[str, KillState] = {
        key: replace(
            now,
            rows=rw.kept(now.rows, now.rows.stream != stream),
            resting={s: r for s, r in now.resting.items() if s != stream},
        )
        for key, now in state.kills.items()
    }
    return replace(state, kills=kills)


def alarmed_by_kill(watch: Watch, state: WatchState, stream: int) -> WatchState:
    """All upward tiers wait for recovery, as if they had alarmed themselves."""
    up = [i for i, t in enumerate(watch.tiers) if t.side is Side.UP]
    mine = (state.rows.stream == stream) & np.isin(state.rows.tier, up)
    return replace(state, rows=rw.muted(rw.alarmed(state.rows, mine), mine))
