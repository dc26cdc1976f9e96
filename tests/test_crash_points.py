"""A process dies or stops at the step it was told, and only there."""

import os
import signal
import subprocess
import sys

import pytest

from monitor import crash_points
from monitor.errors import UsageError

PASSES = """
import os
from monitor import crash_points
crash_points.arm(os.environ)
for n in range(1, 5):
    crash_points.reached("ingest.before_commit")
    crash_points.reached("judge.before_commit")
    print(n, flush=True)
"""


def passes(at: str) -> tuple[int, list[str]]:
    environ = {**os.environ, crash_points.VARIABLE: at}
    ran = subprocess.run(
        [sys.executable, "-c", PASSES], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    return ran.returncode, ran.stdout.split()


def test_without_the_variable_no_step_kills() -> None:
    assert passes("") == (0, ["1", "2", "3", "4"])


def test_a_step_kills_when_it_is_reached() -> None:
    assert passes("ingest.before_commit") == (-signal.SIGKILL, [])


def test_a_number_lets_a_step_pass_until_it_is_reached_so_often() -> None:
    assert passes("judge.before_commit:3") == (-signal.SIGKILL, ["1", "2"])


def test_a_step_that_is_never_reached_kills_nobody() -> None:
    assert passes("notify.before_record") == (0, ["1", "2", "3", "4"])


def test_a_process_told_to_stop_goes_on_when_it_is_continued() -> None:
    environ = {**os.environ, crash_points.VARIABLE: "judge.before_commit:2:stop"}
    with subprocess.Popen(
        [sys.executable, "-c", PASSES], env=environ, stdout=subprocess.PIPE, text=True
    ) as ran:
        _, status = os.waitpid(ran.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        ran.send_signal(signal.SIGCONT)
        assert ran.communicate(timeout=60)[0].split() == ["1", "2", "3", "4"]
        assert ran.returncode == 0


@pytest.mark.parametrize("at", ["judge", "judge.before_commit:0", "judge.before_commit:x", "notify:stop"])
def test_what_is_no_step_is_refused_with_the_steps_there_are(at: str) -> None:
    with pytest.raises(UsageError, match=r"use one of ingest\.before_commit"):
        crash_points.arm({crash_points.VARIABLE: at})
