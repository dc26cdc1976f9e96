"""Which stream and which slices each record of a batch belongs to, as local codes."""

import numpy as np

from monitor.records.columns import ABSENT, Columns, Distinct
from monitor.records.counting import group
from monitor.records.delta import I64
from monitor.records.names import Names
from monitor.records.settings import NO_VALUE


def stream_codes(columns: Columns, by: tuple[str, ...], names: Names, clock_ms: int) -> I64:
    """The local code of each record's stream: int64[n]."""
    parts = [columns.names(field, absent=NO_VALUE) for field in by]
    groups = group([part.codes for part in parts])
    combinations = zip(*(key.tolist() for key in groups.keys), strict=True)
    codes = [
        names.stream_code(tuple(part.names[i] for part, i in zip(parts, places, strict=True)), clock_ms)
        for places in combinations
    ]
    return np.array(codes, np.int64)[groups.code]


def slice_codes(streams: I64, field: str, values: Distinct, names: Names) -> I64:
    """The local code of each record's slice by `field`, or `ABSENT`: int64[n]. `streams` int64[n]."""
    groups = group([streams, values.codes])
    pairs = zip(*(key.tolist() for key in groups.keys), strict=True)
    codes = [
        names.slice_code(stream, field, values.names[i]) if i != ABSENT else ABSENT for stream, i in pairs
    ]
    return np.array(codes, np.int64)[groups.code]
