"""Ctrl-C in the middle of the demo leaves no process behind."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.timeout(150)


def test_the_demo_stops_everything_that_it_started(kafka):
    demo = subprocess.Popen(
        [sys.executable, "-m", "monitor.cli", "demo", "--once"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        seen = _read_until(demo, "a quiet service")
        family = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=60)
    finally:
        demo.kill()
    assert len(family) >= 3, seen
    assert demo.returncode == 130, rest
    assert "Traceback" not in rest
    assert not [p for p in family if _alive(p)]


def _read_until(demo: subprocess.Popen[str], words: str) -> str:
    seen = ""
    for line in demo.stdout or ():
        seen += line
        if words in line:
            return seen
    raise AssertionError(f"the demo ended before it began: {seen}")


def _alive(process: psutil.Process) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.1)
    return True
