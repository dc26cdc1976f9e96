"""Steps at which a process can be told to kill itself, so that a test can see that nothing is lost there.

Nothing happens unless `$TOCSIN_CRASH_AT` names a step as the process starts.
"""

import os
import signal
from collections import Counter
from collections.abc import Mapping
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

_left: Final[Counter[str]] = Counter()


def arm(environ: Mapping[str, str]) -> None:
    """Read `$TOCSIN_CRASH_AT`: `judge.before_commit`, or `judge.before_commit:20` for the 20th time it is reached.

    Raises UsageError for what is no step.
    """
    asked = environ.get(VARIABLE)
    if not asked:
        return
    step, _, times = asked.partition(":")
    if step not in STEPS or not (times or "1").isdecimal() or times == "0":
        raise UsageError(
            f"{VARIABLE} is {asked!r}: use one of {', '.join(STEPS)}, and `:20` for the 20th time"
        )
    _left[step] = int(times or 1)


def reached(step: str) -> None:
    """Die here, as by SIGKILL, if this step is the one that was asked for."""
    if step not in _left:
        return
    _left[step] -= 1
    if _left[step] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
