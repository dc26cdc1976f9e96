"""The sign of life is sent only while there is reason to believe in it."""

from dataclasses import replace

import pytest
import structlog

from monitor.cli.heartbeat import Beating, trouble
from monitor.cli.log import Conditions
from monitor.config.model import Heartbeat
from monitor.local.receiver import local_receiver
from monitor.web.status import Status

WELL = Status(
    alive={"daemon": None},
    ready={"postgres": None, "kafka": None},
    watermark_age_s=4.0,
    outbox_oldest_s=0.0,
)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"alive": {"daemon": "the judge stopped"}}, "daemon: the judge stopped"),
        ({"ready": {"kafka": "no broker answers"}}, "kafka: no broker answers"),
        ({"watermark_age_s": None}, "the watermark stands still, so nothing is judged"),
        ({"watermark_age_s": 121.0}, "the watermark stands still, so nothing is judged"),
        ({"outbox_oldest_s": 301.0}, "a message has waited in the outbox for more than five minutes"),
    ],
)
def test_there_is_none_when_anything_stands_still(change: dict[str, object], why: str) -> None:
    assert trouble(WELL) is None
    assert trouble(replace(WELL, **change)) == why  # type: ignore[arg-type]


def test_it_is_posted_while_all_is_well_and_not_otherwise() -> None:
    status = [WELL]
    with local_receiver(SECRET) as receiver:
        heartbeat = Heartbeat(receiver.url("/slack"), 60_000)
        beating = Beating(heartbeat, lambda: status[0], Conditions(structlog.get_logger()))
        assert beating.beat()
        assert receiver.wait_for(lambda r: r.path == "/slack", 5)
        status[0] = replace(WELL, watermark_age_s=600.0)
        assert not beating.beat()


def test_a_watchman_that_cannot_be_reached_is_no_error() -> None:
    nobody = Heartbeat("http://127.0.0.1:9/ping", 60_000)
    assert not Beating(nobody, lambda: WELL, Conditions(structlog.get_logger())).beat()
