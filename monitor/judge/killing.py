"""One closed second of the evidence that can pull a switch, and the incident that a trip opens or escalates."""

from dataclasses import replace

from monitor.config.rule import Severity
from monitor.judge import kill, learning
from monitor.judge.block import SlotBlock
from monitor.judge.evidence import Alarm
from monitor.judge.kill import KillState, Switches
from monitor.judge.moves import verdict_of
from monitor.judge.plan import KillWatch, Plan, Watch
from monitor.judge.reference import Reference
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Decision, Open, Trip, What


def kill_step(
    state: JudgeState, block: SlotBlock, plan: Plan, switches: Switches
) -> tuple[JudgeState, list[Decision]]:
    """Close one second of Kafka time: the evidence that can pull a switch."""
    decisions: list[Decision] = []
    state = learning.take_up_kills(state, block, plan)
    watches = {w.key: w for w in plan.watches}
    pairs = sum(len(k.rows) for k in state.kills.values())
    log_w = learning.log_share(pairs)
    for watch in plan.kills:
        before = state.kills.get(watch.key) or KillState(watch.identity)
        before = kill.without_ended(watch, before, state.incidents, block.labels, plan.kill_threshold)
        after, trips = kill.step(watch, before, block, switches, log_w, plan.kill_threshold, state.references)
        state = replace(state, kills={**state.kills, watch.key: after})
        for trip in trips:
            state = _tripped(state, watch, watches.get(watch.key), trip, decisions)
    decisions += kill.mended(plan.kills, state.kills, block, switches)
    return replace(state, next_kill_slot=block.slot + 1), decisions


def _tripped(
    state: JudgeState, watch: KillWatch, judged: Watch | None, trip: Trip, decisions: list[Decision]
) -> JudgeState:
    """A trip opens its rule's incident at critical, or escalates the open one: no kill without an incident."""
    key = (trip.watch, trip.stream)
    now = state.incidents.get(key)
    decisions.append(trip)
    if now and now.severity is Severity.CRITICAL:
        return state
    onset = now.onset_ms if now else trip.onset_ms
    opened = Open(Severity.CRITICAL, onset, trip.detected_ms, trip.detected_ms, 0)
    what: What = "escalated" if now else "opened"
    alarm = _kill_alarm(watch, trip)
    decisions.insert(
        -1, verdict_of(what, watch, trip.stream, opened, trip.detected_ms, alarm, trip.reference)
    )
    state = replace(state, incidents={**state.incidents, key: opened})
    before = state.watches.get(trip.watch)
    if before is None or judged is None:
        return state
    after = learning.alarmed_by_kill(judged, before, trip.stream)
    return replace(state, watches={**state.watches, trip.watch: after})


def _kill_alarm(watch: KillWatch, trip: Trip) -> Alarm:
    low = high = 1
    quantity = "rate"
    if watch.rule.quantile is not None and watch.signal.scale is not None:
        quantity = f"p{100 * watch.rule.quantile:g}"
        low, high = watch.signal.scale.bucket_at_least(watch.limit.value) + 1, 2**31 - 1
    p_ref = float("nan") if trip.reference is None else _rate(trip.reference, low)
    return Alarm(
        stream=trip.stream,
        tier=0,
        quantity=quantity,
        low=low,
        high=high,
        negate=False,
        m=trip.m,
        p_ref=p_ref,
        k=trip.k,
        n=trip.n,
        onset_ms=trip.onset_ms,
        guaranteed=True,
        level=0.0,
    )


def _rate(reference: Reference, low: int) -> float:
    return float(reference.counts[reference.buckets >= low].sum() / max(reference.n, 1))
