import gc
from collections.abc import Iterator

import pytest

from monitor.local.receiver import Receiver, local_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    # kafka-python, imported with it, warns before the ignoring of its warnings is in force.
    from fault_site import SECRET

    with local_receiver(SECRET) as running:
        yield running


@pytest.fixture
def no_socket_left() -> Iterator[None]:
    """kafka-python leaves failed sockets to the garbage collector, which would blame a later test."""
    yield
    gc.collect()
