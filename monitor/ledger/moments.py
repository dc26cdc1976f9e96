"""Between the program's int ms since the epoch and the ledger's timestamptz."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ms: int) -> datetime:
    """The instant `ms` as an aware datetime, exact to the millisecond."""
    return _EPOCH + timedelta(milliseconds=ms)


def millis(at: datetime) -> int:
    """The ms since the epoch of an aware datetime, rounded down."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def instant_ms(text: str) -> int:
    """The ms since the epoch of what `rfc3339` wrote."""
    return millis(datetime.fromisoformat(text))


def rfc3339(at: datetime) -> str:
    """`at` in UTC with milliseconds, as in `2026-11-22T03:12:03.250Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
