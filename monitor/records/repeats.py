"""Inputs that come again: whether the same version gave them the same answer as the last time."""

from collections import OrderedDict
from itertools import islice, repeat
from operator import is_not
from typing import Any, Final

import msgspec
import numpy as np

from monitor.records.batch import Batch
from monitor.records.columns import Bools, Columns
from monitor.records.delta import I64
from monitor.records.record import FEATURES
from monitor.records.settings import NO_VALUE, VERSION_FIELD
from monitor.records.signals import Of

INPUTS_A_STREAM: Final = 4_096
INPUTS: Final = 32_768
"""Inputs that one partition remembers over all its streams: at most some 6 MB."""

_HALF: Final = INPUTS_A_STREAM // 2
_SPREAD: Final = 0x1E3779B97F4A7C15


class Repeats:
    """The inputs of one partition that were seen lately, as hashes, with the hash of their last answer.

    An input is the text of `input`, else the object `features`; an answer the `prediction`, else the text of
    `output`. Only ok records with both count. n are those whose input the same version of the stream has had
    among its last 2,048 to 4,096 distinct inputs (fewer where 32,768 of a partition are held), k those of n
    with another answer than the last.

    Nothing of this is stored. After a restart or a rebalance the new owner has seen no input yet, so for a
    while n is smaller; k / n is as before. The same input in two partitions is never compared. Hashes are of
    the process, with 64 bits: that two inputs share one does not happen in practice.
    """

    def __init__(self) -> None:
        self._streams: OrderedDict[int, _Recent] = OrderedDict()

    @property
    def held(self) -> int:
        """How many inputs are remembered."""
        return sum(recent.size for recent in self._streams.values())

    def take_up(self, batch: Batch, stream: I64) -> tuple[Bools, Bools]:
        """Which records repeat an input, and which of these answer it otherwise: bool[n] each."""
        repeated = np.zeros(batch.columns.n, np.bool_)
        differs = np.zeros(batch.columns.n, np.bool_)
        rows, keys, answers = _hashed(batch)
        if rows.size == 0:
            return repeated, differs
        order = np.argsort(stream[rows], kind="stable")
        codes, starts = np.unique(stream[rows][order], return_index=True)
        for code, part in zip(codes.tolist(), np.split(order, starts[1:]), strict=True):
            known, other = self._recent(code).compare(keys[part], answers[part])
            repeated[rows[part]], differs[rows[part]] = known, other
        self._forget()
        return repeated, differs

    def _recent(self, stream: int) -> "_Recent":
        recent = self._streams.setdefault(stream, _Recent())
        self._streams.move_to_end(stream)
        return recent

    def _forget(self) -> None:
        """Let go the streams unseen for longest, beyond what may be held."""
        held = self.held
        while held > INPUTS:
            _, gone = self._streams.popitem(last=False)
            held -= gone.size


class _Recent:
    """The last distinct inputs of one stream, in two generations: the older is dropped when the newer is full."""

    def __init__(self) -> None:
        self._newer: dict[int, int] = {}
        self._older: dict[int, int] = {}

    @property
    def size(self) -> int:
        return len(self._newer) + len(self._older)

    def compare(self, keys: I64, answers: I64) -> tuple[Bools, Bools]:
        """Which of some inputs were known, and which had another answer: bool[m]; arrays int64[m], m > 0."""
        order = np.argsort(keys, kind="stable")
        ordered, given = keys[order], answers[order]
        first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
        before, known = np.roll(given, 1), ~first
        asked = ordered[first].tolist()
        remembered = list(map(self._newer.get, asked, map(self._older.get, asked)))
        known[first] = np.fromiter(map(is_not, remembered, repeat(None)), np.bool_, len(asked))
        before[first] = [answer or 0 for answer in remembered]
        self._remember(ordered, given, order, np.roll(first, -1))
        back = np.empty(keys.size, np.intp)
        back[order] = np.arange(keys.size)
        return known[back], (known & (before != given))[back]

    def _remember(self, ordered: I64, given: I64, order: I64, last: Bools) -> None:
        """Keep the last answer of each input, in the order in which the inputs came."""
        by_arrival = np.argsort(order[last])
        keys, answers = ordered[last][by_arrival].tolist(), given[last][by_arrival].tolist()
        self._newer.update(zip(keys, answers, strict=True))
        if len(self._newer) > _HALF:
            self._older = dict(islice(reversed(self._newer.items()), _HALF))
            self._newer = {}


def _hashed(batch: Batch) -> tuple[I64, I64, I64]:
    """The records that can repeat: their rows, and hashes of version and input and of the answer, int64[m]."""
    columns = batch.columns
    inputs, answers = _inputs(columns), _either(columns.raw("prediction"), columns.raw("output"))
    given = [i is not None and a is not None for i, a in zip(inputs, answers, strict=True)]
    rows = np.flatnonzero(np.array(given, np.bool_) & batch.of[Of.OK])
    version = columns.names(VERSION_FIELD, absent=NO_VALUE)
    by_version = np.array([hash(name) for name in version.names], np.int64)[version.codes[rows]]
    keys = _hashes(inputs, rows) ^ (by_version * np.array([_SPREAD], np.int64))
    return rows, keys, _hashes([*map(str, answers)], rows)


def _hashes(values: list[Any], rows: I64) -> I64:
    return np.fromiter(map(hash, map(values.__getitem__, rows.tolist())), np.int64, rows.size)


def _inputs(columns: Columns) -> list[Any]:
    inputs = columns.raw("input")
    if not columns.has(FEATURES):
        return inputs
    encode = msgspec.json.Encoder(order="deterministic").encode
    return _either(inputs, [None if f is None else encode(f) for f in columns.raw(FEATURES)])


def _either(first: list[Any], second: list[Any]) -> list[Any]:
    if None not in first:
        return first
    return [b if a is None else a for a, b in zip(first, second, strict=True)]
