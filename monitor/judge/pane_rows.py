"""What was counted as the ledger's rows: panes, whole groups of cells, and the versions seen in them."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from psycopg2.extras import execute_values
from sqlalchemy import Connection, text

from monitor.judge.unwritten import GROUP
from monitor.ledger.engine import bare_cursor
from monitor.records import fold
from monitor.records.delta import PANE_MS, Cells, Sums, Versions

_PANES: Final = """
    INSERT INTO tocsin_ledger.pane
        (stream_id, signal, slice_id, pane_start, evidence_start, n, total, buckets, counts)
    VALUES %s
    ON CONFLICT (stream_id, signal, slice_id, pane_start, evidence_start, step_s)
    DO UPDATE SET n = excluded.n, total = excluded.total, buckets = excluded.buckets, counts = excluded.counts
"""
_PANE_TEMPLATE: Final = "(%s, %s, %s, to_timestamp(%s), to_timestamp(%s), %s, %s, %s::int[], %s::bigint[])"
_SECONDS: Final = PANE_MS // 1000


def write_panes(conn: Connection, cells: Cells, sums: Sums) -> None:
    """Store whole pane rows, replacing what an open pane had before."""
    if len(cells.stream):
        with bare_cursor(conn) as cursor:
            execute_values(cursor, _PANES, _pane_rows(cells, sums), _PANE_TEMPLATE, page_size=1000)


def _pane_rows(cells: Cells, sums: Sums) -> Iterator[tuple[Any, ...]]:
    """A row for each group, made as it is asked for: as objects, all of them take ten times what the arrays do."""
    keys, order, starts = fold.grouped([getattr(cells, name) for name in GROUP])
    buckets, counts = cells.bucket[order], cells.count[order]
    n = np.add.reduceat(counts, starts).tolist()
    ends = np.append(starts[1:], len(order)).tolist()
    totals = dict(zip(_group_keys(sums), sums.total.tolist(), strict=True))
    columns = zip(*(k.tolist() for k in keys), starts.tolist(), ends, n, strict=True)
    for stream_id, slice_id, signal, pane, evidence, start, end, size in columns:
        total = totals.get((stream_id, slice_id, signal, pane, evidence))
        times = (pane * _SECONDS, evidence * _SECONDS)
        held = (buckets[start:end].tolist(), counts[start:end].tolist())
        yield (stream_id, signal, slice_id, *times, size, total, *held)


def _group_keys(table: Sums) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(table, name).tolist() for name in GROUP), strict=True))


def pane_days(cells: Cells) -> set[int]:
    """The days (days since the epoch) that pane rows fall on."""
    return set((np.unique(cells.pane) * PANE_MS // 86_400_000).tolist())


_VERSIONS: Final = text("""
    INSERT INTO tocsin_ledger.version (stream_id, version, slice_id, first_seen, last_seen, n)
    SELECT :stream, s.value, s.slice_id, to_timestamp(:first / 1000.0), to_timestamp(:last / 1000.0), :n
    FROM tocsin_ledger.slice s WHERE s.slice_id = :slice
    ON CONFLICT (stream_id, version) DO UPDATE SET
        first_seen = least(version.first_seen, excluded.first_seen),
        last_seen = greatest(version.last_seen, excluded.last_seen),
        n = version.n + excluded.n
""")


def write_versions(conn: Connection, versions: Versions) -> None:
    """Add to when each version was seen, and how often."""
    columns = (versions.stream, versions.slice, versions.first_ms, versions.last_ms, versions.count)
    rows = [
        {"stream": s, "slice": v, "first": first, "last": last, "n": n}
        for s, v, first, last, n in zip(*(c.tolist() for c in columns), strict=True)
    ]
    if rows:
        conn.execute(_VERSIONS, rows)
