"""The sample that languages are told from: in each evidence pane the 300 records with the smallest hashes.

A record's hash is of (topic, partition, offset), never of its text, so the sample is the same whichever
process reads it and however its records are cut into batches and checkpoints. A record among the 300 smallest
of all has fewer than 300 below it in whatever part of them a process has seen, so no process drops it; what a
process sends beyond that is cut off when bottoms are merged (`fold.bottom`). So merging is exact.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import numpy as np

from monitor.records.columns import Bools
from monitor.records.counting import group
from monitor.records.delta import I64, U64
from monitor.records.fold import SAMPLE_SIZE
from monitor.records.language import LanguageDetector

PANES_HELD: Final = 8_192
"""Bottoms kept, some 20 MB; forgetting one only means that more is sent than needed."""

Pane = tuple[int, int, int]
"""(signal, stream, evidence pane)."""

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)


def record_hashes(topic: str, partition: int, offsets: I64) -> U64:
    """A hash of each record of a partition, uint64[n]: splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    digest = blake2b(f"{topic}/{partition}".encode(), digest_size=8).digest()
    seed = np.uint64(int.from_bytes(digest, "little"))
    z = seed + (offsets.astype(np.uint64) + np.uint64(1)) * _GOLDEN
    z = (z ^ (z >> _SHIFT_1)) * _MIX_1
    z = (z ^ (z >> _SHIFT_2)) * _MIX_2
    hashes: U64 = z ^ (z >> _SHIFT_3)
    return hashes


class LanguageSampler:
    """The smallest hashes so far of each (stream, signal, evidence pane), over a process's partitions.

    `detector` tells the languages of what is sampled.
    """

    def __init__(self, detector: LanguageDetector, size: int = SAMPLE_SIZE) -> None:
        self.detector = detector
        self._size = size
        self._bottoms: OrderedDict[Pane, U64] = OrderedDict()

    def offer(self, signal: int, stream: I64, evidence: I64, hashes: U64) -> Bools:
        """Take up records and say which are among the smallest now: bool[n]; arrays are [n], n > 0."""
        groups = group([stream, evidence])
        keys = [(signal, s, e) for s, e in zip(*(k.tolist() for k in groups.keys), strict=True)]
        possible = hashes <= np.array([self.limit(key) for key in keys], np.uint64)[groups.code]
        rows = np.flatnonzero(possible)
        if rows.size == 0:
            return possible
        order = rows[np.argsort(groups.code[rows], kind="stable")]
        touched, starts = np.unique(groups.code[order], return_index=True)
        for at, part in zip(touched.tolist(), np.split(hashes[order], starts[1:]), strict=True):
            self._take_up(keys[at], part)
        limits = np.array([self.limit(key) for key in keys], np.uint64)
        return possible & (hashes <= limits[groups.code])

    def limit(self, key: Pane) -> int:
        """The largest hash that is among the smallest of a (signal, stream, evidence pane)."""
        bottom = self._bottoms.get(key)
        return int(bottom[-1]) if bottom is not None and bottom.size >= self._size else _NO_LIMIT

    def _take_up(self, key: Pane, hashes: U64) -> None:
        known = self._bottoms.get(key)
        merged = np.unique(hashes if known is None else np.concatenate((known, hashes)))
        self._bottoms[key] = merged[: self._size].copy()
        self._bottoms.move_to_end(key)
        while len(self._bottoms) > PANES_HELD:
            self._bottoms.popitem(last=False)


_NO_LIMIT: Final = 2**64 - 1
