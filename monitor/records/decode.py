"""Kafka values to records at C speed; the few that need it are mended, and what is no record is refused."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import filterfalse
from math import inf
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np

from monitor.records.columns import Table, table_of
from monitor.records.delta import I64
from monitor.records.lenient import BINARY, Mender, Refused, parse, unframed
from monitor.records.record import Record, record_type
from monitor.records.settings import MeasureSettings
from monitor.records.text import clean_name
from monitor.records.timing import instants_ms

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Records of one partition in the order of their offsets, all of one length.

    `timestamps_ms` are Kafka's, below 0 where there is none; a value of None is a tombstone. `keys` and `headers`
    are empty where the format of the log reads none. `refused` are those, by offset, that were no message even before
    they could be decoded.
    """

    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None] = ()
    headers: Sequence[Headers] = ()
    refused: Mapping[int, Refused] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch: row i of `table` came from value `rows[i]`; a value of several records has neighbouring rows.

    What is no record is in `refused` by its number; values that are none of ours are in `ignored`.
    """

    table: Table
    rows: Sequence[int]
    refused: dict[int, Refused] = field(default_factory=dict)
    ignored: Sequence[int] = ()


REFUSALS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_model_of: Final = attrgetter("model")


class RecordDecoder:
    """Values in, records out; `dropped` counts the fields that had to be dropped, by name."""

    def __init__(self, settings: MeasureSettings, dropped: Counter[str]) -> None:
        self.kind = record_type(settings)
        self._max_bytes = settings.max_record_bytes
        self._decode = msgspec.json.Decoder(self.kind).decode
        self._mender = Mender(self.kind, dropped)

    def decode_all(self, values: Sequence[bytes | None]) -> Decoded:
        """Each of `values`, as one of `records` or of `refused`. Raises nothing for bad data."""
        refused = screened(values, self._max_bytes)
        rows: Sequence[int] = range(len(values))
        if refused:
            rows = [i for i in rows if i not in refused]
        records, unreadable = self._records(values, rows)
        if not all(map(clean_name, set(map(_model_of, filter(None, records))))):
            unreadable |= _nameless(records, rows)
        if not unreadable:
            return Decoded(_table(records), rows, refused)  # type: ignore[arg-type]
        kept = [(r, i) for r, i in zip(records, rows, strict=True) if r is not None and i not in unreadable]
        return Decoded(_table([r for r, _ in kept]), [i for _, i in kept], refused | unreadable)

    def _records(
        self, values: Sequence[bytes | None], rows: Sequence[int]
    ) -> tuple[list[Record | None], dict[int, Refused]]:
        records: list[Record | None] = []
        refused: dict[int, Refused] = {}
        rest: Iterable[Any] = iter(values) if isinstance(rows, range) else iter([values[i] for i in rows])
        while len(records) < len(rows):
            try:
                # `extend` keeps what came before an exception, and `rest` has taken the value that raised it.
                records.extend(map(self._decode, rest))
            except REFUSALS:
                row = rows[len(records)]
                outcome = self._mender.mend(values[row] or b"")
                if isinstance(outcome, Refused):
                    refused[row] = outcome
                    records.append(None)
                else:
                    records.append(outcome)
        return records, refused


def _table(records: Sequence[Record]) -> Table:
    return table_of(records) if records else {}


def screened(values: Sequence[bytes | None], max_bytes: int) -> dict[int, Refused]:
    """The tombstones, what is too large, and what is no UTF-8, by number."""
    if _plain(values, max_bytes):
        return {}
    outcomes = ((i, _screen(value, max_bytes)) for i, value in enumerate(values))
    return {i: refused for i, refused in outcomes if refused is not None}


def _plain(values: Sequence[bytes | None], max_bytes: int) -> bool:
    if None in values or max(map(len, values), default=0) > max_bytes:  # type: ignore[arg-type]
        return False
    try:
        deque(map(bytes.decode, filterfalse(bytes.isascii, values)), maxlen=0)  # type: ignore[arg-type]
    except UnicodeDecodeError:
        return False
    return True


def _screen(value: bytes | None, max_bytes: int) -> Refused | None:
    if value is None:
        return Refused("tombstone", "the value is null")
    if len(value) > max_bytes:
        return Refused("too_large", f"{len(value)} bytes, over source.max_record_bytes of {max_bytes}")
    text = unframed(value)
    try:
        text.decode()
    except UnicodeDecodeError as e:
        return Refused("invalid_utf8", f"byte {e.start}: {e.reason}") if text is value else BINARY
    return None


def _nameless(records: Sequence[Record | None], rows: Sequence[int]) -> dict[int, Refused]:
    return {
        row: Refused("no_model", "`model` has no visible character")
        for record, row in zip(records, rows, strict=True)
        if record is not None and not clean_name(record.model)
    }


_LARGEST: Final = 1e300


class _Stamped(msgspec.Struct):
    ts: str | float | None = None


_stamped: Final = msgspec.json.Decoder(_Stamped).decode


def stated_times(values: Sequence[bytes]) -> tuple[I64, dict[int, Refused]]:
    """The `ts` of each value in ms, int64[n], read as leniently as a record; why there is none, by its row.

    >>> stated_times([b'{"ts": 1731553911, "cost_usd": NaN}', b"{}"])[0].tolist()
    [1731553911000, 0]
    """
    stated = [_stated(value) for value in values]
    refused = {i: ts for i, ts in enumerate(stated) if isinstance(ts, Refused)}
    times = instants_ms([None if isinstance(ts, Refused) else ts for ts in stated])
    known = ~np.isnan(times)
    for i in np.flatnonzero(~known).tolist():
        refused.setdefault(i, Refused("no_ts", f"`ts` is no time: {stated[i]!r:.40}"))
    return np.where(known, times, 0).astype(np.int64), refused


def _stated(value: bytes) -> str | float | Refused:
    try:
        ts: Any = _stamped(value).ts
    except REFUSALS:
        parsed = parse(value)
        if isinstance(parsed, Refused):
            return parsed
        ts = parsed[0].get("ts")
    if isinstance(ts, bool) or not isinstance(ts, str | int | float):
        return Refused("no_ts", "the record has no `ts`")
    return ts if isinstance(ts, str) else float(ts) if abs(ts) < _LARGEST else inf
