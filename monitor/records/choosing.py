"""Which records of a partition are kept to be looked at, before any budget.

The share is chosen by a hash: of the trace where a record has one, so that a chosen trace is whole, over models, topics
and whoever reads them; else of (topic, partition, offset). So the choice is the same in every process and replica, and
has nothing to do with what a record says.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Final

import msgspec
import numpy as np

from monitor.records.allowance import ERROR, FIRST, INCIDENT, SHARE
from monitor.records.batch import Batch
from monitor.records.candidates import Places
from monitor.records.decode import REFUSALS
from monitor.records.delta import I64
from monitor.records.lenient import unframed
from monitor.records.measure import Measured
from monitor.records.record import TRACE_ID
from monitor.records.settings import SampleSettings
from monitor.records.shown import Showing, Sought
from monitor.records.signals import Of
from monitor.records.text import without_surrogates

ERRORS_A_STREAM: Final = 3
OTHERS_A_STREAM: Final = 2
SHOWING_A_STREAM: Final = 3
"""Samples of a stream and checkpoint, by why they are kept."""
MOST_VERSIONS: Final = 100_000
_HASHES: Final = 2**64


class _Traced(msgspec.Struct):
    trace_id: str | int | None = None


_trace_of: Final = msgspec.json.Decoder(_Traced).decode
_NONE: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Offer:
    """Rows of a batch that may be kept, the best first, up to `quota` a stream and checkpoint."""

    why: str
    quota: int
    rows: I64
    signal: str = ""
    narrowed: Callable[[I64], I64] | None = None

    def among(self, rows: I64) -> I64:
        """Those of `rows` that it is really about: what takes time is asked where there is room only."""
        return rows if self.narrowed is None else self.narrowed(rows)


@dataclass(frozen=True, slots=True)
class Scene:
    """A measured batch of n: `message` gives that of a row, `sought` is what to look for by local stream code."""

    batch: Batch
    measured: Sequence[Measured]
    places: Places
    message: Callable[[int], bytes]
    sought: Sequence[tuple[int, Sought]] = ()


class Chooser:
    """Chooses from the batches of one partition; it remembers of which versions the first records have come."""

    def __init__(self) -> None:
        self._came: dict[int, int] = {}

    def offers(self, scene: Scene, settings: SampleSettings, showing: Showing) -> Iterator[Offer]:
        """What to keep, the most telling first."""
        batch, places = scene.batch, scene.places
        mine = batch.of[Of.ALL]
        order = np.argsort(places.hashes) if scene.sought else _NONE
        for stream, one in scene.sought:
            here = order[mine[order] & (places.stream[order] == stream)]
            shows = showing.rows(one, batch, scene.measured, here)
            yield Offer(INCIDENT, SHOWING_A_STREAM, shows, one.signal)
        failed = mine & (batch.error | batch.timeout)
        yield Offer(ERROR, ERRORS_A_STREAM, np.flatnonzero(failed), ERROR)
        first = self._first(np.flatnonzero(mine), places.slice, settings.first)
        yield Offer(FIRST, max(settings.first, 1), first)
        if settings.share > 0:
            share = partial(_of_share, scene, settings.share)
            yield Offer(SHARE, OTHERS_A_STREAM, np.flatnonzero(mine & ~failed), narrowed=share)

    def _first(self, rows: I64, version: I64, most: int) -> I64:
        """The rows that are among the `most` first of their version; `version` int64[n] are slice codes."""
        found, counts = np.unique(version[rows], return_counts=True)
        wanted = []
        for code, n in zip(found.tolist(), counts.tolist(), strict=True):
            came = self._came.get(code, 0)
            if came < most:
                wanted.append(rows[version[rows] == code][: most - came])
                self._came[code] = came + n
        if len(self._came) > MOST_VERSIONS:
            # Codes ascend: what was seen first is forgotten, and would at worst be kept once more.
            self._came = dict(sorted(self._came.items())[MOST_VERSIONS // 2 :])
        return np.sort(np.concatenate([rows[:0], *wanted]))


def _of_share(scene: Scene, share: float, rows: I64) -> I64:
    """Those of `rows` that belong to the share."""
    limit = share * _HASHES
    traces = _traces(scene, rows.tolist())
    hashes = [
        _trace_hash(trace) if trace else own
        for trace, own in zip(traces, scene.places.hashes[rows].tolist(), strict=True)
    ]
    return rows[np.array([h < limit for h in hashes], np.bool_)]


def _traces(scene: Scene, rows: Sequence[int]) -> list[str]:
    """The trace id of each record, empty where there is none."""
    columns = scene.batch.columns
    if TRACE_ID in columns.fields:
        column = columns.raw(TRACE_ID)
        return ["" if column[row] is None else str(column[row]) for row in rows]
    return [_trace(unframed(scene.message(row))) for row in rows]


def _trace(value: bytes) -> str:
    if b"trace_id" not in value:
        return ""
    try:
        found = _trace_of(value).trace_id
    except REFUSALS:
        return ""
    return "" if found is None else str(found)


def _trace_hash(trace: str) -> int:
    return int.from_bytes(blake2b(without_surrogates(trace).encode(), digest_size=8).digest(), "little")
