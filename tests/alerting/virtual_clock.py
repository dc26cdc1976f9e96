"""A Postgres whose clock is a row of a table: `now()` and `clock_timestamp()` are found before those of pg_catalog."""

from sqlalchemy import Engine, text

from monitor.ledger import tables
from monitor.ledger.counted import stream
from monitor.ledger.engine import connect
from monitor.ledger.schema import metadata

_CLOCK = """
CREATE SCHEMA virtual;
CREATE TABLE virtual.clock (ms bigint NOT NULL);
INSERT INTO virtual.clock VALUES (0);
CREATE FUNCTION virtual.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.to_timestamp(ms / 1000.0) FROM virtual.clock';
CREATE FUNCTION virtual.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.to_timestamp(ms / 1000.0) FROM virtual.clock';
"""
_DEFAULTS = """
SELECT format('ALTER TABLE tocsin_ledger.%I ALTER COLUMN %I SET DEFAULT virtual.now()', table_name, column_name)
FROM information_schema.columns WHERE table_schema = 'tocsin_ledger' AND column_default = 'now()'
"""


def with_virtual_clock(url: str) -> Engine:
    """An engine on the migrated ledger at `url`, whose clock stands at 1970 until it is set."""
    made = connect(url)
    with made.begin() as conn:
        conn.exec_driver_sql(_CLOCK)
        for statement in conn.execute(text(_DEFAULTS)).scalars().all():
            conn.exec_driver_sql(statement)
        path = f'ALTER DATABASE "{made.url.database}" SET search_path = virtual, pg_catalog, public'
        conn.exec_driver_sql(path)
    made.dispose()
    return made


def set_clock(engine: Engine, ms: int) -> None:
    """Let the database's clock stand at `ms`."""
    with engine.begin() as conn:
        conn.execute(text("UPDATE virtual.clock SET ms = :ms"), {"ms": ms})


def emptied(engine: Engine, start_ms: int) -> None:
    """A ledger in which nothing was ever counted or decided, at `start_ms`."""
    set_clock(engine, start_ms)
    tables.ensure_partitions(engine)
    with engine.begin() as conn:
        for table in reversed(metadata.sorted_tables):
            if table.name == "judge_lease":
                conn.execute(table.update().values(owner=None))
            elif table.name != "signal":
                conn.execute(
                    table.delete().where(stream.c.stream_id > 0) if table is stream else table.delete()
                )
