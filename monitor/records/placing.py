"""Which stream and which slices each record of a batch belongs to, as local codes."""

from collections.abc import Callable
from typing import Final

import numpy as np

from monitor.records.columns import ABSENT, Columns, Distinct
from monitor.records.counting import Groups, group
from monitor.records.delta import F64, I64
from monitor.records.names import Names
from monitor.records.settings import NO_VALUE

BANDED: Final = "batch_size"
"""The slice field that is a number: its values are counted by powers of two."""
LARGEST_BAND: Final = 20


def bands(values: F64 | None) -> Distinct:
    """Numbers by powers of two: 1, 2-3, 4-7, ... as names; below 1 and NaN there is none. `values` float64[n].

    >>> found = bands(np.array([1.0, 6.0, 7.9, 0.0, float("nan")]))
    >>> [found.names[c] if c >= 0 else None for c in found.codes.tolist()]
    ['1', '4-7', '4-7', None, None]
    """
    if values is None:
        return Distinct([], np.empty(0, np.int64))
    with np.errstate(invalid="ignore"):
        there = values >= 1
    power = np.minimum(np.log2(np.where(there, values, 1.0)).astype(np.int64), LARGEST_BAND)
    found, codes = np.unique(np.where(there, power, ABSENT), return_inverse=True)
    absent = int(np.count_nonzero(found == ABSENT))
    return Distinct([_band(p) for p in found.tolist() if p != ABSENT], np.asarray(codes - absent, np.int64))


def _band(power: int) -> str:
    low = 1 << power
    return f"{low} or more" if power == LARGEST_BAND else str(low) if power == 0 else f"{low}-{2 * low - 1}"


def stream_codes(columns: Columns, by: tuple[str, ...], names: Names, clock_ms: int) -> I64:
    """The local code of each record's stream: int64[n]."""
    parts = [columns.names(field, absent=NO_VALUE) for field in by]
    groups = group([part.codes for part in parts])
    return _coded(
        groups,
        lambda places: names.stream_code(
            tuple(part.names[i] for part, i in zip(parts, places, strict=True)), clock_ms
        ),
    )


def slice_codes(streams: I64, field: str, values: Distinct, names: Names) -> I64:
    """The local code of each record's slice by `field`, or `ABSENT`: int64[n]. `streams` int64[n]."""
    groups = group([streams, values.codes])
    return _coded(
        groups,
        lambda pair: ABSENT if pair[1] == ABSENT else names.slice_code(pair[0], field, values.names[pair[1]]),
    )


def _coded(groups: Groups, code_of: Callable[[tuple[int, ...]], int]) -> I64:
    """The code of each record's group: int64[n]. Who comes first is asked for first, and so has a place first."""
    order = groups.by_coming()
    codes = np.empty(groups.size, np.int64)
    codes[order] = [code_of(key) for key in zip(*(key[order].tolist() for key in groups.keys), strict=True)]
    return codes[groups.code]
