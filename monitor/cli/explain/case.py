"""An incident and everything stored about it: its rule, its reference, and the panes around its onset."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from monitor.ledger.facts import Facts, facts_of
from monitor.records.delta import PANE_MS

PANE: Final = timedelta(milliseconds=PANE_MS)
FEWEST_BEFORE: Final = 10
MOST_BEFORE: Final = 360
AFTER: Final = 6


_INCIDENT: Final = text("SELECT * FROM tocsin_ledger.incident WHERE incident_id = :id")
_CONFIG: Final = text("SELECT yaml_redacted FROM tocsin.configs WHERE config_hash = :hash")

_PANES: Final = text("""
    SELECT date_bin(:step, p.pane_start, :since) AS at, b.bucket, sum(b.count)::bigint AS n,
           tocsin_ledger.bucket_value(g.scale, b.bucket) AS value,
           tocsin_ledger.category_name(b.bucket, c.name) AS category
    FROM tocsin_ledger.stream s
    JOIN tocsin_ledger.pane p USING (stream_id)
    JOIN tocsin_ledger.signal g ON g.code = p.signal
    CROSS JOIN LATERAL unnest(p.buckets, p.counts) AS b (bucket, count)
    LEFT JOIN tocsin_ledger.category c
        ON c.stream_id = p.stream_id AND c.signal = p.signal AND c.category_id = b.bucket
    WHERE s.key = :stream AND g.name = :signal AND p.slice_id = 0
      AND p.pane_start >= :since AND p.pane_start < :until
    GROUP BY 1, 2, 4, 5 ORDER BY 1
""")
_REFERENCE: Final = text("""
    SELECT r.reference_id, r.origin, r.provisional, r.n AS records, r.learned_from, r.learned_until,
           b.bucket, b.count AS n, tocsin_ledger.bucket_value(g.scale, b.bucket) AS value,
           tocsin_ledger.category_name(b.bucket, c.name) AS category
    FROM tocsin_ledger.reference r
    JOIN tocsin_ledger.signal g ON g.code = r.signal
    CROSS JOIN LATERAL (
        SELECT bucket, count FROM unnest(r.buckets, r.counts) AS u (bucket, count)
        WHERE cardinality(CAST(:hours AS int[])) = 0
        UNION ALL
        SELECT bucket, count FROM tocsin_ledger.reference_hour h, unnest(h.buckets, h.counts) AS u (bucket, count)
        WHERE h.reference_id = r.reference_id AND h.hour = ANY(CAST(:hours AS int[]))
    ) b
    LEFT JOIN tocsin_ledger.category c
        ON c.stream_id = r.stream_id AND c.signal = r.signal AND c.category_id = b.bucket
    WHERE r.reference_id = :reference
""")
_TRAFFIC: Final = text("""
    SELECT date_bin(:step, pane_start, :since) AS at, sum(n)::bigint AS n
    FROM tocsin.panes WHERE stream = :stream AND pane_start >= :since AND pane_start < :until
    GROUP BY 1 ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class Event:
    """What was counted of a signal: `what` is rate, category, above or below (an `edge`), or traffic."""

    what: str
    category: str = ""
    edge: float = 0.0

    def counted(self, buckets: Iterable[Row[Any]]) -> tuple[int, int]:
        """(k, n): how many records of `buckets` (bucket, n, value, category) were the event, and among how many.

        A category is counted among the known ones, `unknown` among all.
        """
        among = [b for b in buckets if self.what != "category" or self.category == "unknown" or b.bucket > 0]
        return sum(b.n for b in among if self._holds(b)), sum(b.n for b in among)

    def _holds(self, bucket: Row[Any]) -> bool:
        match self.what:
            case "category":
                return bool(bucket.category == self.category)
            case "above":
                return bool(bucket.value > self.edge)
            case "below":
                return bool(bucket.value <= self.edge)
            case _:
                return bool(bucket.bucket == 1)


@dataclass(frozen=True, slots=True)
class Span:
    """`k` events among `n` records from `at` on, until the next span."""

    at: datetime
    k: int
    n: int


@dataclass(frozen=True, slots=True)
class Normal:
    """The reference that it was held against: `k` events among `n` of its `records`."""

    reference_id: int
    origin: str
    provisional: bool
    records: int
    learned_from: datetime
    learned_until: datetime
    k: int
    n: int


@dataclass(frozen=True, slots=True)
class Case:
    """All that the ledger holds: `row` of incidents, its facts, its reference, the configuration's text."""

    row: Row[Any]
    facts: Facts
    event: Event
    stored_limit: float | None
    reference: Normal | None
    yaml: str | None
    step: timedelta
    spans: tuple[Span, ...]


def read_case(conn: Connection, incident_id: str, most: int) -> Case | None:
    """The incident with at most `most` spans around its onset; None where there is no such incident."""
    row = conn.execute(_INCIDENT, {"id": incident_id}).first()
    if row is None:
        return None
    facts = facts_of(row.facts)
    event = _event(row, facts)
    step, spans = _spans(conn, row, event, most)
    limit = row.facts.get("limit")
    return Case(
        row=row,
        facts=facts,
        event=event,
        stored_limit=None if limit is None else float(limit),
        reference=_reference(conn, row, event, facts.reference_hours),
        yaml=conn.execute(_CONFIG, {"hash": row.config_hash}).scalar(),
        step=step,
        spans=spans,
    )


def _event(row: Row[Any], facts: Facts) -> Event:
    quantity = row.quantity or ""
    if quantity == "rate":
        return Event("rate")
    if quantity.startswith("share:"):
        return Event("category", category=quantity.removeprefix("share:"))
    if quantity.startswith("p") and row.at_least is not None:
        return Event("below" if facts.side == "down" else "above", edge=row.at_least)
    return Event("traffic")


def _reference(conn: Connection, row: Row[Any], event: Event, hours: Sequence[int]) -> Normal | None:
    found = conn.execute(_REFERENCE, {"reference": row.reference_id, "hours": list(hours)}).all()
    if not found:
        return None
    first, (k, n) = found[0], event.counted(found)
    return Normal(
        reference_id=first.reference_id,
        origin=first.origin,
        provisional=first.provisional,
        records=first.records,
        learned_from=first.learned_from,
        learned_until=first.learned_until,
        k=k,
        n=n,
    )


def _spans(conn: Connection, row: Row[Any], event: Event, most: int) -> tuple[timedelta, tuple[Span, ...]]:
    since, until = _window(row.onset_at, row.detected_at)
    step = -(-((until - since) // PANE) // most) * PANE
    asked = {"stream": row.stream, "since": since, "until": until, "step": step}
    if event.what == "traffic" or row.signal is None:
        return step, tuple(Span(r.at, 0, r.n) for r in conn.execute(_TRAFFIC, asked))
    found = conn.execute(_PANES, {**asked, "signal": row.signal}).all()
    return step, tuple(Span(at, *event.counted(rows)) for at, rows in groupby(found, key=lambda r: r.at))


def _window(onset: datetime, detected: datetime) -> tuple[datetime, datetime]:
    """From as long before the onset as it took to detect, at least ten panes, to six panes after the detection."""
    first = datetime.fromtimestamp(onset.timestamp() // 10 * 10, onset.tzinfo)
    before = min(max((detected - onset) // PANE, FEWEST_BEFORE), MOST_BEFORE)
    return first - before * PANE, max(detected, onset) + AFTER * PANE
