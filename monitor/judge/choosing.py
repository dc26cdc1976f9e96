"""Blocks for references that came without panes to choose them by: from a trial on live traffic.

An imported reference has none, and of a promoted stretch there may be too few. Its trial goes on until it has what a
learned reference has: `learn` records over `at_least`. Where no block is found then, it is asked again each time as
much has gone by: more often, and chance would find one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from monitor.judge import trial
from monitor.judge.parts import stream_of
from monitor.judge.plan import Plan
from monitor.judge.reference import Key, Reference
from monitor.judge.state import JudgeState
from monitor.judge.trial import Trial
from monitor.judge.verdicts import Chosen
from monitor.records.delta import PANE_MS
from monitor.records.signals import Signal

FEWEST_PANES: Final = 360


def on_trial(
    trials: Mapping[int, Trial], signal: Signal | None, stream: int, reference: Reference
) -> dict[int, Trial]:
    """The trials without that stream's on the signal; with one anew where the reference given has no block yet."""
    after = dict(trials)
    if signal is None:
        return after
    rest = after.pop(signal.code, None)
    if rest is not None:
        rest = trial.kept(rest, rest.stream != stream)
    if reference.correlation.block_s is None:
        begun = trial.begun(signal, {stream: reference})
        rest = begun if rest is None else trial.joined(rest, begun)
    return after | ({signal.code: rest} if rest is not None and len(rest) else {})


def choose(state: JudgeState, plan: Plan) -> tuple[JudgeState, list[Chosen]]:
    """Give references on trial, if they are no longer learned, the block that their trial has come to."""
    chosen = [
        Chosen(stream, code, reference.reference_id, found)
        for code, tried in state.trials.items()
        for stream in np.unique(tried.stream).tolist()
        if (reference := state.references.get((stream, code))) is not None and not reference.provisional
        if _is_due(tried, stream, plan) and (found := trial.correlation(tried, stream)).block_s is not None
    ]
    for one in chosen:
        state = _given(state, one, plan)
    return state, chosen


def _is_due(tried: Trial, stream: int, plan: Plan) -> bool:
    mine = trial.kept(tried, tried.stream == stream).tally
    panes, records = int(mine.panes[0]), float(mine.sums[0, 0, trial.RECORDS])
    wanted = max(plan.at_least_ms // PANE_MS, FEWEST_PANES)
    return panes > 0 and panes % wanted == 0 and records >= plan.learn


def _given(state: JudgeState, chosen: Chosen, plan: Plan) -> JudgeState:
    """The reference with its block; the rows that rest on it are to be made anew."""
    key = (chosen.stream, chosen.signal)
    mine = {w.key for w in plan.watches if w.signal.code == chosen.signal}
    mine |= {w.key for w in plan.kills if w.signal.code == chosen.signal}
    reference = replace(state.references[key], correlation=chosen.correlation)
    tried = state.trials[chosen.signal]
    rest = trial.kept(tried, tried.stream != chosen.stream)
    trials = {**state.trials, chosen.signal: rest}
    return replace(
        state,
        references={**state.references, key: reference},
        trials={code: t for code, t in trials.items() if len(t)},
        watches={
            k: replace(w, resting=_without(w.resting, key)) if k in mine else w
            for k, w in state.watches.items()
        },
        kills={
            k: replace(w, resting=_without(w.resting, key)) if k in mine else w
            for k, w in state.kills.items()
        },
    )


def _without(resting: Mapping[int, int], key: Key) -> dict[int, int]:
    return {part: reference for part, reference in resting.items() if stream_of(part) != key[0]}
