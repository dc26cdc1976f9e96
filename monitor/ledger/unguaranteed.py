"""Signals outside the promise: what was learned of them is too bursty, or too short, to find a block for."""

from typing import Final

from sqlalchemy import Connection, text

BY_STREAM: Final = """
    SELECT s.key AS stream, string_agg(g.name, ', ' ORDER BY g.name) AS signals
    FROM tocsin_ledger.reference r
    JOIN tocsin_ledger.stream s USING (stream_id)
    JOIN tocsin_ledger.signal g ON g.code = r.signal
    WHERE r.retired_at IS NULL AND r.block_s IS NULL AND NOT r.provisional AND s.state = 'watched'
    GROUP BY 1 ORDER BY 1
"""
"""Each watched stream with the signals whose rules run without guarantee, `docs/references.md`."""

_OF_STREAM: Final = text(f"SELECT signals FROM ({BY_STREAM}) AS found WHERE stream = :stream")  # noqa: S608


def of_stream(conn: Connection, stream: str) -> str:
    """The signals of one stream, "" where there are none."""
    return conn.execute(_OF_STREAM, {"stream": stream}).scalar() or ""
