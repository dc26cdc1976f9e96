"""Real servers for the tests: one Kafka and one Postgres a session, a topic and a database a test."""

import itertools
import logging
import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
import structlog

from monitor.errors import DownloadFailed
from monitor.local.postgres import PostgresServer, local_postgres

if TYPE_CHECKING:
    from kafka import KafkaAdminClient
    from sqlalchemy import Engine

    from monitor.local.kafka import KafkaServer

# The tests kill the server now and then, never the machine: what the system holds in memory survives.
UNSYNCED = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


class TopicFactory(Protocol):
    """Makes a topic and returns its fresh name; keywords are topic configurations (dots as underscores)."""

    def __call__(self, partitions: int = 1, **config: object) -> str: ...


def pytest_configure(config: pytest.Config) -> None:
    # kafka-python 3.0.12 reads its protocol definitions by functions that Python calls deprecated.
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")
    # It also leaves the sockets of failed connections to the garbage collector, which blames a later test.
    config.addinivalue_line("filterwarnings", "ignore:unclosed:ResourceWarning")
    config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A command that a test runs in its process sets up the log of the whole process."""
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        logging.root.handlers[:] = [h for h in logging.root.handlers if h in handlers] or handlers
        logging.root.setLevel(level)


@pytest.fixture(scope="session")
def kafka() -> "Iterator[KafkaServer]":
    from monitor.local.kafka import local_kafka

    try:
        with local_kafka() as server:
            yield server
    except DownloadFailed as failed:
        pytest.skip(str(failed))


@pytest.fixture(scope="session")
def kafka_admin(kafka: "KafkaServer") -> "Iterator[KafkaAdminClient]":
    from kafka import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    yield admin
    admin.close()


@pytest.fixture
def topic(kafka_admin: "KafkaAdminClient", request: pytest.FixtureRequest) -> TopicFactory:
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", request.node.name)[:60].strip("-")

    def make(partitions: int = 1, **config: object) -> str:
        name = f"{stem}-{uuid.uuid4().hex[:8]}"
        configs = {key.replace("_", "."): str(value) for key, value in config.items()}
        kafka_admin.create_topics(
            {name: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}},
            wait_for_metadata=True,
        )
        return name

    return make


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with local_postgres(settings=UNSYNCED) as server:
        yield server


@pytest.fixture(scope="session")
def database_names() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"test_{next(numbers)}"


@pytest.fixture
def database_url(postgres: PostgresServer, database_names: Callable[[], str]) -> Iterator[str]:
    """An empty database of the test's own."""
    name = database_names()
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def ledger_template(postgres: PostgresServer) -> str:
    from monitor.ledger.migrate import upgrade

    upgrade(postgres.create_database("ledger_template"))
    return "ledger_template"


def a_ledger(
    postgres: PostgresServer, ledger_template: str, database_names: Callable[[], str]
) -> Iterator[str]:
    """The URL of a database with the ledger's schema, migrated to the newest revision."""
    name = database_names()
    yield postgres.create_database(name, template=ledger_template)
    postgres.drop_database(name)


ledger_url = pytest.fixture(a_ledger, name="ledger_url")
"""A ledger of the test's own."""
ledger_url_of_the_module = pytest.fixture(a_ledger, scope="module", name="ledger_url_of_the_module")
"""One for all tests of a module."""


@pytest.fixture
def engine(ledger_url: str) -> "Iterator[Engine]":
    """The test's own ledger, as Tocsin reaches it."""
    from monitor.ledger.engine import connect

    made = connect(ledger_url)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets that `TOCSIN_REAL_DATA` names."""
    folder = os.environ.get("TOCSIN_REAL_DATA")
    if not folder:
        pytest.skip("TOCSIN_REAL_DATA names no folder of real data sets")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"TOCSIN_REAL_DATA names {path}, which is no folder")
    return path
