"""A few records kept to be looked at, within what may be kept."""

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec
import numpy as np

from monitor.records.allowance import Allowance
from monitor.records.choosing import Offer
from monitor.records.cleaning import TEXTS, cleaned, most_bytes
from monitor.records.columns import Columns
from monitor.records.delta import I64, Sample
from monitor.records.dropping import covers
from monitor.records.lenient import Refused, parse
from monitor.records.settings import SampleSettings
from monitor.records.shown import Shown
from monitor.records.text import clean_name

MOST: Final = 64
"""Samples a checkpoint, over all streams."""
BUDGET_BYTES: Final = 1 << 16
"""Bytes of samples a checkpoint, over all streams."""
_NAMES: Final = ("id", "trace_id", "version")


@dataclass(frozen=True, slots=True)
class Found:
    """A record to keep: `stream` is its local code, `value` the record as JSON."""

    stream: int
    at_ms: int
    offset: int
    value: bytes
    shown: Shown


class SampleKeeper:
    """Samples of one partition since the last checkpoint, by local stream code, as `allowance` permits."""

    def __init__(self, allowance: Allowance, settings: SampleSettings) -> None:
        self._allowance = allowance
        self._settings = settings
        self._kept: dict[int, tuple[Offer, Found]] = {}
        self._taken: Counter[tuple[int, str]] = Counter()
        self._bytes = 0

    @property
    def weight(self) -> int:
        """Bytes held."""
        return self._bytes

    def chosen(self, offer: Offer, streams: I64, now_ms: int) -> I64:
        """Which rows of an offer to keep, as there is room; `streams` int64[n] is of the whole batch."""
        room = MOST - len(self._kept)
        if room <= 0 or offer.rows.size == 0:
            return offer.rows[:0]
        left = self._left(offer, streams[offer.rows], now_ms)
        rows = offer.among(offer.rows[np.isin(streams[offer.rows], list(left))])
        wanted = [rows[streams[rows] == s][:n] for s, n in islice(left.items(), room)]
        return np.concatenate([rows[:0], *wanted])[:room]

    def _left(self, offer: Offer, streams: I64, now_ms: int) -> dict[int, int]:
        left = {
            s: min(offer.quota - self._taken[s, offer.why], self._allowance.left(offer.why, s, now_ms))
            for s in np.unique(streams).tolist()
        }
        return {s: n for s, n in left.items() if n > 0}

    def keep(self, offer: Offer, found: Found, now_ms: int) -> None:
        """Keep one record until the next checkpoint, if its budget and the day's allow."""
        # Of a message of several records one sample is enough: the ledger knows them by their offsets.
        size = len(found.value)
        if found.offset in self._kept or self._bytes + size > BUDGET_BYTES:
            return
        if not self._allowance.take(offer.why, found.stream, min(size, most_bytes(self._settings)), now_ms):
            return
        self._kept[found.offset] = (offer, found)
        self._taken[found.stream, offer.why] += 1
        self._bytes += size

    def samples(self) -> tuple[Sample, ...]:
        """All records kept, cleaned."""
        made = (_sample(offer, found, self._settings) for offer, found in self._kept.values())
        return tuple(sample for sample in made if sample is not None)


def as_record(columns: Columns, row: int, settings: SampleSettings) -> bytes:
    """A record that a mapping made, as JSON; without its long texts unless they are asked for."""
    names = [name for name in columns.fields if settings.text or name not in TEXTS]
    fields = {name: columns.raw(name)[row] for name in names}
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def _sample(offer: Offer, found: Found, settings: SampleSettings) -> Sample | None:
    parsed = parse(found.value)
    if isinstance(parsed, Refused):
        return None
    fields, _ = parsed
    named = {name: "" if covers(settings.drop, (name,)) else _text(fields.get(name)) for name in _NAMES}
    return Sample(
        stream=found.stream,
        at_ms=found.at_ms,
        offset=found.offset,
        record_id=named["id"],
        trace_id=named["trace_id"],
        version=named["version"],
        why=offer.why,
        signal=offer.signal,
        record=cleaned(fields, settings),
        signals=found.shown,
    )


def _text(value: Any) -> str:
    return (
        clean_name(value if isinstance(value, str) else str(value))
        if isinstance(value, str | int | float)
        else ""
    )
