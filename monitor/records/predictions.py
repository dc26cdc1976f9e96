"""Predictions that labels may still ask for, in bounded memory."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, fields
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.records.columns import Bools
from monitor.records.delta import F64, I64
from monitor.records.settings import MeasureSettings

Objects = NDArray[np.object_]

_PARTS: Final = 16


@dataclass(frozen=True, slots=True)
class Said:
    """What predictions said: `key` int64[n] hashes model and id, or the id alone; `at_ms` int64[n] is event time.

    `prediction`, `version` and `model` object[n] are as in the record, None where absent; `confidence` float64[n] is
    NaN.
    """

    key: I64
    at_ms: I64
    prediction: Objects
    confidence: F64
    version: Objects
    fallback: Bools
    model: Objects

    @property
    def size(self) -> int:
        return int(self.key.size)


class Predictions:
    """The last predictions of a process, at most about `most` and none for longer than `join_ms`.

    They are kept in sorted runs that are merged as they grow, so that keeping and finding are a few numpy calls. Any
    thread may use it. Nothing of it is stored: after a restart it is empty.
    """

    def __init__(self, join_ms: int, most: int) -> None:
        self.join_ms = join_ms
        self._most, self._largest = most, max(1, most // _PARTS)
        self._runs: deque[Said] = deque()
        self._newest_ms: int | None = None
        self._full = False
        self._told = False
        self._lock = Lock()

    @property
    def held(self) -> int:
        """How many predictions are remembered."""
        return sum(run.size for run in self._runs)

    def take(self) -> tuple[str, ...]:
        """One sentence, once, when predictions had to go before their time."""
        with self._lock:
            if not self._full or self._told:
                return ()
            self._told = True
            oldest_ms = int(self._runs[0].at_ms.min()) if self._runs else self._newest_ms or 0
        kept_s = (self._newest_ms or 0) // 1_000 - oldest_ms // 1_000
        return (
            f"labels.max of {self._most:,} predictions is reached: they are remembered for {kept_s:,} s, not for the "
            f"{self.join_ms // 1_000:,} s of labels.join, and later labels stay unmatched",
        )

    def keep(self, said: Said) -> None:
        """Remember predictions; of equal keys the last counts."""
        # In parts, since whole ones are forgotten: a batch may be more than is held.
        for first in range(0, said.size, self._largest):
            self._keep(_rows(said, slice(first, first + self._largest)))

    def _keep(self, said: Said) -> None:
        run = _sorted([said])
        with self._lock:
            self._newest_ms = max(int(said.at_ms.max()), self._newest_ms or 0)
            self._runs.append(run)
            self._merge()
            self._forget()

    def find(self, key: I64, at_ms: I64) -> tuple[I64, Said]:
        """Which of some keys int64[m] are known at times int64[m], as places, and what was said there."""
        wanted = np.arange(key.size)
        places, found = [wanted[:0]], [_EMPTY]
        with self._lock:
            runs = list(self._runs)
        for run in reversed(runs):
            at = np.searchsorted(run.key, key[wanted], side="right") - 1
            known = (run.key[at] == key[wanted]) & (at >= 0)
            known &= at_ms[wanted] - run.at_ms[at] <= self.join_ms
            places.append(wanted[known])
            found.append(_rows(run, at[known]))
            wanted = wanted[~known]
        return np.concatenate(places), _concatenated(found)

    def _merge(self) -> None:
        """Join the newest runs while they are alike, up to a sixteenth of what may be held."""
        runs = self._runs
        while (
            len(runs) > 1
            and runs[-2].size <= 2 * runs[-1].size
            and runs[-2].size + runs[-1].size <= self._largest
        ):
            newer, older = runs.pop(), runs.pop()
            runs.append(_sorted([older, newer]))

    def _forget(self) -> None:
        oldest_ms = (self._newest_ms or 0) - self.join_ms
        while self._runs and int(self._runs[0].at_ms.max()) < oldest_ms:
            self._runs.popleft()
        while self.held > self._most:
            self._runs.popleft()
            self._full = True


def predictions_for(settings: MeasureSettings) -> Predictions | None:
    """What remembers predictions as `settings` ask; None where labels are not joined."""
    return None if settings.join_ms is None else Predictions(settings.join_ms, settings.join_most)


def _sorted(parts: Iterable[Said]) -> Said:
    """All of `parts` by key, equal keys in their order."""
    said = _concatenated(parts)
    return _rows(said, np.argsort(said.key, kind="stable"))


def _rows(said: Said, at: Any) -> Said:
    return Said(*(getattr(said, f.name)[at] for f in fields(Said)))


def _concatenated(parts: Iterable[Said]) -> Said:
    listed = list(parts)
    return Said(*(np.concatenate([getattr(p, f.name) for p in listed]) for f in fields(Said)))


_EMPTY: Final = Said(
    np.empty(0, np.int64),
    np.empty(0, np.int64),
    np.empty(0, np.object_),
    np.empty(0, np.float64),
    np.empty(0, np.object_),
    np.empty(0, np.bool_),
    np.empty(0, np.object_),
)
