"""An upgrade: the ledger and the judge's state of the version before, and both versions side by side."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from bench_of_checkpoints import Ledger, drained, prepared, settings_of
from sqlalchemy import Engine, text

from monitor.errors import SchemaMismatch
from monitor.judge import lease, session, store
from monitor.judge.loop import Judge
from monitor.judge.state_versions import brought_up
from monitor.ledger import migrate
from monitor.ledger.migrate import check_schema, upgrade

CALM = [(100, 1)] * 60
FIRING = [(100, 60)] * 60
FOUND = [("errors", "chat-eu", "critical", "firing", True)]
NEXT = '''
"""What a later version adds: a column with a default, and a table."""
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE tocsin_ledger.incident ADD COLUMN region text NOT NULL DEFAULT 'eu'")
    op.execute("CREATE TABLE tocsin_ledger.extra (id int PRIMARY KEY)")
    {more}
'''


@pytest.fixture
def ledger(engine: Engine, tmp_path: Path) -> Ledger:
    return prepared(engine, settings_of(tmp_path), age_s=3_600)


def incidents(ledger: Ledger) -> list[tuple[object, ...]]:
    return ledger.rows("SELECT rule, stream, severity, state, reference_id IS NOT NULL FROM tocsin.incidents")


def renamed(old: str, new: str, part: dict[str, Any]) -> dict[str, Any]:
    return {new if name == old else name: value for name, value in part.items()}


def as_version_1(ledger: Ledger) -> None:
    """What is stored, as a version would have stored it that called references otherwise."""
    [(blob,)] = ledger.rows("SELECT state FROM tocsin_ledger.judge_state WHERE part = 'evidence'")
    raw = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(bytes(blob)))  # type: ignore[call-overload]
    old = zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(renamed("references", "normals", raw)))
    with ledger.engine.begin() as conn:
        conn.execute(
            text("UPDATE tocsin_ledger.judge_state SET state = :s WHERE part = 'evidence'"), {"s": old}
        )


@pytest.fixture
def version_2(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """While it is entered this program is the next version, which can take over from version 1."""
    steps = {1: {"evidence": partial(renamed, "normals", "references")}}

    @contextmanager
    def entered() -> Iterator[None]:
        with monkeypatch.context() as patch:
            for module in (lease, store, session):
                patch.setattr(module, "STATE_VERSION", 2)
            patch.setattr(store, "brought_up", partial(brought_up, to=2, steps=steps))
            yield

    return entered


def test_a_state_of_the_version_before_is_taken_over_and_decides_as_if_nothing_had_happened(
    ledger: Ledger, version_2: Callable[[], AbstractContextManager[None]]
) -> None:
    old = ledger.session()
    ledger.store_errors(0, CALM)
    drained(old)
    old.resign()
    as_version_1(ledger)
    with version_2():
        new = ledger.session()
        ledger.store_errors(60, FIRING)
        drained(new)
    assert incidents(ledger) == FOUND
    assert ledger.rows("SELECT sum(n) FROM tocsin.panes") == [(12_000,)]
    assert ledger.rows("SELECT DISTINCT state_version FROM tocsin_ledger.judge_state") == [(2,)]


def test_in_a_rolling_restart_the_old_version_leaves_judging_to_the_new_one_and_says_so_once(
    ledger: Ledger, version_2: Callable[[], AbstractContextManager[None]], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    old, new = ledger.session(), ledger.session()
    ledger.store_errors(0, CALM)
    drained(old)
    with version_2():
        new.tick()
    assert (old.leads, new.leads) == (True, False)
    as_version_1(ledger)
    old.resign()
    with version_2():
        ledger.store_errors(60, FIRING[:30])
        drained(new)
    assert new.leads
    states = ledger.rows("SELECT part, state_version, state FROM tocsin_ledger.judge_state ORDER BY part")
    # The new one dies. Whatever the old ones do, its state stays, and what they ingest waits for it.
    ledger.expire_lease()
    ledger.store_errors(90, FIRING[:30])
    for _ in range(3):
        old.tick()
    assert not old.leads
    assert (
        ledger.rows("SELECT part, state_version, state FROM tocsin_ledger.judge_state ORDER BY part")
        == states
    )
    assert capsys.readouterr().out.count("a newer Tocsin has judged here") == 1
    with version_2():
        drained(ledger.session())
    assert incidents(ledger) == FOUND
    assert ledger.rows("SELECT sum(n), count(*) FILTER (WHERE n <> 100) FROM tocsin.panes") == [(12_000, 0)]


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        (
            9,
            "has version 9, newer than the 1 of this Tocsin: run the newer Tocsin; the state was left as it is",
        ),
        (0, "has version 0, and this Tocsin takes over from version 1 on: run a Tocsin in between first"),
    ],
)
def test_a_state_of_an_unknown_version_is_refused_in_one_sentence_and_left_as_it_is(
    ledger: Ledger, version: int, sentence: str
) -> None:
    ledger.store_errors(0, CALM)
    first = ledger.session()
    drained(first)
    first.resign()
    with ledger.engine.begin() as conn:
        conn.execute(text("UPDATE tocsin_ledger.judge_state SET state_version = :v"), {"v": version})
    before = ledger.rows("SELECT * FROM tocsin_ledger.judge_state ORDER BY part")
    judge = Judge(ledger.settings, ledger.engine, lambda: None)
    judge.start()
    judge._thread.join(20)
    failure = judge.failure()
    assert isinstance(failure, SchemaMismatch)
    assert sentence in str(failure)
    assert failure.exit_code == 3
    assert ledger.rows("SELECT * FROM tocsin_ledger.judge_state ORDER BY part") == before
    assert ledger.rows("SELECT owner FROM tocsin_ledger.judge_lease") == [(None,)]


@pytest.fixture
def revision_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AbstractContextManager[None]]:
    """While it is entered this program needs a schema of one revision more."""

    @contextmanager
    def entered(more: str = "") -> Iterator[None]:
        scripts = tmp_path / "migrations"
        shutil.copytree(
            migrate.scripts(), scripts, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )
        (scripts / "versions" / "0002_next.py").write_text(NEXT.format(more=more))
        with monkeypatch.context() as patch:
            patch.setattr(migrate, "scripts", lambda: scripts)
            yield

    return entered


def views(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    names = ledger.rows("SELECT viewname FROM pg_views WHERE schemaname = 'tocsin' ORDER BY 1")
    return {str(name): sorted(ledger.rows(f"SELECT * FROM tocsin.{name}"), key=repr) for (name,) in names}


def test_a_ledger_of_the_revision_before_is_migrated_and_nothing_in_it_changes(
    ledger: Ledger, ledger_url: str, revision_2: Callable[..., AbstractContextManager[None]]
) -> None:
    judge = ledger.session()
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING)
    drained(judge)
    before = views(ledger)
    assert len([name for name, rows in before.items() if rows]) >= 8
    with revision_2():
        upgrade(ledger_url)
        with ledger.engine.begin() as conn:
            check_schema(conn)
        assert views(ledger) == before
    assert ledger.rows("SELECT DISTINCT region FROM tocsin_ledger.incident") == [("eu",)]


def test_replicas_of_the_revision_before_go_on_beside_a_newer_one_and_do_not_start_anew(
    ledger: Ledger, ledger_url: str, revision_2: Callable[..., AbstractContextManager[None]]
) -> None:
    judge = ledger.session()
    ledger.store_errors(0, CALM)
    drained(judge)
    with revision_2():
        upgrade(ledger_url)
    ledger.store_errors(60, FIRING)
    drained(judge)
    assert incidents(ledger) == FOUND
    with ledger.engine.begin() as conn, pytest.raises(SchemaMismatch) as refused:
        check_schema(conn)
    assert "has schema revision 0002, newer than the 0001 of this Tocsin: run the newer Tocsin" in str(
        refused.value
    )


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(
    ledger: Ledger, ledger_url: str, revision_2: Callable[..., AbstractContextManager[None]]
) -> None:
    with revision_2("raise RuntimeError('half way')"), pytest.raises(RuntimeError, match="half way"):
        upgrade(ledger_url)
    with ledger.engine.begin() as conn:
        check_schema(conn)
    assert ledger.rows("SELECT to_regclass('tocsin_ledger.extra')") == [(None,)]
