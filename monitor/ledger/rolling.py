"""Roll-ups: panes of 10 s become rows of five minutes, and those become rows of an hour, with the same sums (rule 15).

A row goes in the transaction that adds it to its coarser row, so a reader sees every record once at any time. What
came late keeps rows of its own, so `late` stays true. Users are the exception to the sums: a row holds the 256
smallest hashes of theirs, as a pane does.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from monitor.ledger import partitions
from monitor.ledger.moments import moment
from monitor.ledger.partitions import DAY_MS, Parent
from monitor.ledger.tables import KEEP_5M, KEEP_10S, PANE_1H, PANE_5M, PANE_10S, alone
from monitor.records.fold import SKETCH_SIZE
from monitor.records.signals import ALL_USERS, FAILED_USERS

ROLL_LOCK: Final = 0x746F6376


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of `source` become rows of `target`, which hold `seconds` each."""

    source: Parent
    target: Parent
    seconds: int


TO_5M: Final = Step(PANE_10S, PANE_5M, 300)
TO_1H: Final = Step(PANE_5M, PANE_1H, 3600)

# Each (stream, signal, slice) of a table by one probe of its index, not by reading it.
_KEYS: Final = """
    WITH RECURSIVE key AS (
        (SELECT stream_id, signal, slice_id FROM tocsin_ledger.{child}
         WHERE evidence_start < :before ORDER BY 1, 2, 3 LIMIT 1)
        UNION ALL
        SELECT following.* FROM key CROSS JOIN LATERAL (
            SELECT c.stream_id, c.signal, c.slice_id FROM tocsin_ledger.{child} c
            WHERE (c.stream_id, c.signal, c.slice_id) > (key.stream_id, key.signal, key.slice_id)
              AND c.evidence_start < :before
            ORDER BY 1, 2, 3 LIMIT 1
        ) following
    )
    SELECT stream_id, signal, slice_id FROM key
"""

# Rows that are there already are taken out with the finer ones, and come back as part of the sum.
_ROLL: Final = text("""
    WITH taken AS (
        DELETE FROM tocsin_ledger.pane p
        WHERE p.stream_id = :stream AND p.signal = :signal AND p.slice_id = :slice
          AND p.pane_start >= :since AND p.pane_start < :until
          AND (p.step_s = :seconds OR (p.step_s < :seconds AND p.evidence_start < :before))
        RETURNING date_bin(:seconds * interval '1 second', p.pane_start, timestamptz 'epoch') AS pane_start,
                  p.evidence_start > p.pane_start AS late, p.evidence_start, p.total, p.buckets, p.counts
    ), cell AS (
        SELECT t.pane_start, t.late, b.bucket, sum(b.count)::bigint AS count,
               row_number() OVER (PARTITION BY t.pane_start, t.late ORDER BY b.bucket) AS i
        FROM taken t CROSS JOIN LATERAL unnest(t.buckets, t.counts) AS b (bucket, count)
        GROUP BY 1, 2, 3
    ), head AS (
        SELECT pane_start, late, max(evidence_start) AS evidence_start, sum(total) AS total FROM taken GROUP BY 1, 2
    )
    INSERT INTO tocsin_ledger.pane
        (stream_id, signal, slice_id, pane_start, evidence_start, n, total, buckets, counts, step_s)
    SELECT :stream, :signal, :slice, h.pane_start, CASE WHEN h.late THEN h.evidence_start ELSE h.pane_start END,
           sum(c.count), h.total, array_agg(c.bucket ORDER BY c.bucket), array_agg(c.count ORDER BY c.bucket), :seconds
    FROM head h JOIN cell c USING (pane_start, late)
    WHERE c.i <= :most OR NOT :capped
    GROUP BY h.pane_start, h.late, h.evidence_start, h.total
""")


def roll_up(
    engine: Engine,
    closed_ms: int,
    *,
    keep_10s: timedelta = KEEP_10S,
    keep_5m: timedelta = KEEP_5M,
    for_s: float = 300,
) -> int:
    """Make coarser what is older than it is kept, for at most `for_s` seconds; returns how many rows were made.

    `closed_ms` is up to where the judge has closed panes: it may write a later one again. Whole days go, and a row that
    came late goes by when it came. Where another replica is at it nothing is done.
    """
    until, made = time.monotonic() + for_s, 0
    with alone(engine, ROLL_LOCK) as mine:
        if not mine:
            return 0
        for step, keep in ((TO_5M, keep_10s), (TO_1H, keep_5m)):
            before_ms = (closed_ms - keep // timedelta(milliseconds=1)) // DAY_MS * DAY_MS
            made += _roll(engine, step, before_ms, until)
    return made


def _roll(engine: Engine, step: Step, before_ms: int, until: float) -> int:
    made = 0
    for number in partitions.attached(engine, step.source):
        if number * step.source.span_ms >= before_ms:
            break
        span = _span(step, number)
        keys = _keys(engine, step.source.child(number), before_ms)
        if keys:
            days = range(span["since"], span["until"], DAY_MS)
            partitions.ensure(engine, step.target, {day // step.target.span_ms for day in days})
        made += _roll_keys(engine, step, span, keys, before_ms, until)
    return made


def _span(step: Step, number: int) -> dict[str, int]:
    since = number * step.source.span_ms
    return {"since": since, "until": since + step.source.span_ms}


def _keys(engine: Engine, child: str, before_ms: int) -> list[Any]:
    with engine.begin() as conn:
        return list(conn.execute(text(_KEYS.format(child=child)), {"before": moment(before_ms)}))


def _roll_keys(
    engine: Engine, step: Step, span: dict[str, int], keys: Iterable[Any], before_ms: int, until: float
) -> int:
    made = 0
    for stream, signal, slice_id in keys:
        if time.monotonic() >= until:
            break
        with engine.begin() as conn:
            made += _roll_key(conn, step, span, (stream, signal, slice_id), before_ms)
    return made


def _roll_key(
    conn: Connection, step: Step, span: dict[str, int], key: tuple[int, int, int], before_ms: int
) -> int:
    stream, signal, slice_id = key
    values = {
        "stream": stream,
        "signal": signal,
        "slice": slice_id,
        "since": moment(span["since"]),
        "until": moment(min(span["until"], before_ms)),
        "before": moment(before_ms),
        "seconds": step.seconds,
        "capped": signal in (ALL_USERS, FAILED_USERS),
        "most": SKETCH_SIZE,
    }
    return conn.execute(_ROLL, values).rowcount
