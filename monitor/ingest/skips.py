"""Skipped records in few rows (rule 15): neighbours as one range, many short ranges as one row with a bit an offset."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, func, insert, select, update

from monitor.ledger.counted import skipped_range
from monitor.ledger.moments import moment
from monitor.records.delta import SkippedRange

# A run of skipped records longer than this is told in several rows, so that their times stay true.
MERGE_S: Final = 60
MANY: Final = 50
_ROW_BYTES: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """The partition that was read."""

    topic_id: str
    partition: int
    topic: str


def insert_skipped(connection: Connection, place: Place, ranges: Sequence[SkippedRange]) -> None:
    """Store what a checkpoint skipped; `ranges` ascend and do not touch."""
    if ranges and _lengthened(connection, place, ranges[0]):
        ranges = ranges[1:]
    rows = [row for same in _by_reason(ranges) for row in _rows(place, same)]
    if rows:
        connection.execute(insert(skipped_range), rows)


def _by_reason(ranges: Sequence[SkippedRange]) -> list[list[SkippedRange]]:
    """The ranges of each reason, in order."""
    by_reason = sorted(ranges, key=lambda r: (r.reason, r.first))
    return [list(same) for _, same in groupby(by_reason, attrgetter("reason"))]


def _rows(place: Place, same: Sequence[SkippedRange]) -> list[dict[str, Any]]:
    span = same[-1].last - same[0].first + 1
    if len(same) <= MANY or span // 8 > _ROW_BYTES * len(same):
        return [_row(place, skipped, skipped.last, skipped.count) for skipped in same]
    return [_row(place, same[0], same[-1].last, sum(s.count for s in same), _bits(same))]


def _bits(same: Sequence[SkippedRange]) -> bytes:
    """A bit for each offset from the first on, lowest first as `get_bit` counts them: whether it was skipped."""
    first = same[0].first
    skipped = np.zeros(same[-1].last - first + 1, np.bool_)
    for each in same:
        skipped[each.first - first : each.last - first + 1] = True
    return np.packbits(skipped, bitorder="little").tobytes()


def _row(
    place: Place, skipped: SkippedRange, last: int, count: int, which: bytes | None = None
) -> dict[str, Any]:
    return {
        "topic_id": place.topic_id,
        "partition": place.partition,
        "topic": place.topic,
        "first_offset": skipped.first,
        "last_offset": last,
        "n": count,
        "reason": skipped.reason,
        "detail": skipped.detail.replace("\0", "\ufffd"),
        "at": moment(skipped.at_ms),
        "which": which,
    }


def _lengthened(connection: Connection, place: Place, skipped: SkippedRange) -> bool:
    """Whether `skipped` goes on from the newest stored range, which is now so much longer."""
    table = skipped_range
    here = (table.c.topic_id == place.topic_id) & (table.c.partition == place.partition)
    newest = select(func.max(table.c.first_offset)).where(here).scalar_subquery()
    same = (
        here
        & (table.c.first_offset == newest)
        & (table.c.last_offset == skipped.first - 1)
        & (table.c.reason == skipped.reason)
        & (table.c.at > moment(skipped.at_ms - MERGE_S * 1000))
        & table.c.which.is_(None)
    )
    longer = {"last_offset": skipped.last, "n": table.c.n + skipped.count}
    return connection.execute(update(table).where(same).values(longer)).rowcount == 1
