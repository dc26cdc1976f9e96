"""The judge's core: `(state, block, plan) -> (state, decisions)`, without clock or I/O.

`run`, `replay` and later `backtest` and `test` all call these functions: what one decides, the others decide too.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from monitor.config.hours import began
from monitor.config.rule import Rule
from monitor.judge import burning, evidence, hourly, learning, pending, total, traffic, unlearned, window
from monitor.judge.block import PaneBlock, SlotBlock, totals
from monitor.judge.burning import ObjectiveState
from monitor.judge.crossing import crossed
from monitor.judge.evidence import Alarm, WatchState
from monitor.judge.moves import verdict_of
from monitor.judge.objective import ObjectiveWatch
from monitor.judge.parts import stream_of
from monitor.judge.plan import Plan, TotalWatch, Watch, key_of
from monitor.judge.reference import REQUESTS
from monitor.judge.state import IncidentKey, JudgeState, StreamState
from monitor.judge.total import TotalState
from monitor.judge.verdicts import NO_TIER, Decision, Open, Quarantined, Verdict, What
from monitor.judge.window import WindowState
from monitor.records.delta import PANE_MS

GONE: Final = "no requests for an hour"
OFF: Final = "its hours are over"


def pane_step(state: JudgeState, block: PaneBlock, plan: Plan) -> tuple[JudgeState, list[Decision]]:
    """Close one evidence pane: learn, look, move incidents."""
    decisions: list[Decision] = []
    weeks = traffic.heard(state.weeks, block)
    state = replace(state, streams=_heard(state.streams, block), weeks=weeks, next_pane=block.pane + 1)
    state, learned = learning.learn(state, block, plan)
    decisions += learned
    state = unlearned.watch(state, block, plan, decisions)
    for watch in plan.watches:
        if watch.key not in state.quarantined and _holds(watch.rule, block):
            state = _guarded(state, watch.key, decisions, partial(_look, block, watch, plan))
    state = learning.on_trial(state, block)
    state, compared = traffic_step(state, block, plan)
    decisions += compared
    for added in plan.totals:
        state = _added_up(state, added, block, decisions)
    for objective in plan.objectives:
        state = _burnt(state, objective, block, decisions)
    for rule in plan.absent:
        state = _listen(state, block, rule, decisions)
    return _settled(state, block, plan, decisions, windows=False)


def _settled(
    state: JudgeState, block: PaneBlock | SlotBlock, plan: Plan, decisions: list[Decision], windows: bool
) -> tuple[JudgeState, list[Decision]]:
    """Let incidents with a `for` wait, and open those of `windows`, or of all else, that have waited long enough."""
    if not plan.waiting:
        return state, decisions
    state, known = pending.held(state, decisions, plan.waiting, {w.key: w.signal.code for w in plan.watches})
    watches = [key for key, rule in plan.waiting.items() if (rule.window_ms is not None) is windows]
    state, opened = pending.over(state, block.end_ms, plan.waiting, watches)
    return state, known + opened


def _holds(rule: Rule, block: PaneBlock | SlotBlock) -> bool:
    """Whether the block falls into the rule's hours."""
    return rule.during is None or began(rule.during, block.end_ms - 1) is not None


def traffic_step(state: JudgeState, block: PaneBlock, plan: Plan) -> tuple[JudgeState, list[Decision]]:
    """Compare ten minutes of requests with last week's, where the pane is their last."""
    decisions: list[Decision] = []
    if traffic.closes_stretch(block) and not block.blind:
        for watch in (w for w in plan.traffic if _holds(w.rule, block)):
            crossings = traffic.step(watch, state.weeks, block.pane, block.labels)
            state = crossed(state, watch, crossings, block, decisions)
    return state, decisions


def _guarded(
    state: JudgeState,
    key: str,
    decisions: list[Decision],
    look: Callable[[JudgeState, list[Decision]], JudgeState],
) -> JudgeState:
    """A watch that raises keeps its old state and is quarantined; the others go on."""
    found: list[Decision] = []
    try:
        after = look(state, found)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        decisions.append(Quarantined(key, f"{type(error).__name__}: {error}"))
        return replace(state, quarantined={**state.quarantined, key: str(error)})
    decisions += found
    return after


def _heard(streams: Mapping[int, StreamState], block: PaneBlock) -> Mapping[int, StreamState]:
    if REQUESTS not in block.counts:
        return streams
    grown = dict(streams)
    for stream, n in totals(block.counts[REQUESTS]).items():
        before = streams.get(stream) or StreamState(block.start_ms, block.end_ms, 0)
        grown[stream] = replace(before, last_ms=block.end_ms, requests=before.requests + n)
    return grown


def _look(
    block: PaneBlock, watch: Watch, plan: Plan, state: JudgeState, decisions: list[Decision]
) -> JudgeState:
    before = state.watches.get(watch.key)
    if before is None:
        return state
    after, alarms = evidence.step(watch, before, block, plan.threshold)
    incidents = dict(state.incidents)
    for alarm in sorted(alarms, key=lambda a: (-watch.tiers[a.tier].severity.rank, -a.tier, -a.level)):
        if not _already(after, alarm):
            other = evidence.is_first_of_side(watch, after, alarm)
            decisions.append(_risen(watch, incidents, alarm, block, state, turns=other))
        after = evidence.after_alarm(watch, after, alarm)
    after = _recover(watch, after, incidents, block, decisions, state.pending)
    if watch.each is not None:
        after = _gone(watch, after, incidents, block, state, decisions)
    return replace(state, watches={**state.watches, watch.key: after}, incidents=incidents)


def _already(state: WatchState, alarm: Alarm) -> bool:
    """Whether an alarm of the same pane has muted this one's tier."""
    rows = state.rows
    return bool(rows.muted[(rows.stream == alarm.stream) & (rows.tier == alarm.tier)].any())


def _risen(
    watch: Watch,
    incidents: dict[tuple[str, int], Open],
    alarm: Alarm,
    block: PaneBlock,
    state: JudgeState,
    *,
    turns: bool,
) -> Verdict:
    key, severity = (watch.key, alarm.stream), watch.tiers[alarm.tier].severity
    now = incidents.get(key)
    what: What = "opened"
    if now is None:
        incidents[key] = Open(severity, alarm.onset_ms, block.end_ms, block.end_ms, alarm.tier)
    else:
        turned = turns and now.tier != NO_TIER and watch.kind != "category"
        what = "escalated" if severity.rank > now.severity.rank else "turned" if turned else "worsened"
        grown = severity if severity.rank > now.severity.rank else now.severity
        incidents[key] = replace(now, severity=grown, changed_ms=block.end_ms, tier=alarm.tier)
    reference = hourly.reference(state, (stream_of(alarm.stream), watch.signal.code), block.start_ms)
    return verdict_of(what, watch, alarm.stream, incidents[key], block.end_ms, alarm, reference)


def _recover(
    watch: Watch,
    state: WatchState,
    incidents: dict[tuple[str, int], Open],
    block: PaneBlock,
    decisions: list[Decision],
    waiting: Collection[IncidentKey],
) -> WatchState:
    for stream, back in evidence.recovered(state).items():
        incident = incidents.get((watch.key, stream))
        clear_for_ms = 0 if (watch.key, stream) in waiting else watch.rule.clear_for_ms
        if incident and not (back and block.end_ms - incident.changed_ms >= clear_for_ms):
            continue
        if incident:
            del incidents[watch.key, stream]
            decisions.append(verdict_of("resolved", watch, stream, incident, block.end_ms))
        state = evidence.after_resolve(state, stream)
    return state


def _added_up(
    state: JudgeState, watch: TotalWatch, block: PaneBlock, decisions: list[Decision]
) -> JudgeState:
    before = state.totals.get(watch.key)
    if before is None or before.identity != watch.identity:
        before = TotalState(watch.identity)
    after, crossings = total.step(watch, before, block)
    state = replace(state, totals={**state.totals, watch.key: after})
    return crossed(state, watch, crossings if _holds(watch.rule, block) else (), block, decisions)


def _burnt(
    state: JudgeState, watch: ObjectiveWatch, block: PaneBlock, decisions: list[Decision]
) -> JudgeState:
    before = state.objectives.get(watch.key)
    if before is None or before.identity != watch.identity:
        before = ObjectiveState(watch.identity)
    after, crossings = burning.step(watch, before, block)
    state = replace(state, objectives={**state.objectives, watch.key: after})
    return crossed(state, watch, crossings if _holds(watch.rule, block) else (), block, decisions)


def _gone(
    watch: Watch,
    state: WatchState,
    incidents: dict[tuple[str, int], Open],
    block: PaneBlock,
    judge: JudgeState,
    decisions: list[Decision],
) -> WatchState:
    """Forget parts not counted for an hour while their stream spoke: a version that was taken back is over."""
    for part in list(state.resting):
        quiet = block.pane - state.seen.get(part, block.pane) > evidence.ACTIVE_PANES
        if quiet and block.end_ms - judge.streams[stream_of(part)].last_ms <= PANE_MS:
            incident = incidents.pop((watch.key, part), None)
            if incident:
                decisions.append(verdict_of("resolved", watch, part, incident, block.end_ms, reason=GONE))
            state = evidence.forgotten(state, part)
    return state


def _listen(state: JudgeState, block: PaneBlock, rule: Rule, decisions: list[Decision]) -> JudgeState:
    """Silence of a stream that spoke before; while some partition is left out, silence is no news."""
    if block.blind or rule.absent_ms is None:
        return state
    incidents = dict(state.incidents)
    opened_ms = 0 if rule.during is None else began(rule.during, block.end_ms - 1)
    for stream, heard in state.streams.items():
        key = (key_of(rule), stream)
        if opened_ms is None:
            if key in incidents:
                decisions.append(_silence("resolved", rule, stream, incidents.pop(key), block.end_ms, OFF))
            continue
        silent = block.end_ms - max(heard.last_ms, opened_ms) > rule.absent_ms
        matches = rule.match.accepts(block.labels.get(stream, {})) and stream not in block.paused
        if silent and matches and key not in incidents:
            incidents[key] = Open(rule.severity, heard.last_ms, block.end_ms, block.end_ms, 0)
            decisions.append(_silence("opened", rule, stream, incidents[key], block.end_ms))
        elif not silent and key in incidents:
            decisions.append(_silence("resolved", rule, stream, incidents.pop(key), block.end_ms))
    return replace(state, incidents=incidents)


def _silence(what: What, rule: Rule, stream: int, incident: Open, now_ms: int, reason: str = "") -> Verdict:
    key, onset_ms = key_of(rule), incident.onset_ms
    return Verdict(what, rule.name, None, stream, incident.severity, onset_ms, now_ms, key, reason=reason)


def slot_step(state: JudgeState, block: SlotBlock, plan: Plan) -> tuple[JudgeState, list[Decision]]:
    """Close one second of event time: plain windows slide."""
    decisions: list[Decision] = []
    for watch in plan.windows:
        before = state.windows.get(watch.key)
        if before is None or before.identity != watch.identity:
            before = WindowState(watch.identity)
        if before.entries or watch.signal.code in block.counts:
            after, crossings = window.step(watch, before, block)
            state = replace(state, windows={**state.windows, watch.key: after})
            if _holds(watch.rule, block):
                seen = {c.stream for c in crossings}
                state = pending.broken(state, watch.key, seen, watch.rule, block.end_ms)
                state = crossed(state, watch, crossings, block, decisions)
    state = replace(state, next_slot=block.slot + 1)
    return _settled(state, block, plan, decisions, windows=True)
