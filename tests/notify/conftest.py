import gc

import pytest
from notify_parties import config_for, running_party
from sqlalchemy import delete

from monitor.ledger.decided import delivery, incident, kill_event, kill_switch, repetition, timeline
from monitor.ledger.engine import connect


@pytest.fixture(scope="module")
def ledger_of_the_module(ledger_url_of_the_module):
    engine = connect(ledger_url_of_the_module, pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(ledger_of_the_module):
    yield ledger_of_the_module
    with ledger_of_the_module.begin() as conn:
        for table in (delivery, repetition, timeline, incident, kill_event, kill_switch):
            conn.execute(delete(table))


@pytest.fixture
def party():
    with running_party() as running:
        yield running


@pytest.fixture
def config(tmp_path, party):
    return config_for(tmp_path, party.url)


@pytest.fixture
def no_socket_left():
    """kafka-python leaves failed sockets to the garbage collector, which would blame a later test, or the session."""
    yield
    gc.collect()
