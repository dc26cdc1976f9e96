"""Confidence against correctness: labelled predictions by bins of confidence, of which some are right.

Each bin is a signal of its own, since a pane keeps a count and a sum for each signal: so the expected calibration
error comes out of any panes exactly (Naeini, Cooper and Hauskrecht, AAAI 2015, with equal bins).
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from monitor.records.batch import Batch
from monitor.records.measure import Measured
from monitor.records.rates import incorrect
from monitor.records.signals import CALIBRATION_BINS, INTERNAL, Kind, Of

_BINS: Final = tuple(s.code for s in INTERNAL if s.kind is Kind.CALIBRATION)
_EDGES: Final = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS


def calibration(batch: Batch) -> Iterator[Measured]:
    """The bins that have data in the batch: bucket 1 for a right prediction, with its confidence as value.

    Bins are closed below; the last one has confidence 1 too.
    """
    confidence = batch.columns.number("confidence")
    judged = incorrect(batch) if confidence is not None else None
    if confidence is None or judged is None:
        return
    known, wrong = judged
    rows = np.flatnonzero(known & ~np.isnan(confidence) & batch.of[Of.LABELLED])
    if rows.size == 0:
        return
    bins = np.searchsorted(_EDGES, confidence[rows], side="right")
    order = np.argsort(bins, kind="stable")
    found, starts = np.unique(bins[order], return_index=True)
    for bin_, of_bin in zip(found.tolist(), np.split(rows[order], starts[1:]), strict=True):
        yield Measured(_BINS[bin_], of_bin, (~wrong[of_bin]).astype(np.int64), confidence[of_bin])
