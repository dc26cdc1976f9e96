from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from monitor.ledger.engine import connect
from monitor.local.postgres import PostgresServer

if TYPE_CHECKING:
    from aftermath import Aftermath


@pytest.fixture(scope="module")
def made(
    postgres: PostgresServer,
    ledger_template: str,
    database_names: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> "Iterator[Aftermath]":
    """One incident for all questions of a module."""
    from aftermath import Aftermath

    name = database_names()
    engine = connect(postgres.create_database(name, template=ledger_template))
    yield Aftermath(engine, tmp_path_factory.mktemp("aftermath"))
    engine.dispose()
    postgres.drop_database(name)
