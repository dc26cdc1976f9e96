"""What was counted of some signals over some hours, in equal steps, with what is normal for them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, text

from monitor.records.delta import PANE_MS
from monitor.records.signals import OTHER_CATEGORY, UNKNOWN_CATEGORY, Signal

Buckets = Mapping[int, int]
"""How many records fell into each bucket, or category."""
Key = tuple[int, int]
"""A stream and a signal, by their numbers."""

LASTS: Final = timedelta(hours=3)
STEP: Final = timedelta(minutes=5)
PANE: Final = timedelta(milliseconds=PANE_MS)
MINUTE: Final = timedelta(minutes=1)
YOUNG: Final = timedelta(hours=1)
NOW: Final = timedelta(minutes=10)
"""What "now" is measured over, at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A signal of a stream, in [since, until)."""

    stream_id: int
    signal: Signal
    since: datetime
    until: datetime

    @property
    def key(self) -> Key:
        return self.stream_id, self.signal.code


@dataclass(frozen=True, slots=True)
class History:
    """`steps` by the time at which each begins; `reference` is empty where there is none; `names` of categories."""

    wanted: Wanted
    step: timedelta
    steps: Mapping[datetime, Buckets]
    reference: Buckets
    names: Mapping[int, str] = field(default_factory=dict)


def until(last_seen: datetime | None, lasts: timedelta = LASTS) -> datetime:
    """The end of what is shown: now, or the last record where that is longer ago than `lasts`, or ahead of us."""
    now = datetime.now(UTC)
    if last_seen is None or timedelta(0) <= now - last_seen < lasts:
        return now
    return last_seen + PANE


def lived(first_seen: datetime | None, until: datetime, lasts: timedelta) -> timedelta:
    """How much of `lasts` up to `until` a stream has been there, a pane at least."""
    return lasts if first_seen is None else max(PANE, min(lasts, until - first_seen))


def drawn_step(lasts: timedelta) -> timedelta:
    """The step of a plot over `lasts`: of a young stream a finer one, or there would be a dot or two."""
    return STEP if lasts > YOUNG else MINUTE


def histories(conn: Connection, wanted: Sequence[Wanted], step: timedelta = STEP) -> dict[Key, History]:
    """All of `wanted` at once, by stream and signal."""
    asked = _asked(wanted)
    steps: dict[Key, dict[datetime, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in conn.execute(_COUNTED, {**asked, "step": step}):
        steps[row.stream_id, row.signal][row.at][row.bucket] = row.n
    normal = {(r.stream_id, r.signal): _buckets(r) for r in conn.execute(_REFERENCES, asked)}
    names = _names(conn, asked)
    return {
        w.key: History(w, step, steps.get(w.key, {}), normal.get(w.key, {}), names.get(w.key, {}))
        for w in wanted
    }


def _asked(wanted: Sequence[Wanted]) -> dict[str, Any]:
    return {
        "streams": [w.stream_id for w in wanted],
        "signals": [w.signal.code for w in wanted],
        "since": [w.since for w in wanted],
        "until": [w.until for w in wanted],
    }


def _buckets(row: Any) -> dict[int, int]:
    return dict(zip(row.buckets, row.counts, strict=True))


def _names(conn: Connection, asked: Mapping[str, Any]) -> dict[Key, dict[int, str]]:
    found: dict[Key, dict[int, str]] = defaultdict(
        lambda: {UNKNOWN_CATEGORY: "unknown", OTHER_CATEGORY: "(other)"}
    )
    for row in conn.execute(_NAMES, asked):
        found[row.stream_id, row.signal][row.category_id] = row.name
    return found


_WANTED: Final = "unnest(CAST(:streams AS int[]), CAST(:signals AS smallint[])) AS w (stream_id, signal)"
_COUNTED: Final = text("""
    SELECT w.stream_id, w.signal, date_bin(:step, p.pane_start, w.since) AS at, b.bucket, sum(b.count)::bigint AS n
    FROM unnest(CAST(:streams AS int[]), CAST(:signals AS smallint[]), CAST(:since AS timestamptz[]),
                CAST(:until AS timestamptz[])) AS w (stream_id, signal, since, until)
    CROSS JOIN LATERAL (
        SELECT pane_start, buckets, counts FROM tocsin_ledger.pane
        WHERE stream_id = w.stream_id AND signal = w.signal AND slice_id = 0
          AND pane_start >= w.since AND pane_start < w.until
        OFFSET 0
    ) p
    CROSS JOIN LATERAL unnest(p.buckets, p.counts) AS b (bucket, count)
    GROUP BY 1, 2, 3, 4
""")
_REFERENCES: Final = text(f"""
    SELECT DISTINCT ON (r.stream_id, r.signal) r.stream_id, r.signal, r.buckets, r.counts
    FROM {_WANTED} JOIN tocsin_ledger.reference r USING (stream_id, signal)
    WHERE r.retired_at IS NULL
    ORDER BY r.stream_id, r.signal, r.reference_id DESC
""")  # noqa: S608
_NAMES: Final = text(f"""
    SELECT c.stream_id, c.signal, c.category_id, c.name
    FROM {_WANTED} JOIN tocsin_ledger.category c USING (stream_id, signal)
""")  # noqa: S608
