"""Pages over a ledger with an incident that production code made, and a real browser to look at them."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parents[1] / "postmortem"))

from monitor.ledger.engine import connect

if TYPE_CHECKING:
    from aftermath import Aftermath
    from playwright.sync_api import Browser

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def burning(ledger_url_of_the_module: str, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Aftermath]":
    """An incident that fires and has tripped its switch; nobody has taken it."""
    from aftermath import Aftermath

    engine = connect(ledger_url_of_the_module)
    yield Aftermath(engine, tmp_path_factory.mktemp("burning"), goes_on=True)
    engine.dispose()


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """The system's Chromium; nothing is downloaded.

    Of a module: while it is there, its event loop runs in this thread, where other tests have theirs.
    """
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium on this machine: install it as `chromium`")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        yield started
        started.close()
