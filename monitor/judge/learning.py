"""When a stream's rules get their limits: at first sight, when its reference is provisional, and when it is learned."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from monitor.config.rule import LimitKind, Severity
from monitor.judge import choosing, hourly, making, trial
from monitor.judge import rows as rw
from monitor.judge.block import PaneBlock, SlotBlock, totals
from monitor.judge.evidence import ACTIVE_PANES, WatchState, rested
from monitor.judge.hours import HOURS, hour_of
from monitor.judge.kill import KillState
from monitor.judge.making import Ground
from monitor.judge.parts import stream_of
from monitor.judge.plan import KillWatch, Plan, Watch
from monitor.judge.reference import (
    UNKNOWN_CORRELATION,
    Correlation,
    Key,
    Learner,
    Reference,
    Stage,
    learn_block,
    settle,
    stage,
)
from monitor.judge.rows import Event
from monitor.judge.splitting import newer_half
from monitor.judge.state import JudgeState
from monitor.judge.trial import Trial
from monitor.judge.verdicts import NO_TIER, Decision, Learned
from monitor.records.delta import PANE_MS
from monitor.records.signals import Kind, Side

MOST_RESTED: Final = 200
ABSOLUTE_ONLY: Final = 0


def log_share(pairs: int) -> float:
    """log of one (rule, stream) pair's share of the kill budget."""
    return -float(np.log(max(pairs, 1)))


def learn(state: JudgeState, block: PaneBlock, plan: Plan) -> tuple[JudgeState, list[Decision]]:
    """Add the pane to all learners, settle those that have come far enough, and give rules their rows."""
    until = (plan.learn, plan.at_least_ms)
    wanted = _wanted(state, block, plan)
    learners = learn_block(state.learners, block, wanted, until)
    state = hourly.noted(state, block, wanted) if plan.by_hour else state
    state, decisions = _settled(replace(state, learners=learners), block, plan)
    state, chosen = choosing.choose(state, plan)
    return _take_up(state, block, plan), [*decisions, *chosen]


def _take_up(state: JudgeState, block: PaneBlock, plan: Plan) -> JudgeState:
    """Rows rest on the newest reference: at first sight on absolute limits only, and during an incident on the old one.

    What has no rows gets them also during an incident, which would never end without.

    At most `MOST_RESTED` a pane, so that no tick takes long where many streams begin together; all of those that only
    take up another hour.
    """
    watches, left = dict(state.watches), MOST_RESTED
    for watch in plan.watches:
        now = watches.get(watch.key)
        if now is None or now.identity != watch.identity:
            now = WatchState(watch.identity)
        stale = [
            p
            for p in _judged_parts(state, now, watch, block)
            if _is_stale(state, now, watch, p, block) and _applies(watch, p, block)
        ]
        turned = [p for p in stale if now.resting.get(p) == _newest(state, watch, p)]
        due = turned + [p for p in stale if p not in turned][:left]
        watches[watch.key] = _rested(state, now, watch, due, block)
        left -= len(due) - len(turned)
    return replace(state, watches=watches)


def _judged_parts(state: JudgeState, now: WatchState, watch: Watch, block: PaneBlock) -> Iterable[int]:
    """All streams; of a rule with `each` the parts that have been counted."""
    if watch.each is None:
        return state.streams
    counts = block.counted(watch.signal.code, watch.each)
    fresh = totals(counts) if counts is not None else {}
    return dict.fromkeys((*now.resting, *fresh))


def _is_stale(state: JudgeState, now: WatchState, watch: Watch, stream: int, block: PaneBlock) -> bool:
    if now.resting.get(stream) != _newest(state, watch, stream):
        return stream not in now.resting or (watch.key, stream) not in state.incidents
    reference = state.references.get((stream_of(stream), watch.signal.code))
    return reference is not None and reference.hourly and now.hour.get(stream) != hour_of(block.start_ms)


def _newest(state: JudgeState, watch: Watch, stream: int) -> int:
    reference = state.references.get((stream_of(stream), watch.signal.code))
    return reference.reference_id if reference else ABSOLUTE_ONLY


def _rested(
    state: JudgeState, now: WatchState, watch: Watch, streams: Sequence[int], block: PaneBlock
) -> WatchState:
    active = sum(block.end_ms - s.last_ms <= ACTIVE_PANES * PANE_MS for s in state.streams.values())
    alpha = making.ALL_BOUNDS_ALPHA * watch.weight / max(active, 1)
    for stream in streams:
        reference = hourly.reference(state, (stream_of(stream), watch.signal.code), block.start_ms)
        panes, guaranteed = making.block_panes(watch, _requests_per_s(state, stream_of(stream)), reference)
        # Each hour of the week has bounds of its own.
        share = alpha / HOURS if reference is not None and reference.hourly else alpha
        fresh = rw.made(making.events_of(watch, stream, Ground(reference, share)), panes, guaranteed)
        known = np.array(making.known_categories(watch, reference), np.int64)
        newest, is_first = reference.reference_id if reference else ABSOLUTE_ONLY, stream not in now.resting
        now = rested(now, stream, fresh, newest, known, hour_of(block.start_ms))
        incident = state.incidents.get((watch.key, stream))
        if is_first and incident is not None and incident.tier != NO_TIER:
            now = _waiting(watch, now, stream, incident.severity)
    return now


def _waiting(watch: Watch, state: WatchState, stream: int, severity: Severity) -> WatchState:
    """An incident that is older than the rows waits for their recovery: a kill came first, or the limits changed."""
    mild = [i for i, tier in enumerate(watch.tiers) if tier.severity.rank <= severity.rank]
    mine = (state.rows.stream == stream) & np.isin(state.rows.tier, mild)
    return replace(state, rows=rw.muted(rw.alarmed(state.rows, mine), mine))


def _requests_per_s(state: JudgeState, stream: int) -> float:
    heard = state.streams[stream]
    return heard.requests * 1000 / max(heard.last_ms - heard.first_ms, PANE_MS)


def _applies(watch: Watch | KillWatch, stream: int, block: PaneBlock | SlotBlock) -> bool:
    return watch.rule.match.accepts(block.labels.get(stream_of(stream), {}))


def _wanted(state: JudgeState, block: PaneBlock, plan: Plan) -> dict[int, set[int]]:
    """Signal codes and the streams that still learn them; not with an open incident, nor while a switch is tripped."""
    firing = {(stream_of(part), key) for (key, part), now in state.incidents.items() if now.tier != NO_TIER}
    wanted: dict[int, set[int]] = {}
    for watch in plan.watches:
        if _is_referenced(watch, plan):
            wanted.setdefault(watch.signal.code, set()).update(
                s for s in state.streams if _applies(watch, s, block)
            )
    for watch in plan.watches:
        code = watch.signal.code
        wanted[code] = {s for s in wanted.get(code, set()) if (s, watch.key) not in firing}
    return {
        code: {s for s in streams - block.paused if _still(state, (s, code))}
        for code, streams in wanted.items()
    }


def _is_referenced(watch: Watch, plan: Plan) -> bool:
    """Absolute limits learn too: the reference says what was usual, and what a kill must exceed."""
    return bool(plan.learn) and watch.signal.kind is not Kind.TRAFFIC


def _still(state: JudgeState, key: Key) -> bool:
    reference = state.references.get(key)
    return reference is None or reference.provisional


def _settled(state: JudgeState, block: PaneBlock, plan: Plan) -> tuple[JudgeState, list[Decision]]:
    """References of the learners that have come far enough for one; of halves that differ only the newer."""
    settled: dict[Key, Reference] = {}
    split: set[Key] = set()
    learners = dict(state.learners)
    for key, learner in state.learners.items():
        reached, number = stage(learner, plan.learn, plan.at_least_ms), state.next_reference + len(settled)
        if reached is Stage.WATCHED:
            newer = _newer_half(state, block, plan, key, learner)
            settled[key] = settle(newer or learner, number, newer is not None, _correlation(state, key))
            learners |= {key: newer} if newer else {}
            split |= {key} if newer else set()
        elif reached is Stage.PROVISIONAL and key not in state.references:
            settled[key] = settle(learner, number, True)
    if not settled:
        return state, []
    done = {key for key, reference in settled.items() if not reference.provisional}
    state = hourly.settled(hourly.forgotten(state, split), done)
    settled = {
        k: replace(r, hourly=plan.by_hour and k in done and k in state.hours) for k, r in settled.items()
    }
    state = replace(
        state,
        next_reference=state.next_reference + len(settled),
        references={**state.references, **settled},
        learners={k: v for k, v in learners.items() if k not in done},
        trials=_tried(state.trials, settled, plan),
    )
    return state, [Learned(*key, r, state.hours[key] if r.hourly else None) for key, r in settled.items()]


def _newer_half(
    state: JudgeState, block: PaneBlock, plan: Plan, key: Key, learner: Learner
) -> Learner | None:
    stream, code = key
    watches = [w for w in plan.watches if w.signal.code == code and _applies(w, stream, block)]
    alpha = making.ALL_BOUNDS_ALPHA / max(len(state.streams) * len(plan.watches), 1)
    return newer_half(learner, watches, stream, _correlation(state, key), alpha)


def _correlation(state: JudgeState, key: Key) -> Correlation:
    stream, code = key
    tried = state.trials.get(code)
    return trial.correlation(tried, stream) if tried is not None else UNKNOWN_CORRELATION


def _tried(trials: Mapping[int, Trial], settled: Mapping[Key, Reference], plan: Plan) -> Mapping[int, Trial]:
    """A provisional reference begins its trial, a learned one ends it."""
    after = dict(trials)
    for signal in plan.referenced:
        mine = {stream: r for (stream, code), r in settled.items() if code == signal.code}
        begun = trial.begun(signal, {s: r for s, r in mine.items() if r.provisional})
        before = after.get(signal.code)
        if mine and before is not None:
            before = trial.kept(before, ~np.isin(before.stream, list(mine)))
        if mine:
            after[signal.code] = begun if before is None else trial.joined(before, begun)
    return {code: t for code, t in after.items() if len(t)}


def on_trial(state: JudgeState, block: PaneBlock) -> JudgeState:
    """Note how the signals of provisional references hang together: from it their blocks are chosen."""
    if not state.trials:
        return state
    trials = {code: trial.noted(t, block.counts.get(code)) for code, t in state.trials.items()}
    return replace(state, trials=trials)


def take_up_kills(state: JudgeState, block: SlotBlock, plan: Plan) -> JudgeState:
    """Kill rules have a row for every stream they match, on its newest reference, as soon as their limit is known."""
    kills = dict(state.kills)
    for watch in plan.kills:
        now = kills.get(watch.key)
        if now is None or now.identity != watch.identity:
            now = KillState(watch.identity)
        code = watch.signal.code
        seen = np.unique(block.counts[code].stream).tolist() if code in block.counts else []
        for stream in seen:
            reference = state.references.get((stream, code))
            newest = reference.reference_id if reference else ABSOLUTE_ONLY
            pulls = watch.pulls(block.labels.get(stream, {})) is not None
            if pulls and now.resting.get(stream) != newest and _applies(watch, stream, block):
                now = _kill_row(now, watch, stream, reference)
        kills[watch.key] = now
    return replace(state, kills=kills)


def _kill_row(now: KillState, watch: KillWatch, stream: int, reference: Reference | None) -> KillState:
    if reference is None and watch.limit.kind is not LimitKind.ABSOLUTE:
        return now
    events: list[Event] = making.kill_event(watch, stream, reference)
    others = rw.kept(now.rows, now.rows.stream != stream)
    resting = {**now.resting, stream: reference.reference_id if reference else ABSOLUTE_ONLY}
    return replace(now, rows=rw.joined(others, rw.made(events, 1, True)), resting=resting)


def alarmed_by_kill(watch: Watch, state: WatchState, stream: int) -> WatchState:
    """All upward tiers wait for recovery, as if they had alarmed themselves."""
    up = [i for i, t in enumerate(watch.tiers) if t.side is Side.UP]
    mine = (state.rows.stream == stream) & np.isin(state.rows.tier, up)
    return replace(state, rows=rw.muted(rw.alarmed(state.rows, mine), mine))
