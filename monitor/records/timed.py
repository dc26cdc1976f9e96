"""Records of a batch with their times."""

from collections import Counter
from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np

from monitor.records.columns import Bools, Columns
from monitor.records.delta import I64
from monitor.records.pending import Arrived

_ITEM_BITS: Final = 44
"""Offsets stay below this; above it is the place of a record in its message."""


@dataclass(frozen=True, slots=True)
class Timed:
    """The records that count: they are the `rows` of `arrived`; int64[n] each."""

    columns: Columns
    arrived: Arrived
    rows: I64
    kafka_ms: I64
    event_ms: I64

    @property
    def clock_ms(self) -> I64:
        return self.arrived.clock_ms[self.rows]

    def message(self, row: int) -> bytes:
        """What came from Kafka with a record."""
        return self.arrived.values[int(self.rows[row])] or b""

    @property
    def numbers(self) -> I64:
        """Offsets, which differ between the records of one message too."""
        repeated = np.diff(self.rows, prepend=-1) == 0
        if not repeated.any():
            return self.arrived.offsets[self.rows]
        at = np.arange(self.rows.size)
        within = at - np.maximum.accumulate(np.where(repeated, 0, at))
        return self.arrived.offsets[self.rows] + (within << _ITEM_BITS)

    def only(self, kept: Bools, dropped: Counter[str]) -> "Timed":
        """Those where `kept` bool[n]; fields out of range are counted in `dropped`."""
        columns = self.columns
        table = {name: list(compress(columns.raw(name), kept)) for name in columns.fields}
        return Timed(
            Columns(table, dropped), self.arrived, self.rows[kept], self.kafka_ms[kept], self.event_ms[kept]
        )
