"""Pane rows that wait to be stored: which are due at a tick, and the whole groups that they belong to."""

from typing import Final

import numpy as np

from monitor.judge.rows import Flags
from monitor.judge.subsets import where
from monitor.records import fold
from monitor.records.delta import Cells, Sums

MOST_UNWRITTEN: Final = 5_000
GROUP: Final = ("stream", "slice", "signal", "pane", "evidence")


def due(unwritten: Cells, first_open: int, whole: bool) -> Flags:
    """Which unwritten cells' rows are stored now: of closed panes always, of open ones if few or `whole`."""
    if whole or len(unwritten.stream) <= MOST_UNWRITTEN:
        return np.ones(len(unwritten.stream), np.bool_)
    return np.asarray(unwritten.evidence < first_open)


def whole_groups(cells: Cells, touched: Cells) -> Cells:
    """The cells of every (stream, slice, signal, pane, evidence) that `touched` has a cell of; both are folded."""
    if not len(touched.stream):
        return Cells()
    keys = [np.concatenate((getattr(cells, c), getattr(touched, c))) for c in GROUP]
    _, order, starts = fold.grouped(keys)
    group = np.empty(len(order), np.int64)
    group[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
    wanted = np.isin(group[: len(cells.stream)], group[len(cells.stream) :])
    return where(cells, wanted)


def sums_of(sums: Sums, cells: Cells) -> Sums:
    """The sums of the evidence panes that are stored; a row without cells is never there."""
    return where(sums, np.isin(sums.evidence, np.unique(cells.evidence)))
