"""However the program that owns them ends, no server outlives it for longer than until the next start."""

import json
import os
import signal
import subprocess
import sys

import pytest

from monitor.local.postgres import local_postgres
from monitor.local.registry import Entry, Registration, start_time, stop_orphans


@pytest.mark.parametrize(
    ("then", "code"),
    [
        ("pass", 0),
        ("raise ValueError('broken')", 1),
        ("sys.exit(7)", 7),
        ("import atexit; stack.pop_all(); sys.exit(0)", 0),
    ],
    ids=["returns", "raises", "exits", "forgets to close"],
)
def test_a_program_that_ends_by_itself_leaves_no_process_and_no_directory(owner, then, code):
    program = owner("postgres", then=then)
    program.process.communicate(timeout=20)
    assert program.process.returncode == code
    assert program.survivors() == []
    assert [home for home in program.homes if home.exists()] == []


@pytest.mark.parametrize(
    ("number", "code", "servers"),
    [
        (signal.SIGTERM, 143, ["postgres"]),
        (signal.SIGHUP, 129, ["postgres"]),
        (signal.SIGINT, -signal.SIGINT, ["kafka", "postgres"]),
    ],
    ids=["SIGTERM", "SIGHUP", "Ctrl-C"],
)
def test_a_signal_stops_the_servers_before_the_program_ends(owner, number, code, servers):
    program = owner(*servers)
    # The terminal sends Ctrl-C to the whole group of the program; its servers are in groups of their own.
    os.killpg(program.process.pid, number)
    program.process.communicate(timeout=30)
    assert program.process.returncode == code
    assert program.survivors() == []
    assert [home for home in program.homes if home.exists()] == []


def test_after_a_sigkill_of_ours_the_next_start_stops_what_was_left(owner, own_cache, is_running):
    program = owner("kafka", "postgres")
    program.process.kill()
    program.process.wait()
    assert program.survivors() == program.pids
    with local_postgres() as server:
        assert program.survivors() == []
        assert [home for home in program.homes if home.exists()] == []
        assert is_running(server.pid)
    assert list((own_cache / "running").iterdir()) == []


def test_a_start_leaves_the_servers_of_a_living_program_alone(owner):
    program = owner("postgres")
    with local_postgres():
        assert program.survivors() == program.pids


@pytest.fixture
def stranger():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "/some/home/data"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("home", "started_off_by_s"),
    [("/another/home", 0.0), ("/some/home", -3600.0), ("/some", 3600.0), ("/some/hom", 0.0)],
    ids=["other directory", "older process", "younger process", "directory of a like name"],
)
def test_a_process_that_has_inherited_a_pid_is_never_killed(
    tmp_path, stranger, home, started_off_by_s, is_running
):
    entry = Entry(home, False, signal.SIGTERM, stranger.pid, start_time(stranger.pid) + started_off_by_s)
    (tmp_path / "stale.json").write_text(json.dumps({k: getattr(entry, k) for k in entry.__slots__}))
    assert stop_orphans(tmp_path) == [entry]
    assert is_running(stranger.pid)
    assert list(tmp_path.iterdir()) == []


def test_the_very_process_that_was_recorded_is_stopped(tmp_path, stranger, is_running):
    entry = Entry("/some/home", False, signal.SIGTERM, stranger.pid, start_time(stranger.pid))
    (tmp_path / "stale.json").write_text(json.dumps({k: getattr(entry, k) for k in entry.__slots__}))
    assert stop_orphans(tmp_path) == [entry]
    assert not is_running(stranger.pid)


def test_an_unreadable_entry_is_removed_and_stops_nothing(tmp_path):
    (tmp_path / "torn.json").write_text('{"home": "/so')
    assert stop_orphans(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_locked_entry_belongs_to_somebody_alive(tmp_path, stranger):
    registration = Registration(tmp_path, Entry("/some/home", False, signal.SIGTERM))
    registration.started(stranger.pid)
    assert stop_orphans(tmp_path) == []
    assert stranger.poll() is None
    registration.release()
    assert list(tmp_path.iterdir()) == []
