"""Stored panes as the judge closed them, and what held at their time: what commands judge once more."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, select, text

from monitor.judge import adopting, core, gaps, reference_rows, store
from monitor.judge.block import PaneBlock, pane_counts, pane_sums, sliced_counts
from monitor.judge.plan import Plan
from monitor.judge.reference import REQUESTS
from monitor.judge.state import JudgeState, StreamState
from monitor.judge.traffic import KEPT, STRETCH_MS, Week
from monitor.judge.verdicts import Decision, Learned
from monitor.ledger import references
from monitor.ledger.counted import slice_, stream
from monitor.ledger.moments import millis, moment
from monitor.records.delta import PANE_MS, Cells, Sums

# What is coarser than 10 s cannot be judged again, and a day that is being made coarser is not all there.
_SPAN: Final = text("""
    SELECT greatest(
        (SELECT min(evidence_start) FROM tocsin_ledger.pane WHERE step_s = 10),
        (SELECT date_trunc('day', max(pane_start)) + interval '1 day' FROM tocsin_ledger.pane WHERE step_s > 10)
    ), (SELECT max(evidence_start) FROM tocsin_ledger.pane WHERE step_s = 10)
""")
_ROWS: Final = text("""
    SELECT p.evidence_start, p.stream_id, p.slice_id, p.signal, b.bucket, b.count,
           CASE WHEN b.i = 1 THEN p.total END AS total
    FROM tocsin_ledger.pane p, unnest(p.buckets, p.counts) WITH ORDINALITY AS b (bucket, count, i)
    WHERE p.step_s = 10 AND p.slice_id = ANY (:slices) AND p.evidence_start >= :since AND p.evidence_start < :until
      AND (CAST(:signals AS int[]) IS NULL OR p.signal = ANY (:signals))
    ORDER BY p.evidence_start
""")
_HEARD: Final = text("""
    SELECT p.stream_id, floor(extract(epoch FROM p.evidence_start) * 1000 / :stretch_ms)::bigint AS stretch,
           sum(p.n)::bigint AS n, min(p.evidence_start) AS first, max(p.evidence_start) AS last
    FROM tocsin_ledger.pane p
    WHERE p.slice_id = 0 AND p.signal = :requests AND p.evidence_start < :until
    GROUP BY 1, 2 ORDER BY 1, 2
""")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Panes from `first` up to, not including, `end`."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """A reference that a person gave, and the first pane that was held against it."""

    pane: int
    given: Learned


def kept(conn: Connection) -> Stretch | None:
    """From the first stored pane to the last that the daemon has judged; None where nothing is stored."""
    first, last = conn.execute(_SPAN).one()
    if first is None:
        return None
    memory = store.load(conn)
    judged = memory.core.next_pane if memory else None
    return Stretch(_pane(first), _pane(last) + 1 if judged is None else judged)


def judged(
    conn: Connection, plan: Plan, stretch: Stretch, state: JudgeState, signals: Collection[int] | None = None
) -> Iterator[tuple[JudgeState, PaneBlock, list[Decision]]]:
    """The core over every pane of the stretch, with what it decided; only on `signals` where given.

    References from people come in where the daemon took them up.
    """
    waiting = _given(conn, stretch)
    for block, whole in _blocks(conn, plan, stretch, signals):
        decisions: list[Decision] = []
        while waiting and waiting[0].pane <= block.pane:
            state, decisions = _adopted(state, waiting.pop(0).given, plan, block)
        step = core.pane_step if whole else core.traffic_step
        state, found = step(state, block, plan)
        yield state, block, decisions + found


def held_at(conn: Connection, plan: Plan, pane: int) -> JudgeState:
    """What is known as `pane` begins: references, streams and their last week; not evidence, totals or incidents."""
    at = moment(pane * PANE_MS)
    asked = {"requests": REQUESTS, "until": at, "stretch_ms": STRETCH_MS}
    heard = {s: list(rows) for s, rows in groupby(conn.execute(_HEARD, asked), lambda row: row.stream_id)}
    begun = JudgeState(
        next_pane=pane,
        streams={s: _stream(rows) for s, rows in heard.items()},
        weeks={s: _week(rows) for s, rows in heard.items()},
    )
    held = [reference_rows.learned(conn, row) for row in references.held_at(conn, at)]
    return adopting.adopt(begun, held, plan, pane * PANE_MS)[0]


def _stream(stretches: Sequence[Any]) -> StreamState:
    first, last = millis(stretches[0].first), millis(stretches[-1].last) + PANE_MS
    return StreamState(first, last, sum(row.n for row in stretches))


def _week(stretches: Sequence[Any]) -> Week:
    first, last = stretches[0].stretch, stretches[-1].stretch
    counts = np.zeros(last - first + 1, np.int64)
    counts[[row.stretch - first for row in stretches]] = [row.n for row in stretches]
    drop = max(len(counts) - KEPT, 0)
    return Week(first + drop, counts[drop:])


def _given(conn: Connection, stretch: Stretch) -> list[Adopted]:
    after, until = moment(stretch.first * PANE_MS), moment(stretch.end * PANE_MS)
    rows = references.given_between(conn, after, until)
    return [Adopted(_pane(row.held_from), reference_rows.learned(conn, row)) for row in rows]


def _adopted(
    state: JudgeState, given: Learned, plan: Plan, block: PaneBlock
) -> tuple[JudgeState, list[Decision]]:
    """Numbered anew: with other rules other references are learned, and two of one number would be taken for one."""
    reference = replace(given.reference, reference_id=state.next_reference)
    return adopting.adopt(state, [replace(given, reference=reference)], plan, block.start_ms)


def _blocks(
    conn: Connection, plan: Plan, stretch: Stretch, signals: Collection[int] | None
) -> Iterator[tuple[PaneBlock, bool]]:
    """Closed panes in order, with those of the gaps between them that are looked at too."""
    labels = {row.stream_id: row.labels for row in conn.execute(select(stream.c.stream_id, stream.c.labels))}
    fields = _slice_fields(conn, plan)
    asked = {
        "slices": [0, *fields],
        "signals": None if signals is None else sorted(signals),
        "since": moment(stretch.first * PANE_MS),
        "until": moment(stretch.end * PANE_MS),
    }
    rows = conn.execution_options(yield_per=5_000).execute(_ROWS, asked)
    following = stretch.first
    for start, of_pane in groupby(rows, lambda row: row.evidence_start):
        pane = _pane(start)
        yield from _empty(following, pane, plan, labels)
        stored = list(of_pane)
        cells, sums = _cells(pane, stored), pane_sums(_sums(pane, stored)) if plan.totals else {}
        sliced = sliced_counts(cells, fields, plan.sliced)
        yield PaneBlock(pane, pane_counts(cells), labels, sliced=sliced, sums=sums), True
        following = pane + 1
    yield from _empty(following, stretch.end, plan, labels)


def _empty(first: int, end: int, plan: Plan, labels: Mapping[int, Any]) -> Iterator[tuple[PaneBlock, bool]]:
    return ((PaneBlock(pane, {}, labels), whole) for pane, whole in gaps.closed_in(first, end, plan))


def _slice_fields(conn: Connection, plan: Plan) -> dict[int, str]:
    if not plan.sliced:
        return {}
    rows = conn.execute(select(slice_.c.slice_id, slice_.c.field).where(slice_.c.field.in_(plan.sliced)))
    return {row.slice_id: row.field for row in rows}


def _cells(pane: int, rows: Sequence[Any]) -> Cells:
    columns = np.array([tuple(row)[1:6] for row in rows], np.int64).T
    stream_id, slice_id, signal, bucket, count = columns
    at = np.full(len(rows), pane)
    return Cells(stream_id, slice_id, signal, at, at, bucket, count)


def _sums(pane: int, rows: Sequence[Any]) -> Sums:
    valued = [row for row in rows if row.total is not None]
    keys = [(row.stream_id, row.slice_id, row.signal, pane, pane) for row in valued]
    stream_id, slice_id, signal, at, evidence = np.array(keys, np.int64).reshape(-1, 5).T
    totals = np.array([row.total for row in valued], np.float64)
    return Sums(stream_id, slice_id, signal, at, evidence, totals)


def _pane(start: Any) -> int:
    return millis(start) // PANE_MS
