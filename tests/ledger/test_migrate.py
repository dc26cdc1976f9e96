import re
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine

from monitor.ledger.engine import connect
from monitor.ledger.models import SCHEMA, metadata

SHAPE = """
SELECT c.relname AS of, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull::text AS required,
       a.attidentity::text AS identity, pg_get_expr(d.adbin, d.adrelid) AS default
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE c.relnamespace = 'tocsin_ledger'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
UNION ALL
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL, NULL
FROM pg_constraint WHERE connamespace = 'tocsin_ledger'::regnamespace AND conparentid = 0 AND contype <> 'n'
UNION ALL
SELECT tablename, indexname, indexdef, NULL, NULL, NULL
FROM pg_indexes WHERE schemaname = 'tocsin_ledger' AND tablename !~ '_[0-9]+$'
UNION ALL
SELECT relname, pg_get_partkeydef(oid), NULL, NULL, NULL, NULL
FROM pg_class WHERE relnamespace = 'tocsin_ledger'::regnamespace AND relkind = 'p'
"""


def shape(connection: Connection) -> set[tuple[str | None, ...]]:
    """Columns, types, defaults, identities, keys, constraints, indexes and partition keys."""
    rows = connection.exec_driver_sql(SHAPE).all()
    return {(*row[:5], unquoted(row[5])) for row in rows if "alembic_version" not in row[0]}


def unquoted(default: str | None) -> str | None:
    return default and re.sub(r"^'(\d+)'::\w+$", r"\1", default)


@pytest.fixture
def modelled(postgres, database_names) -> Iterator[Connection]:
    """A database made straight from models.py."""
    engine = connect(postgres.create_database(database_names()))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        metadata.create_all(connection)
        yield connection
    engine.dispose()


@pytest.fixture
def ledger(ledger_url) -> Iterator[Engine]:
    engine = connect(ledger_url)
    yield engine
    engine.dispose()


def test_the_models_are_the_migrated_tables(ledger, modelled):
    with ledger.connect() as migrated:
        found = shape(migrated)
    wanted = shape(modelled)
    assert sorted(found - wanted) == []
    assert sorted(wanted - found) == []
    assert len(wanted) > 200


def test_alembic_finds_nothing_to_generate(ledger):

    def ours(item, name, kind, reflected, compared):
        return not (kind == "table" and reflected and name.rsplit("_", 1)[-1].isdigit())

    with ledger.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, parents: kind != "schema" or name == SCHEMA,
                "include_object": ours,
                "version_table_schema": SCHEMA,
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, metadata) == []
