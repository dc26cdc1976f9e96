"""References that people give: imported from an eval set, promoted from a stretch of time, accepted after a change."""

from collections.abc import Iterable
from dataclasses import replace

from monitor.judge import choosing, hourly
from monitor.judge.evidence import after_resolve
from monitor.judge.parts import slice_of, stream_of
from monitor.judge.plan import Plan, Watch
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Decision, Learned, Verdict


def adopt(
    state: JudgeState, given: Iterable[Learned], plan: Plan, at_ms: int
) -> tuple[JudgeState, list[Decision]]:
    """Judge by what people gave from here on; incidents of its rules end, since it says what is normal now.

    Rows rest on it from the next pane. The signal is not learned any further; one without a block goes on trial.
    """
    decisions: list[Decision] = []
    for one in given:
        state = _adopted(state, one, plan)
        for watch in plan.watches:
            if watch.signal.code == one.signal:
                state = _ended(state, watch, one, at_ms, decisions)
    return state, decisions


def _adopted(state: JudgeState, given: Learned, plan: Plan) -> JudgeState:
    key = (given.stream, given.signal)
    signal = next((s for s in plan.referenced if s.code == given.signal), None)
    state = hourly.forgotten(state, [key], {key: given.hours} if given.hours is not None else None)
    return replace(
        state,
        next_reference=max(state.next_reference, given.reference.reference_id + 1),
        references={**state.references, key: given.reference},
        learners={k: v for k, v in state.learners.items() if k != key},
        trials=choosing.on_trial(state.trials, signal, given.stream, given.reference),
    )


def _ended(
    state: JudgeState, watch: Watch, given: Learned, at_ms: int, decisions: list[Decision]
) -> JudgeState:
    mine = [k for k in state.incidents if k[0] == watch.key and stream_of(k[1]) == given.stream]
    for key in mine:
        state = _ended_part(state, watch, key[1], given, at_ms, decisions)
    return state


def _ended_part(
    state: JudgeState, watch: Watch, part: int, given: Learned, at_ms: int, decisions: list[Decision]
) -> JudgeState:
    key = (watch.key, part)
    incident = state.incidents[key]
    verdict = Verdict(
        what="resolved",
        rule=watch.rule.name,
        signal=watch.signal.name,
        stream=given.stream,
        severity=incident.severity,
        onset_ms=incident.onset_ms,
        detected_ms=at_ms,
        watch=watch.key,
        reason=given.reference.origin,
        slice_id=slice_of(part),
    )
    decisions.append(verdict)
    watches = dict(state.watches)
    if watch.key in watches:
        watches[watch.key] = after_resolve(watches[watch.key], part)
    incidents = {k: v for k, v in state.incidents.items() if k != key}
    return replace(state, incidents=incidents, watches=watches)
