"""Distinct users of a stream by pane, from the smallest hashes of their names.

The 256 smallest hashes of a pane's users are kept: all of them while there are no more, so that the count is exact.
Of more, the largest one kept tells how dense they lie (Bar-Yossef et al., RANDOM 2002). The smallest of a union are the
smallest of the union of smallest, so panes and partitions merge exactly.
"""

from operator import methodcaller
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from monitor.records.batch import Batch
from monitor.records.columns import Column
from monitor.records.delta import I64, Cells
from monitor.records.fold import SKETCH_SIZE, add_up, smallest
from monitor.records.signals import ALL_USERS, FAILED_USERS, WHOLE, Of

USER: Final = "user"
_HASHES: Final = 2**32
_LOWEST: Final = -(2**31)
_encode: Final = methodcaller("encode", "utf-8", "surrogatepass")


def users(batch: Batch, stream: I64, pane: I64, evidence: I64) -> Cells:
    """The smallest hashes of the users of each stream and pane, and of those whose requests failed; int64[n] each.

    `bucket` is the hash, `count` how many of the user's records it stands for.
    """
    given = batch.columns.given(USER)
    hashes = user_hashes(batch.columns.raw(USER))
    known = hashes != _LOWEST if given is None else given & (hashes != _LOWEST)
    tables = []
    for code, of in ((ALL_USERS, Of.ALL), (FAILED_USERS, Of.FAILED)):
        rows = np.flatnonzero(batch.of[of] & known)
        keys, count = add_up(
            [c[rows] for c in (stream, pane, evidence, hashes)], np.ones(rows.size, np.int64)
        )
        tables.append((keys[0], np.full(count.size, code), *keys[1:], count))
    streams, signal, panes, evidences, bucket, counts = map(np.concatenate, zip(*tables, strict=True))
    whole = np.full(counts.size, WHOLE)
    return smallest(Cells(streams, whole, signal, panes, evidences, bucket, counts))


def user_hashes(column: Column) -> I64:
    """A 32-bit hash of each user, as signed integers int64[n]: the same in every process, the lowest for no text."""
    texts = column if set(map(type, column)) <= {str} else map(str, column)
    raw = np.fromiter(map(crc32, map(_encode, texts)), np.uint32, len(column))
    return _mixed(raw).astype(np.int64) + _LOWEST


def _mixed(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """MurmurHash3's finalizer (Appleby, public domain): a permutation that undoes the regularity of a CRC."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x ^ (x >> np.uint32(16))


def distinct_users(hashes: I64) -> tuple[int, bool]:
    """How many users some panes had, from the hashes kept of them, and whether that is exact.

    Of more than 255 the estimate has a standard error of about 6%.
    """
    least = np.unique(hashes)[:SKETCH_SIZE]
    if least.size < SKETCH_SIZE:
        return int(least.size), True
    return round((SKETCH_SIZE - 1) * _HASHES / (int(least[-1]) - _LOWEST + 1)), False
