"""Rule 7: Postgres is set back to an older copy of its data directory, after a kill of which that knows nothing."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fault_decisions import HOOK_PATH
from fault_scene import Scene
from fault_servers import SETTINGS
from fault_story import SWITCH, kill_messages
from sqlalchemy import text

from monitor.judge.loop import Judge
from monitor.killswitch.switches import release
from monitor.ledger.migrate import upgrade
from monitor.local.kafka import KafkaServer
from monitor.local.postgres import PostgresServer, local_postgres
from monitor.local.receiver import Receiver
from monitor.notify import orphans, worker

Topic = Callable[..., str]


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    with local_postgres(settings=SETTINGS) as server:
        yield server


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the judge does not find again is given up sooner than in half a minute."""
    monkeypatch.setattr(orphans, "LATER_MS", 2_000)
    monkeypatch.setattr(worker, "LOST_EVERY_S", 0.5)


@pytest.fixture
def scene(
    kafka: KafkaServer, topic: Topic, own_postgres: PostgresServer, receiver: Receiver, tmp_path: Path
) -> Iterator[Scene]:
    url = own_postgres.create_database("set_back")
    upgrade(url)
    made = Scene(kafka, topic(), url, receiver, tmp_path)
    yield made
    made.engine.dispose()


@contextmanager
def replica(scene: Scene) -> Iterator[None]:
    """All rooms of one, in this process."""
    judge, notifier = Judge(scene.config, scene.engine, lambda: None), scene.notifier(lease_s=30.0)
    with scene.ingesting():
        judge.start()
        notifier.start()
        try:
            yield
        finally:
            judge.stop(5.0)
            notifier.stop()


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def heard(receiver: Receiver, state: str, after: int = 0) -> list[dict[str, Any]]:
    return [m for m in kill_messages(receiver.received) if m["state"] == state and m["sequence"] > after]


def incidents_heard_of(receiver: Receiver) -> set[str]:
    bodies = [r.json() for r in receiver.received if r.path == HOOK_PATH]
    return {body["data"]["incident_id"] for body in bodies if body["type"].startswith("incident.")}


def incidents_known(scene: Scene) -> set[str]:
    with scene.engine.begin() as conn:
        return set(conn.execute(text("SELECT incident_id FROM tocsin.incidents")).scalars())


@pytest.mark.usefixtures("no_socket_left")
def test_rule_7_after_a_set_back_nothing_is_orphaned_and_the_release_is_newer_than_the_lost_kill(
    scene: Scene, own_postgres: PostgresServer, receiver: Receiver
) -> None:
    data, older = own_postgres.home / "data", own_postgres.home / "older"

    def writing_until(condition: Callable[[], object], *, fails: bool) -> None:
        def look() -> object:
            scene.produce(50, fails=fails)
            return condition()

        scene.until(look)

    with replica(scene):
        scene.feed(300)
        own_postgres.stop()
        copy(data, older)
        own_postgres.restart()

        writing_until(lambda: heard(receiver, "tripped"), fails=True)
        lost = heard(receiver, "tripped")[-1]["sequence"]
        own_postgres.stop()
        shutil.rmtree(data)
        older.rename(data)
        own_postgres.restart()

        writing_until(lambda: heard(receiver, "tripped", lost), fails=True)
        with scene.engine.begin() as conn:
            assert release(conn, scene.config.kill_switches[SWITCH], reason="mended", actor="ann")
        writing_until(lambda: incidents_heard_of(receiver) <= incidents_known(scene), fails=False)
        scene.until_judged()
        scene.until_told()
    newest = max(kill_messages(receiver.received), key=lambda m: m["sequence"])
    with scene.engine.begin() as conn:
        state = conn.execute(text("SELECT state, sequence FROM tocsin.kill_switches")).one()
        rules = set(conn.execute(text("SELECT rule FROM tocsin.incidents")).scalars())
    assert (newest["state"], newest["sequence"]) == tuple(state)
    assert newest["state"] == "released"
    assert "tocsin.ledger_went_back" in rules
    assert scene.account() == []
