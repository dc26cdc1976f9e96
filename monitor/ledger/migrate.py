"""Bring a database to the schema that this program needs, and refuse one that is not there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from monitor.errors import SchemaMismatch
from monitor.ledger.engine import connect, contended, denied, explained, place, retryable, set_local
from monitor.ledger.schema import SCHEMA
from monitor.ledger.signal_rows import register
from monitor.ledger.tables import ensure_partitions

VIEWS: Final = "tocsin"

_UPGRADE_LOCK: Final = 0x746F6373
_RETRY_FOR_S: Final = 60
_DDL_LOCK_MS: Final = 500
_WAIT: Final = {
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "statement_timeout": "600s",
}


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The revision that a database had, None where it had none, and the one that it has now."""

    before: str | None
    now: str


def upgrade(url: str) -> Upgraded:
    """Migrate to the newest revision, write the registry of signals, make the next partitions.

    All of it is one transaction under an advisory lock, so any number of replicas may call this at once.
    DDL that waits 500 ms for a lock gives way to others and is tried again for a minute (rule 13).
    Raises LedgerUnavailable, LedgerDenied, or SchemaMismatch where a newer Tocsin has been at work.
    """
    engine = connect(url, name="tocsin db upgrade")
    try:
        for attempt in Retrying(
            retry=retry_if_exception(contended),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            stop=stop_after_delay(_RETRY_FOR_S),
            reraise=True,
        ):
            with attempt, engine.begin() as connection:
                upgraded = _migrate(connection)
        ensure_partitions(engine)
        return upgraded
    except DBAPIError as error:
        if not (retryable(error) or denied(error)):
            raise
        raise explained(engine.url, error) from error
    finally:
        engine.dispose()


def check_schema(connection: Connection) -> None:
    """Raise SchemaMismatch unless the database has exactly the revision that this program needs."""
    found = _revision(connection)
    history = ScriptDirectory(str(scripts()))
    needed = history.get_current_head()
    if found == needed:
        return
    where = place(connection.engine.url)
    if found is None:
        raise SchemaMismatch(f"the database {where} has no Tocsin schema yet: run `tocsin db upgrade`")
    if _known(history, found):
        raise SchemaMismatch(
            f"the database {where} has schema revision {found}, this Tocsin needs {needed}: "
            "run `tocsin db upgrade`"
        )
    raise SchemaMismatch(
        f"the database {where} has schema revision {found}, newer than the {needed} of this Tocsin: "
        "run the newer Tocsin"
    )


def _migrate(connection: Connection) -> Upgraded:
    set_local(connection, _WAIT)
    connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    set_local(connection, {"lock_timeout": f"{_DDL_LOCK_MS}ms"})
    for schema in (SCHEMA, VIEWS):
        # Not CREATE ... IF NOT EXISTS: that asks for the right to create schemas even where it need not.
        if connection.scalar(select(func.to_regnamespace(schema))) is None:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    before, head = _revision(connection), _head(connection)
    if before != head:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(scripts()))
        command.upgrade(config, "head")
    register(connection)
    return Upgraded(before, head)


def _head(connection: Connection) -> str:
    """The newest revision; raises SchemaMismatch where the database has one that is not known."""
    found = _revision(connection)
    history = ScriptDirectory(str(scripts()))
    if found is not None and not _known(history, found):
        check_schema(connection)
    return history.get_current_head() or ""


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(
        connection, opts={"version_table_schema": SCHEMA}
    ).get_current_revision()


def _known(history: ScriptDirectory, revision: str) -> bool:
    try:
        return history.get_revision(revision) is not None
    except CommandError:
        return False


def scripts() -> Path:
    """Where the migrations are: in the wheel, or in the repository."""
    packaged = Path(__file__).parents[1] / "_migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "migrations"
