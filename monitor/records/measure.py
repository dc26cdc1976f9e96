"""Signals of a batch: for each one of the registry which records it counts, and in which bucket."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.records.batch import Batch
from monitor.records.columns import Bools, Columns, Distinct
from monitor.records.delta import F64, I64
from monitor.records.rates import RATES
from monitor.records.settings import NO_VALUE
from monitor.records.signals import ASKED_ONLY, SIGNALS, Kind, Of, Signal

_MEASURED: Final = tuple(s for s in SIGNALS if s.of is not Of.SAMPLED and s.name not in ASKED_ONLY)


@dataclass(frozen=True, slots=True)
class Measured:
    """A signal's part of a batch: `rows` int64[m] of the batch, or None for all, with `bucket` int64[m].

    `values` float64[m] of a distribution; `names` of a category, indexed by its buckets.
    """

    signal: int
    rows: I64 | None
    bucket: I64
    values: F64 | None = None
    names: list[str] | None = None


def measure(batch: Batch) -> Iterator[Measured]:
    """Every signal that has data in the batch, but for the sampled ones and those counted only if asked for."""
    for signal in _MEASURED:
        measured = _MEASURES[signal.kind](signal, batch)
        if measured is not None and measured.bucket.size:
            yield measured


def _traffic(signal: Signal, batch: Batch) -> Measured:
    return rows_of(signal, batch.prediction, np.zeros(batch.columns.n, np.int64))


def rows_of(signal: Signal, rows: Bools, bucket: I64, values: F64 | None = None) -> Measured:
    """`rows` bool[n] of `bucket` and `values` [n]."""
    if rows.all():
        return Measured(signal.code, None, bucket, values)
    at = np.flatnonzero(rows)
    return Measured(signal.code, at, bucket[at], values if values is None else values[at])


def _distribution(signal: Signal, batch: Batch) -> Measured | None:
    values = _values(signal, batch)
    if values is None or signal.scale is None:
        return None
    rows = batch.of[signal.of] & ~np.isnan(values)
    at = None if rows.all() else np.flatnonzero(rows)
    kept = values if at is None else values[at]
    return Measured(signal.code, at, signal.scale.bucket(kept).astype(np.int64), kept)


def _values(signal: Signal, batch: Batch) -> F64 | None:
    if signal.name == "abs_error":
        return _distance(batch.columns)
    if signal.unit == "characters":
        return batch.columns.lengths(signal.field)
    return batch.columns.number(signal.name)


def _distance(columns: Columns) -> F64 | None:
    if not columns.has("label"):
        return None
    predicted, label = columns.number("prediction"), columns.number("label")
    return None if predicted is None or label is None else np.abs(predicted - label)


def _category(signal: Signal, batch: Batch) -> Measured | None:
    distinct = _NAMES.get(signal.name, _given_names)(signal, batch.columns)
    rows = batch.of[signal.of] & distinct.present
    measured = rows_of(signal, rows, distinct.codes)
    return Measured(signal.code, measured.rows, measured.bucket, names=distinct.names)


def _given_names(signal: Signal, columns: Columns) -> Distinct:
    return columns.names(signal.field)


def _versions(signal: Signal, columns: Columns) -> Distinct:
    return columns.names(signal.field, absent=NO_VALUE)


def _classes(signal: Signal, columns: Columns) -> Distinct:
    return columns.classes(signal.field)


_NAMES: Final = {"version": _versions, "prediction": _classes}


def _rate(signal: Signal, batch: Batch) -> Measured | None:
    found = RATES[signal.name](batch)
    if found is None:
        return None
    counted, event = found
    if signal.name != "fallback":
        counted = counted & batch.of[signal.of]
    return rows_of(signal, counted, event.astype(np.int64))


_MEASURES: Final[Mapping[Kind, Callable[[Signal, Batch], Measured | None]]] = {
    Kind.TRAFFIC: _traffic,
    Kind.RATE: _rate,
    Kind.DISTRIBUTION: _distribution,
    Kind.CATEGORY: _category,
}
