"""A batch of records with what every signal asks of them: status, kind and lateness."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.records.columns import Bools, Columns
from monitor.records.delta import I64
from monitor.records.signals import Of

_ABSENT, _OK, _ERROR, _TIMEOUT, _REJECTED = range(5)
_STATUS: Final[dict[str | None, int]] = {
    None: _ABSENT,
    "ok": _OK,
    "error": _ERROR,
    "timeout": _TIMEOUT,
    "rejected": _REJECTED,
}
ADDED_LATER: Final = ("feedback", "label")
"""Records of these types add to an earlier prediction."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records with what all signals need of them, bool[n] each.

    `prediction` is no feedback and no label; `fallback` is by a fallback. `of` says which a signal may
    count; of a fallback's none.
    """

    columns: Columns
    late: Bools
    prediction: Bools
    fallback: Bools
    error: Bools
    timeout: Bools
    rejected: Bools
    of: Mapping[Of, Bools]
    bad_below: float


def batch_of(columns: Columns, late: Bools, bad_below: float) -> Batch:
    """What all signals need; `late` is bool[n]."""
    status = _status(columns)
    later = columns.names("type")
    is_later = [i for i, name in enumerate(later.names) if name in ADDED_LATER]
    prediction = ~np.isin(later.codes, is_later) if is_later else np.ones(columns.n, np.bool_)
    fallback = columns.flag("fallback")
    own = np.ones(columns.n, np.bool_) if fallback is None else fallback != 1
    return Batch(
        columns=columns,
        late=late,
        prediction=prediction,
        fallback=~own,
        error=status == _ERROR,
        timeout=status == _TIMEOUT,
        rejected=status == _REJECTED,
        of=_counted(status, prediction & own, own),
        bad_below=bad_below,
    )


def _counted(status: I64, plain: Bools, own: Bools) -> dict[Of, Bools]:
    ok = plain & (status == _OK)
    return {
        Of.ALL: plain,
        Of.OK: ok,
        Of.SAMPLED: ok,
        Of.TRIED: plain & (status != _REJECTED),
        Of.ANSWERED: ok | (plain & (status == _TIMEOUT)),
        Of.FAILED: plain & ((status == _ERROR) | (status == _TIMEOUT)),
        Of.RATED: own,
        Of.LABELLED: own,
    }


def _status(columns: Columns) -> I64:
    """Codes of `_STATUS`, int64[n]; an absent one is ok, or error if the record names an error."""
    column = columns.raw("status")
    status = np.fromiter(map(_STATUS.__getitem__, column), np.int64, columns.n)
    absent = status == _ABSENT
    if not absent.any():
        return status
    failed = np.zeros(columns.n, np.bool_)
    for field in ("error_type", "error_message"):
        if columns.has(field):
            failed |= np.fromiter(map(bool, columns.raw(field)), np.bool_, columns.n)
    return np.where(absent, np.where(failed, _ERROR, _OK), status)
