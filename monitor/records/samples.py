"""A few records kept to be looked at: the first failures of each stream, and some others."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from math import isfinite
from typing import Any, Final

import msgspec
import numpy as np

from monitor.records.allowance import Allowance
from monitor.records.columns import Columns
from monitor.records.delta import I64, Sample
from monitor.records.lenient import Refused, parse
from monitor.records.record import LARGEST
from monitor.records.text import clean_name, without_surrogates

ERRORS_A_STREAM: Final = 3
OTHERS_A_STREAM: Final = 2
MOST: Final = 64
"""Samples a checkpoint, over all streams."""
BUDGET_BYTES: Final = 1 << 16
"""Bytes of samples a checkpoint, over all streams."""

_LEFT_OUT: Final = frozenset({"input", "output", "features"})
_TEXT_CHARS: Final = 300
_RECORD_BYTES: Final = 4_096
_MEMBERS: Final = 64
_DEPTH: Final = 3
_DEEPER: Final = "..."


@dataclass(frozen=True, slots=True)
class _Kept:
    stream: int
    at_ms: int
    offset: int
    why: str
    value: bytes


class SampleKeeper:
    """Samples of one partition since the last checkpoint, by local stream code, as `allowance` permits."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._kept: list[_Kept] = []
        self._taken: Counter[tuple[int, str]] = Counter()
        self._bytes = 0

    @property
    def weight(self) -> int:
        """Bytes held."""
        return self._bytes

    def offer(self, why: str, quota: int, rows: I64, streams: I64, now_ms: int) -> I64:
        """Which of `rows` int64[m] to keep, up to `quota` a stream and checkpoint; `streams` int64[m]."""
        room = MOST - len(self._kept)
        if room <= 0 or rows.size == 0:
            return rows[:0]
        left = {
            s: min(quota - self._taken[s, why], self._allowance.left(why, s, now_ms))
            for s in np.unique(streams).tolist()
        }
        wanted = [rows[streams == s][:n] for s, n in islice(((s, n) for s, n in left.items() if n > 0), room)]
        return np.concatenate([rows[:0], *wanted])[:room]

    def keep(self, why: str, stream: int, at_ms: int, offset: int, value: bytes, now_ms: int) -> None:
        """Keep one record until the next checkpoint, if its budget and the day's allow."""
        # Of a message of several records one sample is enough: the ledger knows them by their offsets.
        known = any(kept.offset == offset and kept.why == why for kept in self._kept)
        size = len(value)
        if known or self._bytes + size > BUDGET_BYTES:
            return
        if not self._allowance.take(why, stream, min(size, _RECORD_BYTES), now_ms):
            return
        self._kept.append(_Kept(stream, at_ms, offset, why, value))
        self._taken[stream, why] += 1
        self._bytes += size

    def samples(self) -> tuple[Sample, ...]:
        """All records kept, cleaned."""
        made = map(_sample, self._kept)
        return tuple(sample for sample in made if sample is not None)


def as_record(columns: Columns, row: int) -> bytes:
    """A record that a mapping made, as JSON without its long texts."""
    fields = {name: columns.raw(name)[row] for name in columns.fields if name not in _LEFT_OUT}
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def _sample(kept: _Kept) -> Sample | None:
    parsed = parse(kept.value)
    if isinstance(parsed, Refused):
        return None
    fields, _ = parsed
    return Sample(
        stream=kept.stream,
        at_ms=kept.at_ms,
        offset=kept.offset,
        record_id=_text(fields.get("id")),
        trace_id=_text(fields.get("trace_id")),
        version=_text(fields.get("version")),
        why=kept.why,
        signal="error" if kept.why == "error" else "",
        record=cleaned(fields),
    )


def _text(value: Any) -> str:
    return (
        clean_name(value if isinstance(value, str) else str(value))
        if isinstance(value, str | int | float)
        else ""
    )


def cleaned(fields: Mapping[str, Any]) -> str:
    """A record as JSON text that any database takes, without its long texts; whole members, up to 4 KiB.

    `user` is hashed: it is there to count distinct ones.

    >>> cleaned({"model": "chat", "user": "ada@example.com", "output": "..."})
    '{"model":"chat","user":"673b3797ca651be7"}'
    """
    members: list[str] = []
    room = _RECORD_BYTES - 2
    for name, value in fields.items():
        if name not in _LEFT_OUT:
            kept = _pseudonym(value) if name == "user" else _clean(value, _DEPTH)
            member = f"{_json(_clean(name, 0))}:{_json(kept)}"
            size = len(member.encode()) + 1
            if size <= room:
                members.append(member)
                room -= size
    return "{" + ",".join(members) + "}"


def _pseudonym(value: Any) -> str | None:
    if not isinstance(value, str | int | float):
        return None
    return blake2b(without_surrogates(str(value)).encode(), digest_size=8).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _clean(value: Any, depth: int) -> Any:
    """`value` without NUL, lone surrogates, numbers that JSON lacks, and what is long or nested deeply."""
    if isinstance(value, str):
        return without_surrogates(value[:_TEXT_CHARS]).replace("\x00", "")
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > LARGEST:
        return str(value)[:_TEXT_CHARS]
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return _DEEPER
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value[:_MEMBERS]]
    return {_clean(k, 0): _clean(v, depth - 1) for k, v in islice(value.items(), _MEMBERS)}
