"""Records that were skipped, as ranges of neighbouring offsets with one reason."""

from dataclasses import replace
from typing import Final

from monitor.records.delta import SkippedRange
from monitor.records.lenient import Refused
from monitor.records.text import without_surrogates

DETAIL_CHARS: Final = 200
_BYTES_A_RANGE: Final = 300


class Skips:
    """The ranges since the last checkpoint; offsets come in ascending order."""

    def __init__(self) -> None:
        self._ranges: list[SkippedRange] = []

    @property
    def weight(self) -> int:
        """Bytes held, about."""
        return len(self._ranges) * _BYTES_A_RANGE

    @property
    def ranges(self) -> tuple[SkippedRange, ...]:
        return tuple(self._ranges)

    def add(self, offset: int, refused: Refused, clock_ms: int) -> None:
        """One more; a neighbour with the same reason joins the last range, which keeps its first detail."""
        last = self._ranges[-1] if self._ranges else None
        if last is not None and last.last + 1 == offset and last.reason == refused.reason:
            self._ranges[-1] = replace(last, last=offset, count=last.count + 1)
            return
        detail = without_surrogates(refused.detail).replace("\x00", "")[:DETAIL_CHARS]
        self._ranges.append(SkippedRange(offset, offset, 1, refused.reason, detail, clock_ms))
