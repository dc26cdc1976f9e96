"""What goes when the ledger outgrows `store.max_size`: samples first, then detail, then the oldest hours (rule 15)."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection, Engine, text

from monitor.ledger import partitions, rolling, tables
from monitor.ledger.partitions import Parent

# Freeing more than is needed keeps the next row from doing it again.
ENOUGH: Final = 0.9
_LEAST_10S: Final = timedelta(0)
_LEAST_5M: Final = timedelta(days=2)

_SIZE: Final = text("""
    SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relnamespace = 'tocsin_ledger'::regnamespace AND relkind = 'r'
""")

Relief = Callable[[], list[str]]


def stored_bytes(engine: Engine) -> int:
    """How large the ledger's tables are with their indexes."""
    with engine.begin() as conn:
        return int(conn.execute(_SIZE).scalar_one())


def make_room(engine: Engine, most: int, closed_ms: int) -> list[str]:
    """Bring tables larger than `most` bytes to nine tenths of that, and return what went, in words.

    What the judge has yet to read, today's panes, incidents and all that was decided stay in any case, so it may not
    be enough.
    """
    if stored_bytes(engine) <= most:
        return []
    gone: list[str] = []
    for relief in _reliefs(engine, closed_ms):
        gone += relief()
        if stored_bytes(engine) <= ENOUGH * most:
            break
    return gone


def _reliefs(engine: Engine, closed_ms: int) -> Iterator[Relief]:
    yield partial(_consumed_checkpoints, engine)
    yield from _oldest(engine, tables.SAMPLE, closed_ms, "samples")
    yield partial(_coarser, engine, closed_ms, _LEAST_10S, tables.KEEP_5M, "panes of 10 s before today")
    yield partial(_coarser, engine, closed_ms, _LEAST_10S, _LEAST_5M, "panes of 5 min older than two days")
    yield from _oldest(engine, tables.PANE_1H, closed_ms, "panes of 1 h")
    yield from _oldest(engine, tables.PANE_5M, closed_ms, "panes of 5 min")


def _consumed_checkpoints(engine: Engine) -> list[str]:
    tables.drop_old(engine, keep_checkpoints=timedelta(0))
    return []


def _oldest(engine: Engine, parent: Parent, closed_ms: int, what: str) -> Iterator[Relief]:
    """The partitions of a table one by one, the oldest first, up to and without that of `closed_ms`."""
    for number in partitions.attached(engine, parent):
        if number < closed_ms // parent.span_ms:
            yield partial(_dropped, engine, parent, number, what)


def _dropped(engine: Engine, parent: Parent, number: int, what: str) -> list[str]:
    gone = partitions.drop(engine, parent, number + 1, _filled)
    return [f"{what} ({', '.join(gone)})"] if gone else []


def _coarser(engine: Engine, closed_ms: int, keep_10s: timedelta, keep_5m: timedelta, what: str) -> list[str]:
    made = rolling.roll_up(engine, closed_ms, keep_10s=keep_10s, keep_5m=keep_5m)
    tables.drop_old(engine, closed_ms)
    return [f"{what} (made coarser)"] if made else []


def _filled(connection: Connection, child: str) -> bool:
    return not tables.empty(connection, child)
