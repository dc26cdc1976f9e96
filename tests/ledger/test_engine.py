import random
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2.errors
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError, StatementError

from monitor.errors import LedgerUnavailable, UsageError
from monitor.ledger.engine import (
    bare_cursor,
    connect,
    contended,
    missing_partition,
    place,
    reach,
    redacted,
    refused,
    retryable,
)

SETTINGS = ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout", "timezone")
# What pgbouncer passes on or tracks; anything else, `options` above all, ends the connection.
POOLER_TAKES = {"user", "database", "client_encoding", "application_name"}


def failure(ledger: Engine, sql: str, **values: object) -> BaseException:
    with pytest.raises((DBAPIError, StatementError, ValueError)) as caught, ledger.begin() as connection:
        connection.execute(text(sql), values)
    return caught.value


def settings(connection) -> tuple[str, ...]:
    return tuple(connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in SETTINGS)


def test_rule_2_every_transaction_has_its_time_outs_and_utc(database_url):
    engine = connect(database_url, name="tocsin judge", statement_ms=7_000)
    with engine.connect() as connection:
        for _ in range(2):
            assert settings(connection) == ("2s", "7s", "2s", "UTC")
            assert connection.exec_driver_sql("SHOW application_name").scalar_one() == "tocsin judge"
            connection.commit()
    engine.dispose()


def test_rule_2_no_setting_outlives_its_transaction(ledger):
    """Behind a pooler the next transaction on this server connection may be another program's."""
    with ledger.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        connection.commit()
        raw = connection.connection.cursor()
        raw.execute("SELECT name FROM pg_settings WHERE source = 'session' AND name <> 'client_encoding'")
        changed = {name for (name,) in raw.fetchall()}
    assert changed & set(SETTINGS) == set()


def test_rule_2_a_pooler_in_transaction_mode_accepts_the_connection():
    """The startup packet that PostgreSQL's protocol begins with, as a pooler gets it."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        startup = pool.submit(startup_parameters, server)
        with pytest.raises(LedgerUnavailable):
            reach(
                connect(f"postgresql://tocsin@127.0.0.1:{server.getsockname()[1]}/ledger?gssencmode=disable")
            )
        assert set(startup.result(10)) <= POOLER_TAKES


def startup_parameters(server: socket.socket) -> dict[str, str]:
    peer, _ = server.accept()
    with peer:
        while True:
            (size,) = struct.unpack("!i", peer.recv(4))
            (code,) = struct.unpack("!i", peer.recv(4))
            body = peer.recv(size - 8) if size > 8 else b""
            if code == 3 << 16:
                break
            peer.sendall(b"N")
    words = [word.decode() for word in body.split(b"\0") if word]
    return dict(zip(words[::2], words[1::2], strict=True))


def test_rule_9_a_transaction_left_idle_frees_its_rows_after_two_seconds(ledger):
    with ledger.connect() as stopped, ledger.connect() as other:
        stopped.exec_driver_sql("UPDATE tocsin_ledger.judge_lease SET version = 1")
        began = time.monotonic()
        other.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
        other.exec_driver_sql("UPDATE tocsin_ledger.judge_lease SET version = 2")
        other.commit()
        assert 1.5 < time.monotonic() - began < 4
        with pytest.raises(DBAPIError) as lost:
            stopped.exec_driver_sql("SELECT 1")
        assert retryable(lost.value)


def test_a_statement_that_takes_too_long_is_cancelled_and_may_be_tried_again(ledger_url):
    engine = connect(ledger_url, statement_ms=100)
    error = failure(engine, "SELECT pg_sleep(5)")
    assert retryable(error)
    assert not refused(error)
    engine.dispose()


def test_a_lock_that_takes_too_long_is_contended(ledger_url):
    engine = connect(ledger_url, lock_ms=50)
    with engine.begin() as holder:
        holder.exec_driver_sql("LOCK TABLE tocsin_ledger.judge_lease")
        error = failure(engine, "UPDATE tocsin_ledger.judge_lease SET version = 1")
    assert contended(error)
    assert retryable(error)
    assert not refused(error)
    engine.dispose()


def test_a_connection_that_the_server_ended_is_replaced(ledger):
    with ledger.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with ledger.connect() as first, ledger.connect() as second:
        assert first.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() == pid
        second.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(DBAPIError) as ended:
            first.exec_driver_sql("SELECT 1")
        assert retryable(ended.value)
    reach(ledger)


def test_a_connection_lost_under_a_bare_cursor_is_an_error_of_the_connection_and_replaced(ledger):
    """psycopg2's own error passed by whoever waits for SQLAlchemy's, and ended the judge."""
    with ledger.connect() as first, ledger.connect() as second:
        pid = first.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        second.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(DBAPIError) as ended, bare_cursor(first) as cursor:
            cursor.execute("SELECT 1")
    assert retryable(ended.value)
    assert ended.value.connection_invalidated
    reach(ledger)


def test_a_connection_lost_as_a_transaction_begins_cannot_go_on_without_one(ledger):
    """SQLAlchemy would run the next statements outside any transaction, and commit nothing."""
    with ledger.connect() as first, ledger.connect() as second:
        pid = first.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        first.commit()
        second.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(DBAPIError) as ended:
            first.exec_driver_sql("UPDATE tocsin_ledger.judge_lease SET version = 1")
        assert retryable(ended.value)
        with pytest.raises(InvalidRequestError, match="closed"):
            first.exec_driver_sql("UPDATE tocsin_ledger.judge_lease SET version = 1")


STREAM = "INSERT INTO tocsin_ledger.stream (key, labels) VALUES (:v, '{}')"


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        pytest.param(STREAM, "a\0b", id="NUL"),
        pytest.param(STREAM, "\ud800", id="lone surrogate"),
        pytest.param("SELECT cast(:v AS jsonb)", '"\\u0000"', id="NUL in jsonb"),
        pytest.param(STREAM, random.Random(1).randbytes(9_999).hex(), id="too long for its index"),
        pytest.param("UPDATE tocsin_ledger.judge_lease SET version = :v", 2**64 - 1, id="2^64-1"),
        pytest.param("UPDATE tocsin_ledger.judge_lease SET id = :v", None, id="no value"),
        pytest.param("SELECT to_timestamp(:v)", 1e300, id="no date"),
    ],
)
def test_rule_8_what_the_database_never_takes_is_refused(ledger, sql, value):
    error = failure(ledger, sql, v=value)
    assert refused(error)
    assert not retryable(error)


def test_rule_8_a_row_without_a_partition_is_no_refused_data(ledger):
    """It has the code of a check violation: taken for one, ingest would bisect and skip good records."""
    error = failure(
        ledger,
        "INSERT INTO tocsin_ledger.pane VALUES (1, 1, 0, '1970-01-01Z', '1970-01-01Z', 1, 0, '{1}', '{1}')",
    )
    assert isinstance(error.orig, psycopg2.errors.CheckViolation)
    assert missing_partition(error)
    assert retryable(error)
    assert not refused(error)


def test_a_check_constraint_that_is_violated_is_refused_data(ledger):
    with ledger.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE checked (n integer CHECK (n > 0))")
    error = failure(ledger, "INSERT INTO checked VALUES (0)")
    assert refused(error)
    assert not missing_partition(error)


def test_an_error_of_the_program_is_neither_retried_nor_blamed_on_the_data(ledger):
    error = failure(ledger, "SELECT nothing_of_this_name")
    assert not retryable(error)
    assert not refused(error)
    assert not retryable(KeyError("x"))
    assert not refused(KeyError("x"))


def test_errors_do_not_quote_the_values(ledger):
    assert "private" not in str(failure(ledger, "SELECT cast(:v AS text), 1 / 0", v="very private"))


def test_a_server_that_cannot_be_reached_is_one_sentence_without_the_password():
    with pytest.raises(LedgerUnavailable) as gone:
        reach(connect("postgresql://tocsin:hunter2@127.0.0.1:9/prod?application_name=hunter2"))
    message = str(gone.value)
    assert message == "Postgres at 127.0.0.1:9/prod cannot be used: Connection refused"


def test_a_wrong_password_is_told_without_it(ledger_url):
    wrong = ledger_url.replace("://tocsin:", "://tocsin:hunter2")
    with pytest.raises(LedgerUnavailable, match="password authentication failed") as refusal:
        reach(connect(wrong))
    assert "hunter2" not in str(refusal.value)


def test_a_pool_without_a_free_connection_is_unavailable_not_broken(ledger_url, monkeypatch):
    engine = connect(ledger_url, pool_size=1)
    monkeypatch.setattr(engine.pool, "_timeout", 0.05)
    with engine.connect(), engine.connect(), pytest.raises(LedgerUnavailable, match="busy"):
        reach(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql://u:secret@db.example:6432/prod?sslpassword=secret",
            "postgresql://u:***@db.example:6432/prod",
        ),
        ("postgresql://u@db/prod", "postgresql://u@db/prod"),
        ("postgresql://u:secret@db:port/prod", "(unreadable address)"),
        ("secret", "(unreadable address)"),
    ],
)
def test_an_address_is_shown_without_secrets(url, shown):
    assert redacted(url) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@db.example/prod", "db.example:5432/prod"),
        ("postgresql://u:secret@/prod?host=/run/pg&port=6543", "/run/pg:6543/prod"),
        ("secret", "(unreadable address)"),
    ],
)
def test_a_place_is_host_port_and_database(url, shown):
    assert place(url) == shown


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_the_usual_spellings_of_an_address_work(ledger_url, scheme):
    engine = connect(scheme + ledger_url[ledger_url.index("://") :])
    reach(engine)
    engine.dispose()


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@db/prod", "secret", "postgresql://u:sec:ret@db:x/prod", ""]
)
def test_what_is_no_address_of_postgres_is_refused_without_quoting_it(url):
    with pytest.raises(UsageError, match="no address of a PostgreSQL database") as refusal:
        connect(url)
    assert "secret" not in str(refusal.value)
