"""How many samples a partition may keep: some of a stream at once, a trickle after that, and a budget of bytes a day.

Token buckets: what was not used in calm times is there when something happens (rule 15). What is kept in calm times
leaves half of the bytes at once to what happens.
"""

from dataclasses import dataclass, field
from typing import Final

DAY_MS: Final = 86_400_000
BYTES_A_DAY: Final = 16 << 20
BYTES_AT_ONCE: Final = 1 << 20

ERROR: Final = "error"
FIRST: Final = "first"
SHARE: Final = "share"
INCIDENT: Final = "incident"
"""Why a record is kept: it failed, is among the first of its version, belongs to the share, shows what fires."""
WHYS: Final = (INCIDENT, ERROR, FIRST, SHARE)
"""The most telling first."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and then one every `every_ms`."""

    at_once: float
    every_ms: float

    def filled(self, tokens: float, waited_ms: int) -> float:
        """The tokens after a wait; a clock that went back gives none."""
        return min(self.at_once, tokens + max(0, waited_ms) / self.every_ms)


OF_STREAM: Final = {
    ERROR: Rate(20, 120_000),
    INCIDENT: Rate(20, 30_000),
    SHARE: Rate(10, 120_000),
    # Their number has a bound already; of a log whose every record is a new version this one holds.
    FIRST: Rate(1_000, 60_000),
}
OF_BYTES: Final = Rate(BYTES_AT_ONCE, DAY_MS / BYTES_A_DAY)
SPARED: Final = dict.fromkeys((FIRST, SHARE), BYTES_AT_ONCE // 2)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_ms: int

    def fill(self, rate: Rate, now_ms: int) -> float:
        self.tokens = rate.filled(self.tokens, now_ms - self.at_ms)
        self.at_ms = max(self.at_ms, now_ms)
        return self.tokens


@dataclass(slots=True)
class Allowance:
    """What one partition may still keep, by why it is kept and local stream code."""

    _streams: dict[tuple[str, int], _Bucket] = field(default_factory=dict)
    _bytes: _Bucket = field(default_factory=lambda: _Bucket(OF_BYTES.at_once, 0))

    def left(self, why: str, stream: int, now_ms: int) -> int:
        """How many samples of the stream may be kept at `now_ms`."""
        rate = OF_STREAM[why]
        bucket = self._streams.setdefault((why, stream), _Bucket(rate.at_once, now_ms))
        return int(bucket.fill(rate, now_ms))

    def take(self, why: str, stream: int, size: int, now_ms: int) -> bool:
        """Keep one of `size` bytes, if the stream and the day allow it."""
        there = self._bytes.fill(OF_BYTES, now_ms) - SPARED.get(why, 0)
        if self.left(why, stream, now_ms) < 1 or there < size:
            return False
        self._streams[why, stream].tokens -= 1
        self._bytes.tokens -= size
        return True
