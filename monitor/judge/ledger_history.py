"""The history that incidents are described from, read from the ledger's panes."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from sqlalchemy import Connection, select, text

from monitor.judge.history import SliceSeen, VersionSeen
from monitor.ledger.counted import category, sample, slice_, stream, version
from monitor.ledger.moments import millis, moment
from monitor.records.delta import I64, PANE_MS

_COUNTS: Final = text("""
    SELECT b.bucket, sum(b.count)::bigint
    FROM tocsin_ledger.pane p, unnest(p.buckets, p.counts) AS b(bucket, count)
    WHERE p.stream_id = :stream AND p.signal = :signal AND p.slice_id = :slice
      AND p.pane_start > :since AND p.pane_start < :until
    GROUP BY 1 ORDER BY 1
""")

_TOTAL: Final = text("""
    SELECT coalesce(sum(n), 0)::bigint FROM tocsin_ledger.pane
    WHERE stream_id = :stream AND signal = :signal AND slice_id = :slice
      AND pane_start > :since AND pane_start < :until
""")


class LedgerHistory:
    """`History` in one transaction of the judge."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def counts(
        self, stream: int, signal: int, slice_id: int, since_ms: int, until_ms: int
    ) -> tuple[I64, I64]:
        """As `History.counts`, in whole panes."""
        span = {"since": moment(since_ms - PANE_MS), "until": moment(until_ms)}
        rows = self._conn.execute(
            _COUNTS, {"stream": stream, "signal": signal, "slice": slice_id, **span}
        ).all()
        pairs = np.array([tuple(r) for r in rows], np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def total(self, stream: int, signal: int, slice_id: int, since_ms: int, until_ms: int) -> int:
        """As `History.total`, in whole panes."""
        span = {"since": moment(since_ms - PANE_MS), "until": moment(until_ms)}
        values = {"stream": stream, "signal": signal, "slice": slice_id, **span}
        return int(self._conn.execute(_TOTAL, values).scalar_one())

    def stream_key(self, stream_id: int) -> str:
        """As `History.stream_key`."""
        key = self._conn.execute(select(stream.c.key).where(stream.c.stream_id == stream_id)).scalar()
        return key or f"stream {stream_id}"

    def labels(self, stream_id: int) -> Mapping[str, str]:
        """As `History.labels`."""
        found: Mapping[str, str] | None = self._conn.execute(
            select(stream.c.labels).where(stream.c.stream_id == stream_id)
        ).scalar()
        return found or {}

    def category(self, stream: int, signal: int, category_id: int) -> str:
        """As `History.category`."""
        mine = (category.c.stream_id == stream) & (category.c.signal == signal)
        mine &= category.c.category_id == category_id
        return self._conn.execute(select(category.c.name).where(mine)).scalar() or "(other)"

    def versions(self, stream: int) -> Sequence[VersionSeen]:
        """As `History.versions`."""
        rows = self._conn.execute(
            select(version).where(version.c.stream_id == stream).order_by(version.c.first_seen)
        )
        return [VersionSeen(r.version, r.slice_id, millis(r.first_seen), millis(r.last_seen)) for r in rows]

    def slices(self, stream: int) -> Sequence[SliceSeen]:
        """As `History.slices`."""
        mine = select(slice_).where(slice_.c.stream_id == stream)
        return [SliceSeen(r.field, r.value, r.slice_id) for r in self._conn.execute(mine)]

    def traces(self, stream: int, since_ms: int, until_ms: int) -> Sequence[str]:
        """As `History.traces`, failures first."""
        mine = (sample.c.stream_id == stream) & (sample.c.trace_id != "")
        mine &= (sample.c.at >= moment(since_ms)) & (sample.c.at < moment(until_ms))
        found = select(sample.c.trace_id).where(mine).order_by(sample.c.why, sample.c.at.desc()).limit(3)
        return list(self._conn.execute(found).scalars())
