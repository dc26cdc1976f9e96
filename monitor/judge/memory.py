"""From consumed checkpoints to blocks for the core: fold, move the watermark, close panes and slots in order.

No I/O and no clock of its own: `run` feeds it from the ledger, `replay` from a file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

import numpy as np

from monitor.judge import adopting, core, gaps, watermark
from monitor.judge.block import (
    Counts,
    Labels,
    PaneBlock,
    SlotBlock,
    pane_counts,
    pane_sums,
    sliced_counts,
    slot_counts,
)
from monitor.judge.kill import Switches
from monitor.judge.kill_seconds import KillSeconds
from monitor.judge.language_samples import sample_cells
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.subsets import Waiting, by_evidence, by_slot, of_clock, of_pane, where
from monitor.judge.unwritten import due, sums_of, whole_groups
from monitor.judge.verdicts import Decision, Learned
from monitor.judge.watermark import Mark, PartitionKey, Progress
from monitor.records import fold
from monitor.records.delta import (
    EVENT_CLOCK,
    KAFKA_CLOCK,
    PANE_MS,
    SLOT_MS,
    Cells,
    Delta,
    Sums,
    Versions,
)
from monitor.records.signals import BY_NAME

RECENT_PANES: Final = 60
LATE = BY_NAME["late"].code


@dataclass(frozen=True, slots=True)
class Consumed:
    """One checkpoint, in the ledger's ids; marks of people have no `mark`: they move no watermark and hold none."""

    key: PartitionKey
    mark: Mark | None
    delta: Delta


@dataclass(frozen=True, slots=True)
class Memory:
    """All that the judge must remember: the core's state, the watermark, and what is counted but not yet judged.

    `recent` holds (pane, records, late records) of the last closed panes, `late` counts late records so far.
    `unwritten` are cells of open panes whose rows were not stored yet, one by one as they came.
    """

    progress: Progress
    core: JudgeState = field(default_factory=JudgeState)
    open: Delta = field(default_factory=Delta)
    recent: tuple[tuple[int, int, int], ...] = ()
    late: int = 0
    unwritten: Cells = field(default_factory=Cells)


@dataclass(frozen=True, slots=True)
class Advance:
    """What one tick came to; `cells` and `sums` are the pane rows to store, whole groups of what changed.

    `sampled` are those of them that came from closed language samples. `complete` says that no row is left unwritten.
    """

    memory: Memory
    decisions: tuple[Decision, ...]
    cells: Cells
    sums: Sums
    sampled: Cells
    versions: Versions

    @property
    def complete(self) -> bool:
        return not len(self.memory.unwritten.stream)


@dataclass(frozen=True, slots=True)
class Context:
    """What the core is told of the world: labels of streams, switches, and streams whose switch is tripped.

    `deaf` keeps silence from being news, as at the end of a file. Unless `rows_due`, the rows of panes still open may
    wait where they are many and nothing was decided. `given` are references from people, not adopted yet. In a
    `rehearsal` no switch is ever pulled. `slices` is the field of every slice known.
    """

    plan: Plan
    labels: Labels
    switches: Switches
    paused: frozenset[int] = frozenset()
    deaf: bool = False
    rows_due: bool = True
    given: tuple[Learned, ...] = ()
    rehearsal: bool = False
    slices: Mapping[int, str] = field(default_factory=dict)


def advance(
    memory: Memory, consumed: Sequence[Consumed], listed: Iterable[PartitionKey], context: Context
) -> Advance:
    """Fold checkpoints, close what the watermark has passed, and decide."""
    progress = _moved(memory.progress, consumed, listed)
    fresh = _joining(memory, _fresh(consumed), progress)
    opened = fold.fold([memory.open, fresh])
    memory = replace(memory, progress=progress, open=opened, core=_begun(memory.core, opened, progress))
    unwritten = fold.concat([memory.unwritten, fresh.cells], Cells)
    memory, decisions = _given(memory, context)
    seconds = _seconds(memory, context)
    memory, closed_cells = _panes(memory, context, seconds, decisions)
    memory = _windows(memory, context, decisions)
    memory = _kills(memory, context, seconds, decisions)
    stored = due(unwritten, memory.core.next_pane or 0, whole=context.rows_due or bool(decisions))
    cells = whole_groups(opened.cells, where(unwritten, stored))
    return Advance(
        memory=replace(memory, unwritten=where(unwritten, ~stored)),
        decisions=tuple(decisions),
        cells=fold.concat([cells, closed_cells], Cells),
        sums=sums_of(opened.sums, cells),
        sampled=closed_cells,
        versions=fresh.versions,
    )


def _given(memory: Memory, context: Context) -> tuple[Memory, list[Decision]]:
    at_ms = memory.progress.event_ms or max(memory.progress.now_ms, 0)
    state, decisions = adopting.adopt(memory.core, context.given, context.plan, at_ms)
    return replace(memory, core=state), decisions


def _moved(progress: Progress, consumed: Sequence[Consumed], listed: Iterable[PartitionKey]) -> Progress:
    since = progress.now_ms
    for checkpoint in consumed:
        if checkpoint.mark is not None:
            progress = watermark.consumed(progress, checkpoint.key, checkpoint.mark)
    progress = watermark.listed(progress, listed)
    return watermark.advance(progress, since)


def _fresh(consumed: Sequence[Consumed]) -> Delta:
    """The sum of what came; kill slots count only from checkpoints that were caught up."""
    return fold.fold([c.delta if c.mark and c.mark.caught_up else _harmless(c.delta) for c in consumed])


def _harmless(delta: Delta) -> Delta:
    return replace(delta, slots=of_clock(delta.slots, EVENT_CLOCK))


def _joining(memory: Memory, fresh: Delta, progress: Progress) -> Delta:
    """What came for a closed pane joins the evidence of the first open one."""
    first = memory.core.next_pane
    if first is None:
        return fresh
    cells = replace(fresh.cells, evidence=np.maximum(fresh.cells.evidence, first))
    sums = replace(fresh.sums, evidence=np.maximum(fresh.sums.evidence, first))
    languages = replace(fresh.languages, evidence=np.maximum(fresh.languages.evidence, first))
    return replace(fresh, cells=fold.fold_cells(cells), sums=fold.fold_sums(sums), languages=languages)


def _begun(state: JudgeState, opened: Delta, progress: Progress) -> JudgeState:
    """Judging begins with the first pane of any partition, so not before every partition has spoken.

    Not after the watermark: what is not late yet may come for a pane before that of the first record.
    """
    if state.next_pane is not None or progress.event_ms is None or not len(opened.cells.evidence):
        return state
    return replace(state, next_pane=min(int(opened.cells.evidence.min()), progress.event_ms // PANE_MS))


def _panes(
    memory: Memory, context: Context, seconds: KillSeconds, decisions: list[Decision]
) -> tuple[Memory, Cells]:
    """Close every evidence pane that the watermark has passed, after the seconds that had closed before it.

    However much is consumed at once, a kill then comes before what panes see later. Returns the sampled cells that
    closing made.
    """
    reached, sampled = memory.progress.event_ms, []
    if reached is None or memory.core.next_pane is None:
        return memory, Cells()
    opened = memory.open
    waiting = Waiting(by_evidence(opened.cells), by_evidence(opened.languages), by_evidence(opened.sums))
    end, waits_ms = reached // PANE_MS, memory.progress.longest_lateness_ms
    while (pane := memory.core.next_pane or 0) < end:
        closes_ms = (pane + 1) * PANE_MS + waits_ms
        memory = replace(memory, core=seconds.judge(memory.core, closes_ms, decisions))
        memory, closed = _close(memory, waiting, pane, context, decisions)
        sampled.append(closed)
        memory = _through_gap(memory, min(waiting.first_after(pane, end), end), context, decisions)
    return _without_closed(memory), fold.concat(sampled, Cells)


def _without_closed(memory: Memory) -> Memory:
    first, opened = memory.core.next_pane or 0, memory.open
    opened = replace(
        opened,
        cells=where(opened.cells, opened.cells.evidence >= first),
        sums=where(opened.sums, opened.sums.evidence >= first),
        languages=where(opened.languages, opened.languages.evidence >= first),
    )
    return replace(memory, open=opened)


def _through_gap(memory: Memory, end: int, context: Context, decisions: list[Decision]) -> Memory:
    """Close the empty panes before `end`."""
    state, blind = memory.core, _blind(memory, context)
    for pane, whole in gaps.closed_in(state.next_pane or 0, end, context.plan):
        block = PaneBlock(pane, {}, context.labels, blind, context.paused)
        step = core.pane_step if whole else core.traffic_step
        state, found = step(state, block, context.plan)
        decisions += found
    return replace(memory, core=replace(state, next_pane=max(end, state.next_pane or 0)))


def _blind(memory: Memory, context: Context) -> bool:
    return context.deaf or not watermark.complete(memory.progress)


def _close(
    memory: Memory, waiting: Waiting, pane: int, context: Context, decisions: list[Decision]
) -> tuple[Memory, Cells]:
    sampled = sample_cells(of_pane(waiting.languages, pane))
    cells = fold.concat([of_pane(waiting.cells, pane), sampled], Cells)
    counts, sliced = pane_counts(cells), sliced_counts(cells, context.slices, context.plan.sliced)
    sums = pane_sums(of_pane(waiting.sums, pane)) if context.plan.totals else {}
    block = PaneBlock(pane, counts, context.labels, _blind(memory, context), context.paused, sliced, sums)
    state, found = core.pane_step(memory.core, block, context.plan)
    decisions += found
    n, late = _late(counts)
    recent = (*memory.recent, (pane, n, late))[-RECENT_PANES:]
    return replace(memory, core=state, recent=recent, late=memory.late + late), sampled


def _late(counts: Mapping[int, Counts]) -> tuple[int, int]:
    if LATE not in counts:
        return 0, 0
    late = counts[LATE]
    return int(late.count.sum()), int(late.count[late.bucket == 1].sum())


def _windows(memory: Memory, context: Context, decisions: list[Decision]) -> Memory:
    """Slide plain windows over every second of event time that has closed."""
    reached = memory.progress.event_ms
    if reached is None:
        return memory
    slots, end = memory.open.slots, reached // SLOT_MS
    mine = (slots.clock == EVENT_CLOCK) & (slots.slot < end)
    state = memory.core
    ready = where(slots, mine & (slots.slot >= (state.next_slot or 0)))
    for slot, counted in by_slot(ready):
        block = SlotBlock(slot, slot_counts(counted), context.labels, context.paused)
        state, found = core.slot_step(state, block, context.plan)
        decisions += found
    state = replace(state, next_slot=max(end, state.next_slot or 0))
    return replace(memory, core=state, open=replace(memory.open, slots=where(slots, ~mine)))


def _seconds_end(memory: Memory, context: Context) -> int | None:
    """The first second of Kafka time that is still open; None where nothing can kill."""
    return watermark.slots_closed(memory.progress) if context.plan.kills else None


def _seconds(memory: Memory, context: Context) -> KillSeconds:
    """The closed seconds of Kafka time; what comes later never kills."""
    slots, first = memory.open.slots, memory.core.next_kill_slot or 0
    end = _seconds_end(memory, context) or 0
    closed = where(slots, (slots.clock == KAFKA_CLOCK) & (slots.slot < end) & (slots.slot >= first))
    return KillSeconds(
        context.plan, context.labels, context.switches, by_slot(closed), rehearsal=context.rehearsal
    )


def _kills(memory: Memory, context: Context, seconds: KillSeconds, decisions: list[Decision]) -> Memory:
    """Judge the rest of the seconds, and keep only those that are open."""
    end, slots = _seconds_end(memory, context), memory.open.slots
    if end is None:
        return replace(memory, open=replace(memory.open, slots=of_clock(slots, EVENT_CLOCK)))
    state = seconds.judge(memory.core, inf, decisions)
    state = replace(state, next_kill_slot=max(end, state.next_kill_slot or 0))
    mine = (slots.clock == KAFKA_CLOCK) & (slots.slot < end)
    return replace(memory, core=state, open=replace(memory.open, slots=where(slots, ~mine)))
