from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from monitor.ledger.engine import connect

if TYPE_CHECKING:
    from aftermath import Aftermath


@pytest.fixture(scope="module")
def made(ledger_url_of_the_module: str, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Aftermath]":
    """One incident for all questions of a module."""
    from aftermath import Aftermath

    engine = connect(ledger_url_of_the_module)
    yield Aftermath(engine, tmp_path_factory.mktemp("aftermath"))
    engine.dispose()
