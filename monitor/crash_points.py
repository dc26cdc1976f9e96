"""Steps at which a process can be told to kill or stop itself, so that a test can see that nothing is lost there.

Nothing happens unless `$TOCSIN_CRASH_AT` names a step as the process starts.
"""

import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from monitor.errors import UsageError

VARIABLE: Final = "TOCSIN_CRASH_AT"
STEPS: Final = (
    "ingest.before_commit",
    "ingest.after_commit",
    "judge.before_commit",
    "judge.after_commit",
    "notify.before_send",
    "notify.before_record",
    "notify.after_record",
)

_ASKED: Final = re.compile(rf"({'|'.join(map(re.escape, STEPS))})(?::([1-9][0-9]*))?(:stop)?")


@dataclass(slots=True)
class _Point:
    left: int
    signal: signal.Signals


_armed: Final[dict[str, _Point]] = {}


def arm(environ: Mapping[str, str]) -> None:
    """Read `$TOCSIN_CRASH_AT`: `judge.before_commit`, or `judge.before_commit:20` for the 20th time it is reached.

    With `:stop` behind it the process stops there, as by SIGSTOP, and goes on at a SIGCONT. Raises UsageError
    for what is no step.
    """
    asked = environ.get(VARIABLE)
    if not asked:
        return
    found = _ASKED.fullmatch(asked)
    if found is None:
        raise UsageError(
            f"{VARIABLE} is {asked!r}: use one of {', '.join(STEPS)}, with `:20` for the 20th time and `:stop` to "
            "stop rather than die"
        )
    step, times, stops = found.groups()
    _armed[step] = _Point(int(times or 1), signal.SIGSTOP if stops else signal.SIGKILL)


def reached(step: str) -> None:
    """End or stop here if this step is the one that was asked for."""
    point = _armed.get(step)
    if point is None:
        return
    point.left -= 1
    if point.left == 0:
        os.kill(os.getpid(), point.signal)
