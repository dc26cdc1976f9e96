"""Connections to the ledger, and which of their errors mean what.

All settings are sent with `SET LOCAL` as a transaction begins: a pooler in transaction mode (pgbouncer)
refuses them at connection time, and a setting of the session would leak to the server connection's next user.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg2
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from monitor.errors import LedgerDenied, LedgerUnavailable, UsageError

IDLE_IN_TRANSACTION_MS: Final = 2_000
STATEMENT_MS: Final = 10_000
LOCK_MS: Final = 2_000

_DIALECTS: Final = frozenset({"postgres", "postgresql", "postgresql+psycopg2"})

# None of these reach the server: a connection whose peer is silently gone fails within 15 s.
_TRANSPORT: Final[Mapping[str, int]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}

# Connection lost, deadlock or serialization, resources short, operator; a standby, time-outs, locks.
_TRANSIENT_CLASSES: Final = frozenset({"08", "40", "53", "57"})
_TRANSIENT_CODES: Final = frozenset({"25006", "25P03", "25P04", "55P03", "55006"})
_REFUSED_CLASSES: Final = frozenset({"22", "23", "54"})
_CONTENDED_CODES: Final = frozenset({"55P03", "40P01", "40001"})
_NO_PARTITION: Final = "23514"
_DENIED: Final = "42501"
_HINT: Final = "Is the server running"


def connect(
    url: str,
    *,
    name: str = "tocsin",
    statement_ms: int = STATEMENT_MS,
    lock_ms: int = LOCK_MS,
    pool_size: int = 5,
) -> Engine:
    """An engine on the ledger; nothing connects yet.

    Every transaction runs in UTC with a statement, a lock and an idle-in-transaction time-out (rules 2, 9).
    `name` is what pg_stat_activity shows. Raises UsageError for an address that is no PostgreSQL one.
    """
    engine = create_engine(
        _address(url),
        connect_args={"application_name": name, **_TRANSPORT},
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        use_native_hstore=False,
        executemany_mode="values_plus_batch",
        hide_parameters=True,
    )
    settings = {
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        "statement_timeout": str(statement_ms),
        "lock_timeout": str(lock_ms),
        "timezone": "UTC",
    }
    event.listen(engine, "begin", lambda connection: _begin(connection, settings))
    return engine


def set_local(connection: Connection, settings: Mapping[str, str]) -> None:
    """Change settings until the end of the transaction."""
    calls = ", ".join(f"set_config('{setting}', '{value}', true)" for setting, value in settings.items())
    connection.exec_driver_sql(f"SELECT {calls}").close()


def _begin(connection: Connection, settings: Mapping[str, str]) -> None:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    try:
        set_local(connection, settings)
    except BaseException:
        # SQLAlchemy would let a connection that failed here go on, without ever beginning a transaction.
        connection.close()
        raise


@contextmanager
def bare_cursor(connection: Connection) -> Iterator[Any]:
    """A cursor of psycopg2 itself, for its bulk statements; what goes wrong is raised as SQLAlchemy would."""
    cursor: Any = connection.connection.cursor()
    try:
        with cursor:
            yield cursor
    except psycopg2.Error as error:
        gone = bool(cursor.connection.closed)
        if gone:
            connection.invalidate(error)
        raise DBAPIError.instance(None, None, error, psycopg2.Error, connection_invalidated=gone) from error


def reach(engine: Engine) -> None:
    """Ask the ledger for a sign of life; raises LedgerUnavailable."""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1").close()
    except (DBAPIError, PoolTimeoutError) as error:
        raise explained(engine.url, error) from error


def explained(url: URL | str, error: BaseException) -> LedgerUnavailable | LedgerDenied:
    """One sentence for an error of the database: which one, what it answered, and what to do where it denies."""
    if not denied(error):
        return LedgerUnavailable(f"Postgres at {place(url)} cannot be used: {_reason(error)}")
    return LedgerDenied(
        f"Postgres at {place(url)} denies that to {_user(url)} ({_reason(error)}): `tocsin db upgrade` needs the "
        "role that migrates, all else the role that runs (docs/postgres.md); store.url names the role"
    )


def denied(error: BaseException) -> bool:
    """Whether the role lacks a right."""
    cause = _cause(error)
    return isinstance(cause, psycopg2.Error) and cause.pgcode == _DENIED


def place(url: URL | str) -> str:
    """Where a database is, as `host:port/database`; nothing secret can be in it."""
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return "(unreadable address)"
    host = parts.host or _text(parts.query.get("host")) or "local socket"
    return f"{host}:{parts.port or _text(parts.query.get('port')) or 5432}/{parts.database or ''}"


def redacted(url: URL | str) -> str:
    """The address without password and without parameters, which may hold secrets too."""
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return "(unreadable address)"
    return parts.set(query={}).render_as_string(hide_password=True)


def retryable(error: BaseException) -> bool:
    """Whether the same transaction can succeed later.

    So for a lost or refused connection, shutdown, time-out, deadlock, serialization, lack of resources, a
    server that is read-only just now, and a partition that is not made yet.
    """
    if isinstance(error, LedgerUnavailable | PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = _cause(error)
    if not isinstance(cause, psycopg2.Error):
        return False
    code = cause.pgcode
    if code is None:
        return isinstance(cause, psycopg2.OperationalError | psycopg2.InterfaceError)
    return code[:2] in _TRANSIENT_CLASSES or code in _TRANSIENT_CODES or missing_partition(error)


def refused(error: BaseException) -> bool:
    """Whether this data can never be stored: SQLSTATE class 22, 23, 54, or a Python data error (rule 8)."""
    cause = _cause(error)
    if not isinstance(cause, psycopg2.Error):
        return isinstance(cause, ValueError | OverflowError)
    if cause.pgcode is None:
        return isinstance(cause, psycopg2.DataError)
    return cause.pgcode[:2] in _REFUSED_CLASSES and not missing_partition(error)


def contended(error: BaseException) -> bool:
    """Whether somebody else held what was needed: lock time-out, deadlock or serialization failure."""
    cause = _cause(error)
    return isinstance(cause, psycopg2.Error) and cause.pgcode in _CONTENDED_CODES


def missing_partition(error: BaseException) -> bool:
    """Whether a row found no partition: no fault of the data, though Postgres calls it a check violation.

    `tables.ensure_partitions` or `tables.ensure_pane_days` helps.
    """
    cause = _cause(error)
    return (
        isinstance(cause, psycopg2.Error)
        and cause.pgcode == _NO_PARTITION
        and cause.diag.constraint_name is None
        and cause.diag.table_name is not None
    )


def _address(url: str) -> URL:
    scheme = urlsplit(url).scheme
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        # The cause may quote a piece of the password.
        raise _no_address("(unreadable)") from None
    if scheme not in _DIALECTS:
        raise _no_address(redacted(parts))
    return parts.set(drivername="postgresql+psycopg2")


def _no_address(shown: str) -> UsageError:
    return UsageError(
        f"store.url {shown} is no address of a PostgreSQL database: write "
        "postgresql://user:password@host:5432/database, special characters of the password percent-encoded"
    )


def _cause(error: BaseException) -> BaseException:
    if isinstance(error, StatementError) and error.orig is not None:
        return error.orig
    return error


def _reason(error: BaseException) -> str:
    cause = _cause(error)
    if isinstance(cause, PoolTimeoutError):
        return "all connections of the pool have been busy for 10 s"
    if isinstance(cause, psycopg2.Error) and cause.diag.message_primary:
        return str(cause.diag.message_primary)
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(_HINT)] or [type(cause).__name__]
    _, failed, why = said[-1].partition(" failed: ")
    return (why if failed else said[-1]).removeprefix("FATAL:").strip()


def _user(url: URL | str) -> str:
    return make_url(url).username or "this user"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
