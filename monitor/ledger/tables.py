"""What tables are partitioned by, how far ahead partitions are made, and when they go."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, Engine, text

from monitor.ledger import partitions
from monitor.ledger.engine import set_local
from monitor.ledger.partitions import DAY_MS as DAY_MS
from monitor.ledger.partitions import Parent

HOUR_MS: Final = 3_600_000

DROP_LOCK: Final = 0x746F6375
_HOURS_AHEAD: Final = 6
_DAYS_AHEAD: Final = 2

CHECKPOINT: Final = Parent("checkpoint", HOUR_MS)
# The rows of an open pane are updated every tick: room for that on their own page.
PANE_10S: Final = Parent("pane_10s", DAY_MS, fill=70)
PANE_5M: Final = Parent("pane_5m", 7 * DAY_MS)
PANE_1H: Final = Parent("pane_1h", 30 * DAY_MS)
SAMPLE: Final = Parent("sample", DAY_MS)

KEEP_10S: Final = timedelta(hours=48)
KEEP_5M: Final = timedelta(days=30)
KEEP_1H: Final = timedelta(days=365)


def ensure_partitions(engine: Engine, now_ms: int | None = None) -> None:
    """Make the partitions of the next 6 hours (checkpoint) and 2 days (pane_10s, sample), and those for roll-ups.

    The database's clock counts, since rows are stamped by it; `now_ms` names a further clock to be ready for. A query
    that was planned before a partition came does not see what has moved into it: those are there long before.
    """
    clocks = [database_ms(engine), *([] if now_ms is None else [now_ms])]
    for parent, ahead in ((CHECKPOINT, _HOURS_AHEAD), (PANE_10S, _DAYS_AHEAD), (SAMPLE, _DAYS_AHEAD)):
        current = [clock // parent.span_ms for clock in clocks]
        partitions.ensure(engine, parent, {c + step for c in current for step in range(-1, ahead + 1)})
    for parent in (PANE_5M, PANE_1H):
        current = [clock // parent.span_ms for clock in clocks]
        partitions.ensure(engine, parent, {c + step for c in current for step in (-2, -1, 0)})


def ensure_pane_days(engine: Engine, days: Iterable[int]) -> None:
    """Make the partitions of panes of 10 s of `days` (event time in ms // 86,400,000) that are missing."""
    partitions.ensure(engine, PANE_10S, days)


def drop_old(
    engine: Engine,
    now_ms: int | None = None,
    *,
    keep_checkpoints: timedelta = timedelta(hours=1),
    keep_panes: timedelta = KEEP_1H,
    keep_samples: timedelta = timedelta.max,
) -> list[str]:
    """Remove what ended longer ago than it is kept, checkpoints only once the judge has consumed every row.

    Finer panes go as soon as `rolling` has emptied their partition, however `keep_panes` is. Returns the tables
    dropped. What somebody's open transaction still uses is given up after 2 s and finished by a later call, as is what
    a crash left half done. Where another replica is at it nothing is done.
    """
    stamped_ms = database_ms(engine)
    event_ms = stamped_ms if now_ms is None else min(now_ms, stamped_ms)
    dropped = []
    with alone(engine, DROP_LOCK) as mine:
        if not mine:
            return []
        for parent, clock_ms, keep, done in (
            (CHECKPOINT, stamped_ms, keep_checkpoints, _consumed),
            (PANE_10S, event_ms, timedelta(days=1), empty),
            (PANE_5M, event_ms, timedelta(days=21), empty),
            (PANE_1H, event_ms, keep_panes, _always),
            (SAMPLE, stamped_ms, keep_samples, _always),
        ):
            before = (clock_ms - keep // timedelta(milliseconds=1)) // parent.span_ms
            dropped += partitions.drop(engine, parent, before, done)
    return dropped


def _always(connection: Connection, child: str) -> bool:
    return True


def empty(connection: Connection, child: str) -> bool:
    """Whether a partition holds no row."""
    left = connection.exec_driver_sql(f"SELECT EXISTS (SELECT FROM tocsin_ledger.{child})")  # noqa: S608
    return not left.scalar_one()


def _consumed(connection: Connection, child: str) -> bool:
    """Whether the judge has consumed every checkpoint of the table."""
    left = connection.exec_driver_sql(
        f"SELECT EXISTS (SELECT FROM tocsin_ledger.{child} k LEFT JOIN tocsin_ledger.judge_cursor j "  # noqa: S608
        "USING (topic_id, partition) WHERE j.seq IS NULL OR k.seq > j.seq)"
    )
    return not left.scalar_one()


@contextmanager
def alone(engine: Engine, lock: int) -> Iterator[bool]:
    """Whether no other replica is at it; the lock has its own connection, as the work is no transaction."""
    with engine.begin() as connection:
        set_local(connection, {"idle_in_transaction_session_timeout": "10min"})
        taken = connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock})
        yield bool(taken.scalar_one())


def database_ms(engine: Engine) -> int:
    """The database's clock."""
    with engine.begin() as connection:
        now = connection.exec_driver_sql("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        return int(now.scalar_one())
