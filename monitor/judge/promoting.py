"""A reference from a stretch of stored panes: promoted by hand, or accepted after a change."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection

from detectors import base_rates
from monitor.config.model import Config
from monitor.errors import UsageError
from monitor.judge import hours, trial
from monitor.judge.block import Counts, folded
from monitor.judge.hour_rows import rows_of
from monitor.judge.reference import ENOUGH_VALUES, Reference
from monitor.ledger import references
from monitor.ledger.moments import millis
from monitor.ledger.references import New
from monitor.records.delta import PANE_MS
from monitor.records.signals import Kind, Signal


def promote(
    conn: Connection,
    stream_id: int,
    signal: Signal,
    since: datetime,
    until: datetime,
    origin: str,
    note: str,
    *,
    by_hour: bool = False,
) -> int:
    """Make what the panes from `since` to `until` hold the reference, `by_hour` of the week too; returns its id.

    Rows that roll-ups made coarser do not say how records hang together: the judge then finds a block by itself.
    Raises UsageError where they hold too few values to say what is normal.
    """
    rows = references.panes_between(conn, stream_id, signal.code, since, until)
    found = sum(row.count for row in rows)
    if found < ENOUGH_VALUES:
        raise UsageError(
            f"{signal.name} has {found:,} values from {since:%Y-%m-%d %H:%M:%S} to {until:%H:%M:%S}, and a reference "
            f"needs {ENOUGH_VALUES}: name a longer time, or wait for more"
        )
    return references.add(conn, _new(stream_id, signal, rows, origin, note, by_hour))


def _new(stream_id: int, signal: Signal, rows: Sequence[Any], origin: str, note: str, by_hour: bool) -> New:
    first, last = rows[0].pane_start, rows[-1].pane_start
    one = np.zeros(len(rows), np.int64)
    bucket = np.array([row.bucket for row in rows], np.int64)
    count = np.array([row.count for row in rows], np.int64)
    whole = folded(one, bucket, count)
    n, until = int(count.sum()), last + timedelta(seconds=rows[-1].step_s)
    reference = Reference(0, False, n, millis(first), millis(until), whole.bucket, whole.count)
    panes = np.array([millis(row.pane_start) // PANE_MS for row in rows], np.int64)
    rates = base_rates.of_panes(panes, bucket, count)
    found = None
    if all(row.step_s * 1000 == PANE_MS for row in rows):
        found = trial.correlation(trial.past(signal, reference, panes, Counts(one, bucket, count)), 0)
    return New(
        stream_id=stream_id,
        signal=signal.code,
        origin=origin,
        provisional=False,
        learned_from=first,
        learned_until=until,
        buckets=whole.bucket.tolist(),
        counts=whole.count.tolist(),
        block_s=found.block_s if found else None,
        phi=found.phi if found else 1.0,
        rho=found.rho if found else 0.0,
        note=note,
        pane_rates=rates.rates.tolist(),
        panes=rates.panes,
        panes_inverse=rates.inverse,
        hours=rows_of(hours.of_panes(panes, PANE_MS, bucket, count)) if by_hour else (),
    )


def promotable(
    conn: Connection, config: Config, stream_id: int, since: datetime, until: datetime
) -> list[Signal]:
    """The signals of a stream that have panes then, but for traffic, which has no reference."""
    found = [config.coded(code) for code in references.signals_between(conn, stream_id, since, until)]
    return [signal for signal in found if signal is not None and signal.kind is not Kind.TRAFFIC]
