"""Streams that are still learning: river's detectors watch their panes, and what they say carries no guarantee.

There is no reference yet, so nothing to keep a promise about, and on bursty streams these detectors cry wolf. So a
change they see opens one `info` incident of each rule on that signal, at most one until the reference is there.
"""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

import numpy as np

from detectors import learning_watch
from detectors.learning_watch import LearningWatch
from monitor.config.rule import Severity
from monitor.judge.block import Counts, PaneBlock, of_stream
from monitor.judge.evidence import Alarm
from monitor.judge.plan import Plan, Watch
from monitor.judge.reference import Key
from monitor.judge.state import JudgeState, Young
from monitor.judge.verdicts import NO_TIER, Decision, Open, Verdict, What
from monitor.records.delta import PANE_MS
from monitor.records.signals import Kind, Side, Signal

LOWEST_BUCKET: Final = -2_000
EACH: Final = 20
LEAST_RATE: Final = 0.005


@dataclass(frozen=True, slots=True)
class _Change:
    """A change in one stream's signal, by the detectors named."""

    stream: int
    signal: Signal
    side: Side
    detectors: tuple[str, ...]
    k: float
    n: float


def watch(state: JudgeState, block: PaneBlock, plan: Plan, decisions: list[Decision]) -> JudgeState:
    """Look at every signal that has no reference yet; open and end incidents without guarantee."""
    state = _ended(state, block, plan, decisions)
    young = {key: y for key, y in state.young.items() if key not in state.references}
    for signal in plan.referenced:
        counts = block.counts.get(signal.code)
        if signal.kind not in (Kind.RATE, Kind.DISTRIBUTION) or counts is None:
            continue
        learning = [k for k in state.learners if k[1] == signal.code and k not in state.references]
        for one in (key for key in learning if key[0] not in block.paused):
            change = _fed(young, one, signal, counts)
            if change is not None:
                state = _opened(state, change, block, plan, decisions)
    return replace(state, young=young)


def _fed(young: dict[Key, Young], key: Key, signal: Signal, counts: Counts) -> _Change | None:
    """Give the watch a mean once `EACH` records are there: of fewer, chance makes anything."""
    buckets, many = of_stream(counts, key[0])
    before = young.get(key, Young())
    total = before.total + float((np.maximum(buckets, LOWEST_BUCKET) * many).sum())
    n = before.n + int(many.sum())
    if n < EACH:
        young[key] = Young(before.watch, total, n)
        return None
    mean = total / n
    after = learning_watch.update(before.watch, mean, _by_chance(signal, before.watch))
    young[key] = Young(after)
    if not after.changed:
        return None
    side = Side.UP if mean > np.mean(before.watch.means) else Side.DOWN
    return _Change(key[0], signal, side, after.changed, total, float(n))


def _by_chance(signal: Signal, so_far: LearningWatch) -> float:
    """The standard deviation of a rate of `EACH` independent records."""
    if signal.kind is not Kind.RATE or not so_far.means:
        return 0.0
    p = min(max(float(np.mean(so_far.means[: learning_watch.WARM_UP])), LEAST_RATE), 0.5)
    return sqrt(p * (1 - p) / EACH)


def _opened(
    state: JudgeState, change: _Change, block: PaneBlock, plan: Plan, decisions: list[Decision]
) -> JudgeState:
    incidents = dict(state.incidents)
    for rule in plan.watches:
        key = (rule.key, change.stream)
        if key not in incidents and _concerns(rule, change, block):
            incidents[key] = Open(Severity.INFO, block.start_ms, block.end_ms, block.end_ms, NO_TIER)
            decisions.append(
                _verdict("opened", rule, change.stream, incidents[key], block, _alarm(change, block))
            )
    return replace(state, incidents=incidents)


def _concerns(rule: Watch, change: _Change, block: PaneBlock) -> bool:
    if rule.signal is not change.signal or rule.each is not None:
        return False
    sides = {t.side for t in rule.tiers if t.tolerance is not None}
    return change.side in sides and rule.rule.match.accepts(block.labels.get(change.stream, {}))


def _ended(state: JudgeState, block: PaneBlock, plan: Plan, decisions: list[Decision]) -> JudgeState:
    """End the incidents of streams that have a reference by now, `clear_for` after they began."""
    rules, incidents = {rule.key: rule for rule in plan.watches}, dict(state.incidents)
    for key, now in state.incidents.items():
        rule = rules.get(key[0])
        if rule is None or now.tier != NO_TIER or (key[1], rule.signal.code) not in state.references:
            continue
        if block.end_ms - now.changed_ms >= rule.rule.clear_for_ms:
            decisions.append(_verdict("resolved", rule, key[1], incidents.pop(key), block))
    return state if len(incidents) == len(state.incidents) else replace(state, incidents=incidents)


def _verdict(
    what: What, rule: Watch, stream: int, now: Open, block: PaneBlock, alarm: Alarm | None = None
) -> Verdict:
    return Verdict(
        what=what,
        rule=rule.rule.name,
        signal=rule.signal.name,
        stream=stream,
        severity=now.severity,
        onset_ms=now.onset_ms,
        detected_ms=block.end_ms,
        watch=rule.key,
        alarm=alarm,
    )


def _alarm(change: _Change, block: PaneBlock) -> Alarm:
    return Alarm(
        stream=change.stream,
        tier=NO_TIER,
        quantity="rate" if change.signal.kind is Kind.RATE else "p50",
        low=1,
        high=1,
        negate=False,
        m=float("nan"),
        p_ref=float("nan"),
        k=change.k,
        n=change.n,
        onset_ms=block.end_ms - PANE_MS,
        guaranteed=False,
        level=0.0,
        found_by=change.detectors,
        side=change.side,
    )
