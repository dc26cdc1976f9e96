"""Partitions of a table: made standalone and attached, detached concurrently and then dropped (rule 13).

Nothing waits for a lock longer than 500 ms, as others would queue behind it. Any number of replicas may do this at
once.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from threading import Timer
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from monitor.ledger.engine import contended, set_local
from monitor.ledger.moments import moment

DAY_MS: Final = 86_400_000

_MAKE_LOCK: Final = 0x746F6374
_DDL_LOCK_MS: Final = 500
_RETRY_FOR_S: Final = 30
_DETACH_FOR_S: Final = 2.0
_CANCELLED: Final = "57014"
_OVERTAKEN: Final = frozenset({_CANCELLED, "55000", "42P01"})

_T = TypeVar("_T")

_log = structlog.get_logger("tocsin.ledger")


class _State(Enum):
    ATTACHED = "attached"
    PENDING = "detach pending"
    LOOSE = "detached"


@dataclass(frozen=True, slots=True)
class Parent:
    """A partitioned table; a partition holds `span_ms` and fills its pages to `fill` percent."""

    name: str
    span_ms: int
    fill: int = 100

    def child(self, number: int) -> str:
        digits = f"{moment(number * self.span_ms):%Y%m%d%H}"
        return f"{self.name}_{digits if self.span_ms < DAY_MS else digits[:8]}"

    def number(self, child: str) -> int:
        digits = child.removeprefix(f"{self.name}_").ljust(10, "0")
        start = datetime.strptime(digits, "%Y%m%d%H").replace(tzinfo=UTC)
        return int(start.timestamp()) * 1_000 // self.span_ms


def ensure(engine: Engine, parent: Parent, numbers: Iterable[int]) -> None:
    """Make the partitions of those numbers that are missing."""
    with engine.begin() as connection:
        there = _children(connection, parent)
    for number in sorted(set(numbers)):
        if there.get(parent.child(number)) is not _State.ATTACHED:
            _retrying(partial(_make, engine, parent, number))


def _make(engine: Engine, parent: Parent, number: int) -> None:
    child = parent.child(number)
    with _ddl(engine) as connection:
        state = _children(connection, parent).get(child)
        if state is _State.ATTACHED:
            return
        if state is _State.PENDING:
            connection.exec_driver_sql(_finalize(parent, child))
        if state is None:
            connection.exec_driver_sql(
                f"CREATE TABLE tocsin_ledger.{child} (LIKE tocsin_ledger.{parent.name} INCLUDING ALL) "
                f"WITH (fillfactor = {parent.fill})"
            )
            _give_to_owner(connection, parent, child)
        _attach(connection, parent, number)


def _attach(connection: Connection, parent: Parent, number: int) -> None:
    start, end = (moment(n * parent.span_ms).isoformat() for n in (number, number + 1))
    connection.exec_driver_sql(
        f"ALTER TABLE tocsin_ledger.{parent.name} ATTACH PARTITION tocsin_ledger.{parent.child(number)} "
        f"FOR VALUES FROM ('{start}') TO ('{end}')"
    )


def _give_to_owner(connection: Connection, parent: Parent, child: str) -> None:
    """Who migrates may be another role than who runs, and only a partition's owner can drop it."""
    row = connection.execute(
        text(
            "SELECT quote_ident(pg_get_userbyid(relowner)), pg_get_userbyid(relowner) = current_user "
            "FROM pg_class WHERE oid = to_regclass(:name)"
        ),
        {"name": f"tocsin_ledger.{parent.name}"},
    ).one()
    if not row[1]:
        connection.exec_driver_sql(f"ALTER TABLE tocsin_ledger.{child} OWNER TO {row[0]}")


def attached(engine: Engine, parent: Parent) -> list[int]:
    """The numbers of the partitions that the table has, in order."""
    with engine.begin() as connection:
        there = _children(connection, parent)
    return sorted(parent.number(child) for child, state in there.items() if state is _State.ATTACHED)


def drop(engine: Engine, parent: Parent, before: int, done: Callable[[Connection, str], bool]) -> list[str]:
    """Drop the partitions before number `before` that are `done`, and finish what a crash left; returns their names."""
    with engine.begin() as connection:
        there = _children(connection, parent)
        old = [
            child
            for child, state in sorted(there.items())
            if state is not _State.ATTACHED or (parent.number(child) < before and done(connection, child))
        ]
    dropped = []
    for child in old:
        if there[child] is not _State.LOOSE and not _detach(engine, parent, child, there[child]):
            break
        if _retrying(partial(_drop_loose, engine, parent, child, done)):
            dropped.append(child)
    return dropped


def _detach(engine: Engine, parent: Parent, child: str, state: _State) -> bool:
    """Whether it is detached now; a half-detached one is finished, and left for later if it takes long."""
    statement = (
        _finalize(parent, child)
        if state is _State.PENDING
        else f"ALTER TABLE tocsin_ledger.{parent.name} DETACH PARTITION tocsin_ledger.{child} CONCURRENTLY"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw: Any = connection.connection.dbapi_connection
        # Outside a transaction no time-out can be set that a pooler would not pass on to others.
        timer = Timer(_DETACH_FOR_S, raw.cancel)
        timer.start()
        try:
            connection.exec_driver_sql(statement)
        except DBAPIError as error:
            if not contended(error) and getattr(error.orig, "pgcode", None) not in _OVERTAKEN:
                raise
            _log.info("partition is still in use", table=child)
            return False
        finally:
            timer.cancel()
            connection.invalidate()
    return True


def _drop_loose(engine: Engine, parent: Parent, child: str, done: Callable[[Connection, str], bool]) -> bool:
    with _ddl(engine) as connection:
        if _children(connection, parent).get(child) is not _State.LOOSE:
            return False
        if not done(connection, child):
            # A row came between the look and the detaching: it would never be judged.
            _attach(connection, parent, parent.number(child))
            return False
        connection.exec_driver_sql(f"DROP TABLE tocsin_ledger.{child}")
    return True


def _children(connection: Connection, parent: Parent) -> dict[str, _State]:
    rows = connection.execute(
        text(
            "SELECT c.relname, i.inhdetachpending "
            "FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid "
            "WHERE c.relnamespace = 'tocsin_ledger'::regnamespace AND c.relkind = 'r' "
            "AND c.relname ~ :pattern"
        ),
        {"pattern": f"^{parent.name}_[0-9]{{8,10}}$"},
    )
    states = {None: _State.LOOSE, True: _State.PENDING, False: _State.ATTACHED}
    return {name: states[pending] for name, pending in rows}


def _finalize(parent: Parent, child: str) -> str:
    return f"ALTER TABLE tocsin_ledger.{parent.name} DETACH PARTITION tocsin_ledger.{child} FINALIZE"


@contextmanager
def _ddl(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        set_local(connection, {"lock_timeout": f"{_DDL_LOCK_MS}ms"})
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKE_LOCK})").close()
        yield connection


def _retrying(work: Callable[[], _T]) -> _T:
    retrying = Retrying(
        retry=retry_if_exception(contended),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        stop=stop_after_delay(_RETRY_FOR_S),
        reraise=True,
    )
    return retrying(work)
