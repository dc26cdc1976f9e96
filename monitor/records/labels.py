"""Labels and feedback that come later: they are told what their prediction said, then measured as any record."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import repeat
from sys import intern
from typing import Any, Final

import numpy as np

from monitor.records.batch import ADDED_LATER, Batch
from monitor.records.columns import Bools, Column, Columns
from monitor.records.delta import I64, Cells
from monitor.records.measure import Measured, rows_of
from monitor.records.predictions import Objects, Predictions, Said
from monitor.records.record import ID, MODEL
from monitor.records.signals import INTERNAL, WHOLE, Kind, Of
from monitor.records.text import NAME_BYTES, clean_name

_LABEL: Final = "label"
_UNMATCHED: Final = next(s for s in INTERNAL if s.kind is Kind.LABELS)


def join(columns: Columns, event_ms: I64, predictions: Predictions, *, by_id: bool = False) -> None:
    """Remember the batch's predictions, and fill in what its labels and feedback leave unsaid of theirs.

    A prediction is found by `model` and `id`, whichever of the process's partitions it came in: then `prediction`,
    `confidence`, `version` and `fallback` are as if the label repeated them. One without a model finds the last
    prediction of its id, where they are remembered `by_id` too. `event_ms` is int64[n].
    """
    given = columns.given(ID)
    with_id = np.ones(columns.n, np.bool_) if given is None else given
    if not with_id.any():
        return
    later = _of_type(columns, *ADDED_LATER)
    key = _keys(columns, columns.raw(MODEL))
    # Who asks by id alone learns of which model and version it is, whatever that said.
    says = np.ones(columns.n, np.bool_) if by_id else _says(columns)
    kept = np.flatnonzero(with_id & ~later & says)
    said = _said(columns, kept, key, event_ms)
    predictions.keep(said)
    if by_id and kept.size:
        predictions.keep(replace(said, key=_keys(columns, repeat(None, columns.n))[kept]))
    asking = np.flatnonzero(with_id & later)
    if asking.size:
        places, found = predictions.find(key[asking], event_ms[asking])
        _fill(columns, asking[places], found)


def unmatched(batch: Batch) -> Iterator[Measured]:
    """Labels that came later: bucket 1 for one that counts nowhere, since its prediction is not known."""
    columns = batch.columns
    labels = _of_type(columns, _LABEL) & batch.of[Of.LABELLED]
    if labels.any():
        judged = _there(columns, "correct") | (_there(columns, "prediction") & _there(columns, "label"))
        yield rows_of(_UNMATCHED, labels, (~judged).astype(np.int64))


def labels_in(cells: Cells) -> tuple[int, int]:
    """The labels that came later in some cells: those that were judged, and the unmatched."""
    mine = (cells.signal == _UNMATCHED.code) & (cells.slice == WHOLE)
    known, lost = cells.bucket[mine] == 0, cells.bucket[mine] == 1
    return int(cells.count[mine][known].sum()), int(cells.count[mine][lost].sum())


def _of_type(columns: Columns, *wanted: str) -> Bools:
    types = columns.names("type")
    codes = [i for i, name in enumerate(types.names) if name in wanted]
    return np.isin(types.codes, codes) if codes else np.zeros(columns.n, np.bool_)


def _there(columns: Columns, field: str) -> Bools:
    given = columns.given(field)
    return np.ones(columns.n, np.bool_) if given is None else given


def _says(columns: Columns) -> Bools:
    return _there(columns, "prediction") | _there(columns, "confidence")


def _keys(columns: Columns, models: Iterable[Any]) -> I64:
    """Hashes of models and id, int64[n]; they are of this process."""
    ids = columns.raw(ID)
    if not set(map(type, ids)) <= {str, type(None)}:
        ids = list(map(str, ids))
    return np.fromiter(map(hash, zip(models, ids, strict=True)), np.int64, columns.n)


def _said(columns: Columns, rows: I64, key: I64, event_ms: I64) -> Said:
    confidence = np.array(columns.raw("confidence"), np.float64)[rows]
    confidence[(confidence < 0) | (confidence > 1)] = np.nan
    fallback = columns.flag("fallback")
    return Said(
        key[rows],
        event_ms[rows],
        _objects(columns.raw("prediction"))[rows],
        confidence,
        _objects(columns.raw("version"))[rows],
        np.zeros(rows.size, np.bool_) if fallback is None else fallback[rows] == 1,
        _objects(columns.raw(MODEL))[rows],
    )


def _objects(column: Column) -> Objects:
    """A column of scalars as object[n]; equal texts are one object, and none is longer than a name."""
    if set(map(type, column)) <= {str, type(None)}:
        column = [None if text is None else _short(text) for text in column]
    made = np.empty(len(column), np.object_)
    made[:] = column
    return made


def _short(text: str) -> str:
    return intern(text if len(text) <= NAME_BYTES // 4 else clean_name(text))


def _fill(columns: Columns, rows: I64, said: Said) -> None:
    columns.fill(MODEL, rows, said.model)
    columns.fill("prediction", rows, said.prediction)
    columns.fill("version", rows, said.version)
    known = ~np.isnan(said.confidence)
    columns.fill("confidence", rows[known], _boxed(said.confidence[known].tolist()))
    columns.fill("fallback", rows[said.fallback], _boxed([True] * int(said.fallback.sum())))


def _boxed(values: list[Any]) -> Objects:
    made = np.empty(len(values), np.object_)
    made[:] = values
    return made
