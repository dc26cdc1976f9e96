"""References as the ledger's rows: what the judge learned, the blocks it found, and what people gave it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, select, update

from detectors.base_rates import PaneRates
from monitor.errors import LeaseLost
from monitor.judge.hour_rows import hours_of, rows_of
from monitor.judge.reference import LEARNED, Correlation, Reference
from monitor.judge.verdicts import Chosen, Learned
from monitor.ledger import references
from monitor.ledger.counted import reference
from monitor.ledger.moments import millis, moment
from monitor.records.delta import PANE_MS


def write_reference(conn: Connection, learned: Learned) -> None:
    """Store a settled reference and retire the one before it."""
    r = learned.reference
    references.replace(
        conn,
        r.reference_id,
        references.New(
            stream_id=learned.stream,
            signal=learned.signal,
            origin=r.origin,
            provisional=r.provisional,
            learned_from=moment(r.from_ms),
            learned_until=moment(r.until_ms),
            buckets=r.buckets.tolist(),
            counts=r.counts.tolist(),
            block_s=r.correlation.block_s,
            phi=r.correlation.phi,
            rho=r.correlation.rho,
            pane_rates=r.panes.rates.tolist(),
            panes=r.panes.panes,
            panes_inverse=r.panes.inverse,
            hours=rows_of(learned.hours),
            held_from=moment(r.until_ms),
        ),
    )


def write_choice(conn: Connection, chosen: Chosen) -> None:
    """Store the block that a reference has found; raises LeaseLost where it has one already."""
    c = chosen.correlation
    mine = (reference.c.reference_id == chosen.reference_id) & reference.c.block_s.is_(None)
    found = update(reference).where(mine).values(block_s=c.block_s, phi=c.phi, rho=c.rho)
    if conn.execute(found).rowcount != 1:
        raise LeaseLost(f"reference #{chosen.reference_id} has a block that this judge did not give it")


def given(conn: Connection, next_reference: int) -> tuple[Learned, ...]:
    """References that people gave since the judge numbered its last one, oldest first."""
    rows = conn.execute(
        select(reference)
        .where(reference.c.reference_id >= next_reference, reference.c.origin != LEARNED)
        .where(reference.c.retired_at.is_(None))
        .order_by(reference.c.reference_id)
    )
    return tuple(learned(conn, row) for row in rows)


def learned(conn: Connection, row: Any) -> Learned:
    """The reference of a row of the ledger, with its hours of the week where it has some."""
    hours = hours_of(references.hours(conn, row.reference_id))
    return Learned(row.stream_id, row.signal, replace(_reference(row), hourly=hours is not None), hours)


def adopted(conn: Connection, given: Sequence[Learned], pane: int) -> None:
    """Note that the judge holds against what people gave from `pane` on; raises LeaseLost where another noted it."""
    ids = [one.reference.reference_id for one in given]
    if ids and references.hold(conn, ids, moment(pane * PANE_MS)) != len(ids):
        raise LeaseLost(f"another judge has adopted some of the references {ids}")


def _reference(row: Any) -> Reference:
    return Reference(
        reference_id=row.reference_id,
        provisional=row.provisional,
        learned=row.n,
        from_ms=millis(row.learned_from),
        until_ms=millis(row.learned_until),
        buckets=np.array(row.buckets, np.int64),
        counts=np.array(row.counts, np.int64),
        correlation=Correlation(row.block_s, row.phi, row.rho),
        origin=row.origin,
        panes=PaneRates(np.array(row.pane_rates, np.float64), row.panes, row.panes_inverse),
    )
