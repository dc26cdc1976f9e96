from collections.abc import Iterator

import pytest
from ledger_rows import Rows
from sqlalchemy import Engine

from monitor.ledger.engine import connect


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Engine]:
    """An engine on a migrated database."""
    engine = connect(ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture
def rows(ledger: Engine) -> Rows:
    """A migrated database with two streams, to write panes into."""
    return Rows(ledger)
