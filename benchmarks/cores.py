"""The measured process on one core, everything else on another."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TASKS = "/proc/{pid}/task"


@dataclass(frozen=True, slots=True)
class Cores:
    """`measured` and `rest` are numbers of processors, None where this machine does not let us choose."""

    measured: int | None
    rest: int | None

    @property
    def pinned(self) -> bool:
        return self.measured is not None and self.rest is not None

    def __str__(self) -> str:
        if self.pinned:
            return (
                f"measured process on core {self.measured}; Kafka, Postgres and the load on core {self.rest}"
            )
        return "NOT PINNED: this machine does not let us choose two cores, so the servers compete with what is measured"

    def settle(self) -> None:
        """Put the calling thread, and what it starts from now on, beside the servers."""
        if self.rest is not None:
            os.sched_setaffinity(0, {self.rest})

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """What the calling thread starts inside the block runs where it is measured."""
        if self.measured is None:
            yield
            return
        os.sched_setaffinity(0, {self.measured})
        try:
            yield
        finally:
            self.settle()

    def strays(self, pid: int) -> int:
        """How many threads of a process run elsewhere than `rest`; 0 where nothing is pinned."""
        if self.rest is None:
            return 0
        tasks = [int(path.name) for path in Path(TASKS.format(pid=pid)).iterdir()]
        return sum(os.sched_getaffinity(task) != {self.rest} for task in tasks)


def two_cores() -> Cores:
    """The first two cores this process may run on; none where there is one only or nothing can be pinned."""
    if not hasattr(os, "sched_setaffinity"):
        return Cores(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return Cores(None, None)
    try:
        os.sched_setaffinity(0, {allowed[1]})
    except OSError:
        return Cores(None, None)
    return Cores(allowed[0], allowed[1])
