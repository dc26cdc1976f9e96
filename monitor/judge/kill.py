"""Evidence that can pull a switch: pane bets on 1 s slots of Kafka time, fresh records only (detection.md, section 4).

The slot is the guard: no glitch shorter than ln A / ln(1/m) slots can kill, however large it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from detectors import bets, cusum, esr
from monitor.judge import rows as rw
from monitor.judge.block import SlotBlock
from monitor.judge.evidence import count_rows
from monitor.judge.plan import KillWatch
from monitor.judge.reference import Reference
from monitor.judge.rows import Rows
from monitor.judge.verdicts import Trip

LOWEST_M: Final = 0.10
HIGHEST_M: Final = 0.50
REFERENCE_ODDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Switch:
    """What the ledger says of a kill switch; each trip and release has a higher `sequence`."""

    tripped: bool
    sequence: int


@dataclass(frozen=True, slots=True)
class KillState:
    """Kill evidence of one rule, a row a stream; `sequence` is the switch's as last seen."""

    identity: str
    rows: Rows = rw.NOTHING
    sequence: int = 0
    resting: Mapping[int, int] = field(default_factory=dict)


def limited(m: float, p_ref: float) -> float:
    """m of a kill: the critical limit, at least 10% and five times the reference's odds, at most 50%."""
    odds = REFERENCE_ODDS * p_ref / (1 + (REFERENCE_ODDS - 1) * p_ref) if p_ref == p_ref else 0.0
    return min(max(m, LOWEST_M, odds), HIGHEST_M)


def step(
    watch: KillWatch,
    state: KillState,
    block: SlotBlock,
    switch: Switch,
    log_w: float,
    threshold: float,
    references: Mapping[tuple[int, int], Reference],
) -> tuple[KillState, list[Trip]]:
    """The evidence after one closed slot, and the trips whose condition holds while the switch is not tripped.

    A release (a new sequence, not tripped) resets the evidence. Nothing is collected while the switch is tripped.
    """
    if switch.sequence != state.sequence:
        state = replace(state, sequence=switch.sequence, rows=_reset(state.rows))
    counts = block.counts.get(watch.signal.code)
    if switch.tripped or counts is None or not len(state.rows):
        return state, []
    rows = state.rows
    k, n = count_rows(rows, counts, {})
    log_l = bets.pane_bet_log_components(k, n, rows.m, rows.rho)
    log_m = esr.update(rows.log_m, log_l, np.full(len(rows), log_w), n)
    onset = cusum.update(rows.onset, cusum.increment(k, n, rows.m), block.slot * 1000, k, n)
    rows = replace(rows, log_m=log_m, onset=onset)
    holds = (esr.level(log_m) >= np.log(threshold)) & (onset.n_since >= watch.guard.min_n)
    trips = [_trip(watch, rows, int(i), block, references) for i in np.flatnonzero(holds)]
    return replace(state, rows=rows), trips


def _reset(rows: Rows) -> Rows:
    return rw.restarted(rows, np.ones(len(rows), np.bool_)) if len(rows) else rows


def _trip(
    watch: KillWatch, rows: Rows, i: int, block: SlotBlock, references: Mapping[tuple[int, int], Reference]
) -> Trip:
    stream = int(rows.stream[i])
    return Trip(
        switch=watch.switch,
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
    )
