"""How long it takes after each fault until everything that Kafka had by then is judged."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at `at_s` (monotonic seconds); `ends` is by partition what had been written by then."""

    what: str
    at_s: float
    ends: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Recovery:
    """`seconds` from the last fault until all that was written by then was judged.

    `behind_s` is the same from the first fault of that row: faults that follow closely prolong one another.
    """

    what: str
    seconds: float
    behind_s: float


@dataclass
class Recoveries:
    """The strike that is not over, and how long the others took; no thread, no clock."""

    open: Strike | None = None
    first_s: float = 0.0
    done: list[Recovery] = field(default_factory=list)

    def strike(self, strike: Strike) -> None:
        """One more; what the one before was waiting for is part of what this one waits for."""
        if self.open is None:
            self.first_s = strike.at_s
        self.open = strike

    def look(self, judged: Mapping[int, int], now_s: float) -> None:
        """See whether it is over, by the offsets judged."""
        strike = self.open
        if strike is not None and all(judged.get(p, 0) >= end for p, end in strike.ends.items()):
            self.done.append(Recovery(strike.what, now_s - strike.at_s, now_s - self.first_s))
            self.open = None

    def worst(self) -> dict[str, float]:
        """The longest in seconds, by the last fault."""
        found: dict[str, float] = {}
        for one in self.done:
            found[one.what] = max(found.get(one.what, 0.0), one.seconds)
        return found


class Watch:
    """Looks at `tocsin.progress` in a thread of its own until `stop`."""

    def __init__(self, engine: Engine, ends: Callable[[], Mapping[int, int]]) -> None:
        self._engine, self._ends = engine, ends
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.recoveries = Recoveries()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)

    def strike(self, what: str) -> None:
        """A fault happens now, or a server answers again."""
        with self._lock:
            self.recoveries.strike(Strike(what, time.monotonic(), self._ends()))

    @property
    def over(self) -> bool:
        """Whether everything written before the last fault is judged."""
        return self.recoveries.open is None

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                judged = self._judged()
            except SQLAlchemyError:
                continue
            with self._lock:
                self.recoveries.look(judged, time.monotonic())

    def _judged(self) -> dict[int, int]:
        with self._engine.begin() as conn:
            rows = conn.execute(text("SELECT partition, coalesce(judged_offset, 0) FROM tocsin.progress"))
            return dict(map(tuple, rows))
