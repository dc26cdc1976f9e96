import pytest
from sqlalchemy import delete

from monitor.config.model import Guard, KillSwitch
from monitor.ledger.decided import delivery, incident, kill_event, kill_switch, timeline
from monitor.ledger.engine import connect

GUARD = Guard(at_most=1, within_ms=3_600_000, min_n=20, fresh_ms=60_000)


@pytest.fixture(scope="module")
def ledger_of_the_module(ledger_url_of_the_module):
    engine = connect(ledger_url_of_the_module)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(ledger_of_the_module):
    yield ledger_of_the_module
    with ledger_of_the_module.begin() as conn:
        for table in (delivery, timeline, incident, kill_event, kill_switch):
            conn.execute(delete(table))


@pytest.fixture
def switch_called():
    """Makes switches that degrade to rules-v3; the guard allows one within an hour."""

    def make(name, guard=GUARD, mode="degrade", target="rules-v3", **more):
        return KillSwitch(name, "http://127.0.0.1:9/", "", mode, target, guard, (), **more)

    return make
