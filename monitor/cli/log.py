"""The program's log: one line an event on stderr, key=value to read or JSON to collect."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from monitor.cli.printed import plain
from monitor.errors import UsageError

FORMATS: Final = ("text", "json")

# They tell at length what our own lines say once; httpx would also write webhook addresses, and those are
# secrets.
LEVELS_OF_OTHERS: Final[Mapping[str, int]] = {
    "kafka": logging.CRITICAL,
    "alembic": logging.WARNING,
    "apscheduler": logging.ERROR,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "uvicorn": logging.WARNING,
}


def configure_log(environ: Mapping[str, str], stream: TextIO = sys.stderr) -> None:
    """Send all logging to `stream`, as `TOCSIN_LOG` says: `text` (the default) or `json`, else UsageError.

    Takes the place of what was configured before, for structlog and for the standard library's loggers.
    """
    chosen = environ.get("TOCSIN_LOG") or "text"
    if chosen not in FORMATS:
        raise UsageError(f"TOCSIN_LOG is {chosen!r}: use text or json")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(chosen, stream),
            ],
            foreign_pre_chain=_shared(),
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO)
    for name, level in LEVELS_OF_OTHERS.items():
        logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _rendering(chosen: str, stream: TextIO) -> list[Processor]:
    if chosen == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [
        _plainly,
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            pad_event_to=0,
            pad_level=False,
            timestamp_key="at",
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _plainly(logger: object, method: str, event: EventDict) -> EventDict:
    """Texts from outside do not steer the terminal that shows the log."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in event.items()}


class Conditions:
    """Logs that a condition begins and that it ends, and nothing in between; safe to use from any thread."""

    def __init__(self, log: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[tuple[str, str], tuple[float, int]] = {}

    def begin(self, name: str, about: str = "", **facts: object) -> bool:
        """Note that condition `name` holds for `about`; a warning and True if it did not before."""
        with self._lock:
            since, times = self._since.get((name, about), (self._clock(), 0))
            self._since[name, about] = (since, times + 1)
        if times == 0:
            self._log.warning(name, **_about(about), **facts)
        return times == 0

    def end(self, name: str, about: str = "", **facts: object) -> bool:
        """Note that it does not hold; True, and a line with how long and how often, if it did until now."""
        with self._lock:
            held = self._since.pop((name, about), None)
        if held is None:
            return False
        since, times = held
        lasted = round(self._clock() - since, 1)
        self._log.info(f"{name}_over", **_about(about), lasted_s=lasted, times=times, **facts)
        return True

    def holds(self, name: str, about: str = "") -> bool:
        with self._lock:
            return (name, about) in self._since


def _about(about: str) -> dict[str, str]:
    return {"about": about} if about else {}
