"""A minute of `make faults`: replicas die at steps of all three rooms, and nothing is lost or comes twice."""

from typing import Final

import pytest
from fault_deck import Fault, Kind
from fault_site import site
from fault_story import Pace
from fault_wire import Manner
from faults import Run

from monitor.errors import DownloadFailed

SEED: Final = 6
LASTS_S: Final = 22.0
LONGER_S: Final = 60.0
RATE: Final = 250.0
QUICK: Final = Pace(well_s=(10.0, 12.0), fails_s=(6.0, 8.0), kill_rest_s=(2.0, 4.0))
STEPS: Final = ("notify.before_record", "judge.before_commit", "ingest.before_commit")
# Every replica comes back with one of the steps armed, until each step has killed one.
SCHEDULE: Final = [
    *(Fault(0.1 * n, Kind.CRASH, luck=n / len(STEPS), step=step) for n, step in enumerate(STEPS)),
    Fault(4.0, Kind.TRANSACTION, luck=0.0, lasts_s=3.0),
    Fault(7.0, Kind.WIRE, luck=0.0, lasts_s=2.0, hard=True, step=Manner.CUT),
    Fault(10.0, Kind.TERMINATE, luck=0.0),
    Fault(12.0, Kind.CORRUPT, luck=0.0),
    Fault(14.0, Kind.SCALE, luck=0.0, replicas=2),
    Fault(15.0, Kind.WIRE, luck=0.5, lasts_s=3.0, hard=True, step=Manner.BLACK),
    Fault(19.0, Kind.KILL, luck=0.0),
]


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("no_socket_left")
def test_replicas_that_die_at_steps_of_every_room_lose_nothing_and_count_nothing_twice() -> None:
    try:
        with site(logs=None) as where:
            outcome = Run(where, SEED, RATE, QUICK).through(SCHEDULE, LASTS_S, LONGER_S)
    except DownloadFailed as failed:
        pytest.skip(str(failed))
    # Whether outages of seconds are seen while the machine is busy with other tests is no question of loss.
    assert [sentence for sentence in outcome.lost if not sentence.startswith("no incident about")] == []
    assert [
        (one.name, one.lost, one.twice, one.told) for one in outcome.layers if one.lost or one.twice
    ] == []
    assert outcome.visited.keys() >= set(STEPS)
    assert outcome.others.keys() >= {
        "Kafka cut",
        "batch corrupted",
        "pg_terminate_backend",
        "transaction aborted",
    }
    assert outcome.records > RATE * LASTS_S * 0.9
