"""Each safeguard is needed, and its loss is noticed: the same scenario on the code as it is, and on broken code.

A scenario holds one room of a replica at the step in question; the harness's own account says what came of it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import fault_mutants as mutants
import pytest
from fault_account import Layer
from fault_scene import Hold, Scene

from monitor import crash_points
from monitor.ingest import holdings
from monitor.judge import session, stream_rows, unwritten
from monitor.ledger import engine
from monitor.ledger.announcements import open_internal, resolve_internal
from monitor.local.feed import now_ms
from monitor.local.kafka import KafkaServer
from monitor.local.receiver import Received, Receiver
from monitor.notify.senders import Senders

Topic = Callable[..., str]
Mutant = Callable[[pytest.MonkeyPatch], None]
PANE_MS: Final = 10_000

pytestmark = pytest.mark.usefixtures("no_socket_left")


@pytest.fixture
def scene(
    kafka: KafkaServer,
    topic: Topic,
    ledger_url: str,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    # No time-out is to end what a test holds, no checkpoint is empty, and rows are written at every tick.
    monkeypatch.setattr(engine, "IDLE_IN_TRANSACTION_MS", 30_000)
    monkeypatch.setattr(holdings, "IDLE_S", 1e9)
    monkeypatch.setattr(session, "ROWS_EVERY_S", 0.0)
    made = Scene(kafka, topic(), ledger_url, receiver, tmp_path)
    yield made
    made.engine.dispose()


def lost(layers: list[Layer]) -> int:
    return max((one.lost for one in layers), default=0)


def twice(layers: list[Layer]) -> int:
    return max((one.twice for one in layers), default=0)


def dies_before_a_commit(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[Layer]:
    """An ingest dies with a checkpoint all but committed, and another goes on."""
    hold = Hold()
    dying, passing = hold.before(lambda step: None), crash_points.reached
    monkeypatch.setattr(crash_points, "reached", lambda step: step == "ingest.before_commit" and dying(step))
    scene.produce(400)
    with scene.ingesting():
        hold.reached()
    monkeypatch.setattr(crash_points, "reached", passing)
    scene.cut_off()
    scene.produce(100)
    with scene.ingesting():
        scene.until_read()
        hold.let_go()
    scene.judged(scene.session())
    return scene.account()


def stores_after_it_was_replaced(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[Layer]:
    """An ingest stands still with a checkpoint in hand until another has counted the same records, and stores it."""
    hold = Hold()
    scene.produce(400)
    with monkeypatch.context() as patched:
        patched.setattr(holdings, "store", hold.before(holdings.store))
        with scene.ingesting():
            hold.reached()
    with scene.ingesting():
        scene.until_read()
    hold.let_go()
    scene.judged(scene.session())
    return scene.account()


def judges_after_it_was_replaced(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[Layer]:
    """A judge stands still with pane rows to write until another has written newer ones, and writes them."""
    slow, other, advance = scene.session(), scene.session(), session.advance
    at_ms = now_ms()

    def stalled(*args: Any) -> Any:
        monkeypatch.setattr(session, "advance", advance)
        scene.expire_lease()
        scene.feed(200, at_ms)
        scene.judged(other)
        return advance(*args)

    with scene.ingesting():
        scene.feed(200, at_ms)
        scene.judged(slow)
        with monkeypatch.context() as many_streams:
            # Rows of many cells are written every two seconds.
            many_streams.setattr(unwritten, "MOST_UNWRITTEN", 0)
            many_streams.setattr(session, "ROWS_EVERY_S", 1e9)
            scene.feed(200, at_ms)
            slow.tick()
        monkeypatch.setattr(session, "advance", stalled)
        scene.tick(slow)
    return scene.account()


def commits_late(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[Layer]:
    """One of two ingests takes long to commit; the judge has read the other's later checkpoint by then."""
    hold, judge = Hold(), scene.session()
    scene.add_partition()
    with scene.ingesting() as first, scene.ingesting() as second:
        scene.until(lambda: [len(each.status().partitions) for each in (first, second)] == [1, 1])
        late, passing = hold.before(lambda step: None), crash_points.reached
        monkeypatch.setattr(
            crash_points, "reached", lambda step: step == "ingest.before_commit" and late(step)
        )
        scene.produce(300, partition=0)
        hold.reached()
        scene.produce(300, partition=1)
        scene.counted(300)
        scene.tick(judge)
        hold.let_go()
        monkeypatch.setattr(crash_points, "reached", passing)
        scene.until_read()
    scene.judged(judge)
    return scene.account()


RECORDS: Final = {
    mutants.offset_in_a_transaction_of_its_own: (dies_before_a_commit, lost),
    mutants.neither_owner_nor_offset_compared: (stores_after_it_was_replaced, twice),
    mutants.neither_lease_nor_cursors_compared: (judges_after_it_was_replaced, twice),
    mutants.one_cursor_over_all_partitions: (commits_late, lost),
}


@pytest.mark.parametrize("scenario", [scenario for scenario, _ in RECORDS.values()])
def test_every_record_counts_once_whatever_happens(
    scenario: Callable[..., list[Layer]], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scenario(scene, monkeypatch) == []


@pytest.mark.parametrize("mutant", RECORDS)
def test_the_account_notices_when_a_safeguard_of_records_is_gone(
    mutant: Mutant, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, wrong = RECORDS[mutant]
    mutant(monkeypatch)
    assert wrong(scenario(scene, monkeypatch)) >= 50


@pytest.mark.parametrize(
    ("mutant", "scenario"),
    [
        (mutants.owner_not_compared, stores_after_it_was_replaced),
        (mutants.lease_not_checked, judges_after_it_was_replaced),
    ],
)
def test_of_two_safeguards_the_other_one_is_enough(
    mutant: Mutant,
    scenario: Callable[..., list[Layer]],
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutant(monkeypatch)
    assert scenario(scene, monkeypatch) == []


def joined_late(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> int:
    """Records of a pane that were not part of its evidence, though they came in order: how many.

    The rest of the pane, and what ends it, is committed just after the judge has read the checkpoints.
    """
    judge, labels = scene.session(), stream_rows.labels
    start_ms = now_ms() // PANE_MS * PANE_MS - 6 * PANE_MS

    def rest_comes(*args: Any) -> Any:
        monkeypatch.setattr(stream_rows, "labels", labels)
        scene.feed(300, at_ms=start_ms + 4_000)
        scene.feed(100, at_ms=start_ms + PANE_MS + 4_000)
        return labels(*args)

    with scene.ingesting():
        scene.feed(100, at_ms=start_ms + 2_000)
        scene.tick(judge, times=1)
        scene.feed(100, at_ms=start_ms + 3_000)
        monkeypatch.setattr(stream_rows, "labels", rest_comes)
        scene.tick(judge)
    scene.judged(judge)
    assert scene.account() == []
    return scene.one(f"""
        SELECT coalesce(sum(n), 0) FROM tocsin_ledger.pane WHERE signal = 0 AND slice_id = 0
        AND pane_start = to_timestamp({start_ms // 1000}) AND evidence_start <> pane_start
    """)


def test_a_pane_is_judged_with_all_that_came_in_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert joined_late(scene, monkeypatch) == 0


def test_the_panes_notice_when_the_watermark_runs_ahead(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutants.watermark_from_the_progress_table(monkeypatch)
    assert joined_late(scene, monkeypatch) >= 200


def dies_sending(scene: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A notifier dies with a message all but sent, and another goes on."""
    hold = Hold()
    monkeypatch.setattr(Senders, "send", hold.before(Senders.send))
    opened(scene)
    dying, next_one = scene.notifier(lease_s=1.0), scene.notifier(lease_s=1.0)
    dying.start()
    hold.reached()
    dying.stop(0.0)
    next_one.start()
    scene.until_told()
    found = scene.lost()
    hold.let_go()
    next_one.stop()
    return found


def sends_slowly(scene: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An incident is over before its first message has come."""
    hold = Hold()
    monkeypatch.setattr(Senders, "send", hold.before(Senders.send))
    opened(scene)
    notifier = scene.notifier(lease_s=30.0)
    notifier.start()
    hold.reached()
    with scene.engine.begin() as conn:
        resolve_internal(conn, rule="tocsin.stuck", key="a", detail="it is over")
    receiver.wait_for(_is_resolution, 1.0)
    hold.let_go()
    scene.until_told()
    notifier.stop()
    return scene.lost()


def opened(scene: Scene) -> None:
    with scene.engine.begin() as conn:
        open_internal(
            conn, scene.config, rule="tocsin.stuck", key="a", summary="stuck", detail="", at_ms=now_ms()
        )


def _is_resolution(request: Received) -> bool:
    return bool(request.json()["type"] == "incident.resolved")


DECISIONS: Final = {
    mutants.recorded_before_it_is_sent: (dies_sending, "is recorded, but never came"),
    mutants.no_lanes: (sends_slowly, "is resolved, its receiver heard opened last"),
}


@pytest.mark.parametrize("scenario", [scenario for scenario, _ in DECISIONS.values()])
def test_every_decision_is_told_whatever_happens(
    scenario: Callable[..., list[str]], scene: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scenario(scene, receiver, monkeypatch) == []


@pytest.mark.parametrize("mutant", DECISIONS)
def test_the_account_notices_when_a_safeguard_of_decisions_is_gone(
    mutant: Mutant, scene: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, wrong = DECISIONS[mutant]
    mutant(monkeypatch)
    (sentence,) = scenario(scene, receiver, monkeypatch)
    assert wrong in sentence
