import pytest
from notify_parties import config_for, running_party

from monitor.ledger.engine import connect


@pytest.fixture
def ledger(ledger_url):
    engine = connect(ledger_url, pool_size=20)
    yield engine
    engine.dispose()


@pytest.fixture
def party():
    with running_party() as running:
        yield running


@pytest.fixture
def config(tmp_path, party):
    return config_for(tmp_path, party.url)
