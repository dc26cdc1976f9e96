"""Signals that are counted only where alerts.yaml asks: absent fields, signals of users, repeated inputs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.records.batch import Batch
from monitor.records.columns import Bools, Column, Columns
from monitor.records.delta import F64, I64
from monitor.records.loose import flags, names, numbers
from monitor.records.measure import Measured, rows_of
from monitor.records.record import Number, Record
from monitor.records.repeats import Repeats
from monitor.records.settings import MeasureSettings
from monitor.records.signals import BY_NAME, MISSING, SIGNALS, Kind, Of, Signal
from monitor.records.user_signals import UserSignal

_INCONSISTENT: Final = BY_NAME["inconsistent"]
_CACHED_VERSION: Final = BY_NAME[f"{MISSING}cached_version"]
_NUMERIC: Final = frozenset(name for name, kind in Record.__annotations__.items() if kind == Number)


@dataclass(frozen=True, slots=True)
class _Read:
    """A user's signal in a batch of n: which records have it, bool[n], and their buckets, int64[n]."""

    known: Bools
    bucket: I64
    dropped: int
    values: F64 | None = None
    names: list[str] | None = None


class Asked:
    """What `settings` ask of one partition's records; `dropped` counts values that a user's signal cannot count.

    `repeats` is what is known of inputs from before, where other settings were in effect.
    """

    def __init__(
        self, settings: MeasureSettings, dropped: Counter[str], repeats: Repeats | None = None
    ) -> None:
        self._missing = [s for s in SIGNALS if s.name.startswith(MISSING) and s.code in settings.asked]
        self._users = settings.user_signals
        self._codes = settings.asked
        known = Repeats() if repeats is None else repeats
        self.repeats = known if _INCONSISTENT.code in settings.asked else None
        self._dropped = dropped

    def measure(self, batch: Batch, stream: I64) -> Iterator[Measured]:
        """Those that have data in the batch; `stream` int64[n] is the records' local codes."""
        for measured in self._all(batch, stream):
            if measured.bucket.size:
                yield measured

    def _all(self, batch: Batch, stream: I64) -> Iterator[Measured]:
        for signal in self._missing:
            yield _absent(signal, batch)
        for user in self._users:
            yield from self._user(user, batch)
        if self.repeats is not None:
            repeated, differs = self.repeats.take_up(batch, stream)
            yield rows_of(_INCONSISTENT, repeated, differs.astype(np.int64))

    def _user(self, user: UserSignal, batch: Batch) -> Iterator[Measured]:
        signal, ok = user.signal, batch.of[Of.OK]
        read = _READS[signal.kind](user, batch.columns.at(user.path))
        if read.dropped:
            self._dropped[signal.name] += read.dropped
        found = rows_of(signal, ok & read.known, read.bucket, read.values)
        yield Measured(signal.code, found.rows, found.bucket, found.values, read.names)
        if user.missing.code in self._codes:
            yield rows_of(user.missing, ok, (~read.known).astype(np.int64))


def _absent(signal: Signal, batch: Batch) -> Measured:
    could = batch.of[signal.of]
    if signal is _CACHED_VERSION:
        hit = batch.columns.flag("cache_hit")
        could = np.zeros_like(could) if hit is None else could & (hit == 1)
    return rows_of(signal, could, _without(signal.field, batch.columns).astype(np.int64))


def _without(field: str, columns: Columns) -> Bools:
    """Which records have no value of `field`, or one that was dropped: bool[n]."""
    if field in _NUMERIC:
        values = columns.number(field)
        return np.ones(columns.n, np.bool_) if values is None else np.isnan(values)
    given = columns.given(field)
    return np.zeros(columns.n, np.bool_) if given is None else ~given


def _rate(user: UserSignal, column: Column) -> _Read:
    if not user.when:
        values, dropped = flags(column)
        return _Read(~np.isnan(values), (values == 1).astype(np.int64), dropped)
    found, dropped = names(column, classes=False)
    wanted = [i for i, name in enumerate(found.names) if name in user.when]
    return _Read(found.present, np.isin(found.codes, wanted).astype(np.int64), dropped)


def _distribution(user: UserSignal, column: Column) -> _Read:
    values, dropped = numbers(column, user.low, user.high)
    known = ~np.isnan(values)
    bucket = np.zeros(known.size, np.int64)
    if user.signal.scale is not None:
        bucket[known] = user.signal.scale.bucket(values[known])
    return _Read(known, bucket, dropped, values=values)


def _category(user: UserSignal, column: Column) -> _Read:
    found, dropped = names(column, classes=True)
    return _Read(found.present, found.codes, dropped, names=found.names)


_READS: Final[Mapping[Kind, Callable[[UserSignal, Column], _Read]]] = {
    Kind.RATE: _rate,
    Kind.DISTRIBUTION: _distribution,
    Kind.CATEGORY: _category,
}
