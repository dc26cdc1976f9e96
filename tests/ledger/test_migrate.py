import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from monitor.errors import LedgerUnavailable, SchemaMismatch
from monitor.ledger import counted, decided, migrate  # noqa: F401 - the tables put themselves into the metadata
from monitor.ledger.engine import connect, place
from monitor.ledger.migrate import check_schema, upgrade
from monitor.ledger.schema import SCHEMA, metadata
from monitor.records.signals import INTERNAL, SIGNALS

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
FROM pg_indexes WHERE schemaname = 'tocsin_ledger' AND tablename !~ '_[0-9]+[smh]?$'
UNION ALL
SELECT relname, pg_get_partkeydef(oid), NULL, NULL, NULL, NULL
FROM pg_class WHERE relnamespace = 'tocsin_ledger'::regnamespace AND relkind = 'p' AND NOT relispartition
"""


def shape(connection: Connection) -> set[tuple[str | None, ...]]:
    """Columns, types, defaults, identities, keys, constraints, indexes and partition keys."""
    rows = connection.exec_driver_sql(SHAPE).all()
    return {(*row[:5], unquoted(row[5])) for row in rows if "alembic_version" not in row[0]}


def unquoted(default: str | None) -> str | None:
    return default and re.sub(r"^'(\d+)'::\w+$", r"\1", default)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = connect(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def modelled(postgres, database_names) -> Iterator[Connection]:
    """A database made straight from models.py."""
    engine = connect(postgres.create_database(database_names()))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        metadata.create_all(connection)
        yield connection
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
        return not (kind == "table" and reflected and name.rsplit("_", 1)[-1].rstrip("smh").isdigit())

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


def test_upgrading_again_changes_nothing(ledger, ledger_url):
    with ledger.connect() as connection:
        before = shape(connection)
    upgrade(ledger_url)
    with ledger.connect() as connection:
        assert shape(connection) == before
        check_schema(connection)


def test_replicas_may_upgrade_at_once(database_url):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [database_url] * 4))
    with connected(database_url) as connection:
        check_schema(connection)


def test_a_migration_that_fails_leaves_nothing_behind(database_url):
    with connected(database_url) as connection:
        connection.exec_driver_sql("CREATE SCHEMA tocsin")
        connection.exec_driver_sql("CREATE TABLE tocsin.configs ()")
        connection.commit()
        with pytest.raises(ProgrammingError, match="configs"):
            upgrade(database_url)
        found = connection.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE starts_with(relnamespace::regnamespace::text, 'tocsin')"
        )
        assert found.scalars().all() == ["configs"]
        with pytest.raises(SchemaMismatch, match="no Tocsin schema yet: run `tocsin db upgrade`"):
            check_schema(connection)


def test_rule_13_an_upgrade_gives_way_to_who_holds_a_lock_and_tries_again(ledger, ledger_url):
    with ThreadPoolExecutor(1) as pool:
        with ledger.begin() as holder:
            holder.exec_driver_sql("LOCK TABLE tocsin_ledger.signal IN ACCESS EXCLUSIVE MODE")
            upgrading = pool.submit(upgrade, ledger_url)
            with pytest.raises(TimeoutError):
                upgrading.result(timeout=1.2)
        upgrading.result(timeout=20)


def test_the_registry_of_signals_is_in_the_ledger_and_rewritten(ledger, ledger_url):
    with ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE tocsin_ledger.signal SET unit = 'old' WHERE code = 38")
    upgrade(ledger_url)
    with ledger.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT code, name, kind, unit, scale FROM tocsin_ledger.signal"
        ).all()
    assert {row.code: (row.name, row.kind, row.unit) for row in rows} == {
        s.code: (s.name, s.kind, s.unit) for s in (*SIGNALS, *INTERNAL)
    }
    scales = {row.name: row.scale for row in rows}
    assert (scales["latency_ms"], scales["confidence"], scales["error"]) == ("log", "logit", None)


def test_stream_0_is_other_and_there_is_one_lease(ledger):
    with ledger.connect() as connection:
        assert connection.exec_driver_sql("SELECT stream_id, key FROM tocsin_ledger.stream").all() == [
            (0, "(other)")
        ]
        leases = connection.exec_driver_sql(
            "SELECT id, owner, version, min_state_version FROM tocsin_ledger.judge_lease"
        )
        assert leases.all() == [(1, None, 0, 1)]


def test_a_schema_that_is_too_new_is_refused_with_one_sentence(ledger, ledger_url):
    with ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE tocsin_ledger.alembic_version SET version_num = '9001'")
    with ledger.connect() as connection, pytest.raises(SchemaMismatch) as refusal:
        check_schema(connection)
    assert str(refusal.value) == (
        f"the database {place(ledger_url)} has schema revision 9001, newer than the 0001 of this Tocsin: "
        "run the newer Tocsin"
    )
    with pytest.raises(SchemaMismatch, match="newer than the 0001"):
        upgrade(ledger_url)


def test_a_schema_that_is_too_old_is_refused_with_what_to_do(ledger, monkeypatch, tmp_path):
    newer = tmp_path / "migrations"
    shutil.copytree(migrate.scripts(), newer)
    (newer / "versions" / "0002_more.py").write_text('revision = "0002"\ndown_revision = "0001"\n')
    monkeypatch.setattr(migrate, "scripts", lambda: newer)
    with ledger.connect() as connection, pytest.raises(SchemaMismatch) as refusal:
        check_schema(connection)
    assert str(refusal.value).endswith(
        "has schema revision 0001, this Tocsin needs 0002: run `tocsin db upgrade`"
    )


def test_postgres_that_is_not_there_is_named_without_the_password():
    with pytest.raises(LedgerUnavailable) as gone:
        upgrade("postgresql://tocsin:hunter2@127.0.0.1:9/prod")
    assert str(gone.value).startswith("Postgres at 127.0.0.1:9/prod cannot be used: ")
    assert "hunter2" not in str(gone.value)


def test_the_wheel_brings_its_migrations(database_url, tmp_path):
    root, source = Path(__file__).parents[2], tmp_path / "source"
    for folder in ("monitor", "detectors", "migrations"):
        shutil.copytree(root / folder, source / folder)
    shutil.copy(root / "pyproject.toml", source)
    (source / "README.md").write_text("# Tocsin\n")
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=source)
    with ZipFile(next(tmp_path.glob("tocsin-*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")

    program = "import sys, monitor.ledger.migrate as m; print(m.scripts()); m.upgrade(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = run([sys.executable, "-c", program, database_url], cwd=tmp_path, env=environment)

    assert done.stdout.strip() == str(tmp_path / "site" / "monitor" / "_migrations")
    with connected(database_url) as connection:
        check_schema(connection)
