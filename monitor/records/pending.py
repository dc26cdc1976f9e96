"""Batches as they come from Kafka, gathered: numpy's fixed cost a batch is that of a thousand records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np

from monitor.records.decode import Headers, RawBatch
from monitor.records.delta import I64
from monitor.records.lenient import Refused

ENOUGH_RECORDS: Final = 5_000
ENOUGH_BYTES: Final = 8 << 20
_BYTES_A_RECORD: Final = 150
_BYTES_A_HEADER: Final = 250


@dataclass(frozen=True, slots=True)
class Arrived:
    """Records by offset: `offsets`, `timestamps_ms` (Kafka's), `clock_ms` (ours at arrival) are int64[n].

    `refused` are those, by row, that are no message.
    """

    offsets: I64
    timestamps_ms: I64
    clock_ms: I64
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    headers: Sequence[Headers]
    refused: Mapping[int, Refused]


class Pending:
    """Batches of one partition that nobody has looked at yet."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._batches: list[RawBatch] = []
        self._clocks_ms: list[int] = []
        self._records = 0
        self.weight = 0

    def add(self, batch: RawBatch, clock_ms: int) -> None:
        """One more batch, at the time `clock_ms` of this machine."""
        self._batches.append(batch)
        self._clocks_ms.append(clock_ms)
        self._records += len(batch.values)
        self.weight += sum(map(len, filter(None, batch.values))) + _BYTES_A_RECORD * len(batch.values)
        self.weight += _BYTES_A_HEADER * sum(map(len, batch.headers))

    @property
    def enough(self) -> bool:
        """Whether gathering more would save nothing, or hold too much memory."""
        return self._records >= ENOUGH_RECORDS or self.weight >= ENOUGH_BYTES

    def take(self) -> Arrived | None:
        """Everything added since the last `take`; None if there is nothing."""
        if not self._records:
            return None
        batches, sizes = self._batches, [len(b.values) for b in self._batches]
        offsets = _joined([b.offsets for b in batches])
        refused = {offset: why for b in batches for offset, why in b.refused.items()}
        rows = np.searchsorted(offsets, list(refused)).tolist() if refused else []
        arrived = Arrived(
            offsets=offsets,
            timestamps_ms=_joined([b.timestamps_ms for b in batches]),
            clock_ms=np.repeat(np.array(self._clocks_ms, np.int64), sizes),
            values=batches[0].values if len(batches) == 1 else list(chain(*(b.values for b in batches))),
            keys=list(chain(*(b.keys for b in batches))),
            headers=list(chain(*(b.headers for b in batches))),
            refused=dict(zip(rows, refused.values(), strict=True)),
        )
        self._clear()
        return arrived


def _joined(parts: Sequence[Sequence[int]]) -> I64:
    return np.concatenate([np.array(part, np.int64) for part in parts])
