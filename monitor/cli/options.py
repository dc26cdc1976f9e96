"""Options that several commands share."""

from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import Any, Final

import click
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from monitor import config
from monitor.cli.printed import say
from monitor.config.model import Config, Source
from monitor.config.problem import listed
from monitor.errors import UsageError
from monitor.ledger.engine import connect, explained, set_local

PATIENT: Final = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}

Command = Callable[..., Any]


def config_option(command: Command) -> Command:
    """`-c FILE`."""
    return click.option(
        "-c",
        "--config",
        "path",
        metavar="FILE",
        help="alerts.yaml to use; else $TOCSIN_CONFIG, else ./alerts.yaml.",
    )(command)


def loaded(path: str | None, need: Set[str]) -> Config:
    """The configuration that a command works with; raises UsageError or ConfigError."""
    return config.load(config.find(path), need=need)


def part_loaded(path: str | None, need: Set[str]) -> Config:
    """As `loaded`, for a command that needs no more: mistakes in other sections are told of, and stop nobody."""
    file = config.find(path)
    settings, elsewhere = config.load_part(file, need)
    if elsewhere:
        one = len(elsewhere) == 1
        what = "1 mistake that does" if one else f"{len(elsewhere)} mistakes that do"
        say(f"{file} has {what} not matter here: tocsin check names {'it' if one else 'them'}", err=True)
    return settings


def source_of(settings: Config, topic: str | None) -> Source:
    """The source whose messages a file has: that of `topic`, else the one of predictions.

    Raises UsageError where there are several of these that are read differently, and none is named.
    """
    topics = settings.topics
    if topic is not None:
        if topic not in topics:
            raise UsageError(f"no source has topic {topic}: there is {listed(topics)}")
        return topics[topic]
    found = [source for source in settings.sources if source.type is None]
    if any(source.format != found[0].format for source in found):
        names = [source.topics[0] for source in found]
        raise UsageError(
            f"{listed(names)} have messages of different formats: say by --source TOPIC whose these are"
        )
    return found[0]


@contextmanager
def ledger(settings: Config, *, reading: bool = False) -> Iterator[Connection]:
    """A transaction on the ledger; raises LedgerUnavailable, LedgerDenied or SchemaMismatch.

    One that is only `reading` may take as long as it needs, and think between two rows.
    """
    # Alembic takes longer to import than `--help` to print.
    from monitor.ledger.migrate import check_schema

    engine = connect(settings.store_url, name="tocsin")
    try:
        with engine.begin() as conn:
            check_schema(conn)
            if reading:
                set_local(conn, PATIENT)
            yield conn
    except SQLAlchemyError as error:
        raise explained(settings.store_url, error) from error
    finally:
        engine.dispose()
