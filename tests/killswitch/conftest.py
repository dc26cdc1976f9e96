import pytest

from monitor.config.model import Guard, KillSwitch
from monitor.ledger.engine import connect

GUARD = Guard(at_most=1, within_ms=3_600_000, min_n=20, fresh_ms=60_000)


@pytest.fixture
def ledger(ledger_url):
    engine = connect(ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture
def switch_called():
    """Makes switches that degrade to rules-v3; the guard allows one within an hour."""

    def make(name, guard=GUARD, mode="degrade", target="rules-v3"):
        return KillSwitch(name, "http://127.0.0.1:9/", "", mode, target, guard, ())

    return make
