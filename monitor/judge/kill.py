"""Evidence that can pull a switch: pane bets on 1 s slots of Kafka time, fresh records only (detection.md, section 4).

The slot is the guard: no glitch shorter than ln A / ln(1/m) slots can kill, however large it is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from detectors import bets, cusum, esr, recovery
from monitor.config.model import SwitchKey
from monitor.judge import rows as rw
from monitor.judge.block import Labels, SlotBlock
from monitor.judge.evidence import count_rows
from monitor.judge.plan import KillWatch
from monitor.judge.reference import Reference
from monitor.judge.rows import Rows
from monitor.judge.verdicts import Mended, Trip
from monitor.records.delta import F64

LOWEST_M: Final = 0.10
HIGHEST_M: Final = 0.50
REFERENCE_ODDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Switch:
    """What the ledger says of a kill switch; each change has a higher `sequence`.

    While `probing`, what is let through is judged, until `probed_ms` at least. It is as it is since `since_ms`.
    """

    tripped: bool
    sequence: int
    probing: bool = False
    probed_ms: int = 0
    since_ms: int = 0


SERVING: Final = Switch(tripped=False, sequence=0)
Switches = Mapping[SwitchKey, Switch]


def paused_by(
    watches: Sequence[KillWatch], labels: Mapping[int, Mapping[str, str]], stopped: Collection[SwitchKey]
) -> frozenset[int]:
    """The streams whose drift, windows and silence are no news, because a switch that they can pull is `stopped`."""
    mine = [watch for watch in watches if any(name in watch.switches for name, _ in stopped)]
    return frozenset(
        stream
        for watch in mine
        for stream, named in labels.items()
        if watch.rule.match.accepts(named) and watch.pulls(named) in stopped
    )


@dataclass(frozen=True, slots=True)
class KillState:
    """Kill evidence of one rule, a row a stream; `sequences` are those of their switches as last seen."""

    identity: str
    rows: Rows = rw.NOTHING
    sequences: Mapping[int, int] = field(default_factory=dict)
    resting: Mapping[int, int] = field(default_factory=dict)


def limited(m: float, p_ref: float) -> float:
    """m of a kill: the critical limit, at least 10% and five times the reference's odds, at most 50%."""
    odds = REFERENCE_ODDS * p_ref / (1 + (REFERENCE_ODDS - 1) * p_ref) if p_ref == p_ref else 0.0
    return min(max(m, LOWEST_M, odds), HIGHEST_M)


def step(
    watch: KillWatch,
    state: KillState,
    block: SlotBlock,
    switches: Switches,
    log_w: float,
    threshold: float,
    references: Mapping[tuple[int, int], Reference],
) -> tuple[KillState, list[Trip]]:
    """The evidence after one closed slot, and the trips whose condition holds while the switch is not tripped.

    A release or a probe (a new sequence) resets the evidence. Nothing is collected while the switch is tripped, nor of
    seconds that began before the release: a judge that is behind reads them after it.
    """
    now = _pulled(watch, state.rows, block, switches)
    state = _restarted(state, now)
    counts = block.counts.get(watch.signal.code)
    start_ms = block.slot * 1000
    past = [s for s, switch in now.items() if switch.tripped or switch.since_ms > start_ms]
    live = ~np.isin(state.rows.stream, past)
    if counts is None or not live.any():
        return state, []
    rows = state.rows
    k, n = (x * live for x in count_rows(rows, counts, {}))
    log_l = bets.pane_bet_log_components(k, n, rows.m, rows.rho)
    log_m = esr.update(rows.log_m, log_l, np.full(len(rows), log_w), n)
    onset = cusum.update(rows.onset, cusum.increment(k, n, rows.m), start_ms, k, n)
    rows = replace(rows, log_m=log_m, onset=onset, log_r=_recovery(rows, k, n, now))
    holds = (esr.level(log_m) >= np.log(threshold)) & live
    found = [_trip(watch, rows, int(i), block, references) for i in np.flatnonzero(holds)]
    return replace(state, rows=rows), [trip for trip in found if trip is not None]


def without_ended(
    watch: KillWatch,
    state: KillState,
    incidents: Collection[tuple[str, int]],
    labels: Labels,
    threshold: float,
) -> KillState:
    """Evidence that has tripped begins afresh once its incident is over: what it was about has ended.

    It would trip again at once otherwise, where the switch was not pulled, as by a dry run.
    """
    rows = state.rows
    held = np.flatnonzero(esr.level(rows.log_m) >= np.log(threshold)).tolist()
    over = [i for i in held if (watch.key, int(rows.stream[i])) not in incidents]
    told = [i for i in over if _enough(watch, rows, i, labels) is not None]
    return replace(state, rows=rw.restarted(rows, np.isin(np.arange(len(rows)), told))) if told else state


def _pulled(watch: KillWatch, rows: Rows, block: SlotBlock, switches: Switches) -> dict[int, Switch]:
    """The switch of each stream as the ledger has it."""
    streams = np.unique(rows.stream).tolist()
    keys = {s: watch.pulls(block.labels.get(s, {})) for s in streams} if switches else {}
    found = {s: key for s, key in keys.items() if key is not None}
    return {s: switches.get(found[s], SERVING) if s in found else SERVING for s in streams}


def _restarted(state: KillState, now: Mapping[int, Switch]) -> KillState:
    """Evidence about a state that the switch has left counts no more."""
    sequences = {s: switch.sequence for s, switch in now.items()}
    moved = [s for s, sequence in sequences.items() if sequence != state.sequences.get(s, 0)]
    if not moved:
        return state
    rows = rw.restarted(state.rows, np.isin(state.rows.stream, moved))
    return replace(state, sequences={**state.sequences, **sequences}, rows=rows)


def _recovery(rows: Rows, k: F64, n: F64, now: Mapping[int, Switch]) -> F64:
    """Evidence that what a probe lets through is good again; only of streams whose switch probes."""
    probed = np.isin(rows.stream, [s for s, switch in now.items() if switch.probing])
    if not probed.any():
        return rows.log_r
    log_r: F64 = np.where(probed[:, None], recovery.update(rows.log_r, k, n, rows.m, rows.p_ref), rows.log_r)
    return log_r


def mended(
    watches: Sequence[KillWatch], kills: Mapping[str, KillState], block: SlotBlock, switches: Switches
) -> list[Mended]:
    """The switches whose probe has lasted and whose every stream that was heard is good again, at least one.

    No data is never a recovery: a probe without records goes on.
    """
    over = {key for key, s in switches.items() if s.probing and block.end_ms >= s.probed_ms}
    heard: dict[SwitchKey, list[tuple[str, bool]]] = {key: [] for key in over}
    for watch in watches if over else ():
        rows = kills[watch.key].rows
        good = esr.level(rows.log_r) >= recovery.RESOLVED
        for i in np.flatnonzero(~np.isneginf(rows.log_r).all(axis=1)).tolist():
            key = watch.pulls(block.labels.get(int(rows.stream[i]), {}))
            if key in over:
                heard[key].append((watch.rule.name, bool(good[i])))
    return [
        Mended(*key, tuple(dict.fromkeys(rule for rule, _ in found)), block.end_ms)
        for key, found in heard.items()
        if found and all(good for _, good in found)
    ]


def _enough(watch: KillWatch, rows: Rows, i: int, labels: Labels) -> SwitchKey | None:
    """The switch that a row's stream pulls, if it has seen as many records as that asks for."""
    pulled = watch.pulls(labels.get(int(rows.stream[i]), {}))
    if pulled is None or rows.onset.n_since[i] < watch.switches[pulled[0]].guard.min_n:
        return None
    return pulled


def _trip(
    watch: KillWatch, rows: Rows, i: int, block: SlotBlock, references: Mapping[tuple[int, int], Reference]
) -> Trip | None:
    """The trip of one row; None where its stream pulls nothing, or its switch asks for more records."""
    stream = int(rows.stream[i])
    pulled = _enough(watch, rows, i, block.labels)
    if pulled is None:
        return None
    return Trip(
        switch=pulled[0],
        rule=watch.rule.name,
        signal=watch.signal.name,
        stream=stream,
        watch=watch.key,
        onset_ms=int(rows.onset.onset_ms[i]),
        detected_ms=block.end_ms,
        evidence_until_ms=block.end_ms,
        k=float(rows.onset.k_since[i]),
        n=float(rows.onset.n_since[i]),
        m=float(rows.m[i]),
        reference=references.get((stream, watch.signal.code)),
        value=pulled[1],
    )
