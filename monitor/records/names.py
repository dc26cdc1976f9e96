"""Codes of this process for streams, slices and categories; the ledger's admission turns them into ids.

Memory is bounded: names beyond the caps share `(other)`, and streams not seen for a day make room when
the table is full. A code is never given to another name.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from monitor.records.settings import NO_VALUE, VERSION_FIELD
from monitor.records.signals import FIRST_CATEGORY, OTHER_CATEGORY, OTHER_STREAM, UNKNOWN_CATEGORY
from monitor.records.text import KEY_BYTES, bounded

OTHER: Final = "(other)"
UNKNOWN: Final = "(unknown)"
STREAMS_PER_ADMITTED: Final = 4
VALUES_PER_FIELD: Final = 1_000
CATEGORIES_PER_SIGNAL: Final = 1_000
TOTAL_SLICES: Final = 100_000
TOTAL_CATEGORIES: Final = 200_000
UNSEEN_MS: Final = 86_400_000
SWEEP_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class StreamName:
    """`key` is the values of `streams.by` joined by `/`, escaped; `labels` are (field, value), as in `by`."""

    key: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SliceName:
    """A value of a field within a stream; `stream` is the stream's local code."""

    stream: int
    field: str
    value: str


@dataclass(slots=True)
class _Categories:
    codes: dict[str, int] = field(default_factory=lambda: {UNKNOWN: UNKNOWN_CATEGORY, OTHER: OTHER_CATEGORY})
    names: list[str] = field(default_factory=lambda: [UNKNOWN, OTHER])


class Names:
    """Names seen by this process, shared by all its partitions. One thread adds names; others may read.

    Local stream 0 is `(other)`, as in the ledger; slice codes start at 1 and belong to one stream.
    """

    def __init__(self, by: tuple[str, ...], max_streams: int) -> None:
        self._by = by
        self._max_streams = STREAMS_PER_ADMITTED * max_streams
        other = StreamName(OTHER, tuple((label, OTHER) for label in by))
        self._streams: dict[int, StreamName] = {OTHER_STREAM: other}
        self._stream_codes: dict[str, int] = {OTHER: OTHER_STREAM}
        self._seen_ms: dict[int, int] = {}
        self._slices: dict[int, SliceName] = {}
        self._slice_codes: dict[SliceName, int] = {}
        self._values: dict[tuple[int, str], int] = {}
        self._categories: dict[tuple[int, int], _Categories] = {}
        self._n_categories = 0
        self._next_stream = OTHER_STREAM + 1
        self._next_slice = 1
        self._swept_ms: int | None = None

    def stream(self, code: int) -> StreamName:
        """The stream of a local code; `(other)` for one forgotten."""
        return self._streams.get(code, self._streams[OTHER_STREAM])

    def known_stream(self, key: str) -> int | None:
        """The local code of a stream that was seen, by its key."""
        return self._stream_codes.get(key)

    def slice(self, code: int) -> SliceName:
        """The slice of a local code above 0."""
        return self._slices.get(code, SliceName(OTHER_STREAM, VERSION_FIELD, OTHER))

    def category(self, stream: int, signal: int, code: int) -> str:
        """The name of a category's local code, which counts within (stream, signal)."""
        known = self._categories.get((stream, signal))
        return known.names[code] if known is not None and code < len(known.names) else OTHER

    def stream_code(self, values: tuple[str, ...], clock_ms: int) -> int:
        """The local code of a stream; `values` are clean names in the order of `by`."""
        key = stream_key(values)
        code = self._stream_codes.get(key)
        if code is None:
            code = self._admit(key, values, clock_ms)
        self._seen_ms[code] = clock_ms
        return code

    def slice_code(self, stream: int, field_name: str, value: str) -> int:
        """The local code of a slice; `(other)` of its field once the field or the table is full."""
        name = SliceName(stream, field_name, value)
        code = self._slice_codes.get(name)
        if code is not None:
            return code
        if value not in (OTHER, NO_VALUE) and self._slices_full(stream, field_name):
            return self.slice_code(stream, field_name, OTHER)
        return self._add_slice(name)

    def category_code(self, stream: int, signal: int, name: str) -> int:
        """The local code of a category; `OTHER_CATEGORY` once (stream, signal) or the table is full."""
        known = self._categories.get((stream, signal))
        if known is None:
            known = self._categories[stream, signal] = _Categories()
        code = known.codes.get(name)
        if code is not None:
            return code
        if (
            len(known.names) >= CATEGORIES_PER_SIGNAL + FIRST_CATEGORY
            or self._n_categories >= TOTAL_CATEGORIES
        ):
            return OTHER_CATEGORY
        known.codes[name] = len(known.names)
        known.names.append(name)
        self._n_categories += 1
        return len(known.names) - 1

    def _admit(self, key: str, values: tuple[str, ...], clock_ms: int) -> int:
        if len(self._streams) > self._max_streams and not self._sweep(clock_ms):
            return OTHER_STREAM
        code, self._next_stream = self._next_stream, self._next_stream + 1
        self._streams[code] = StreamName(key, tuple(zip(self._by, values, strict=True)))
        self._stream_codes[key] = code
        return code

    def _sweep(self, clock_ms: int) -> bool:
        """Forget streams long unseen, looking once a minute at most; whether there is room now."""
        if self._swept_ms is not None and abs(clock_ms - self._swept_ms) < SWEEP_MS:
            return False
        self._swept_ms = clock_ms
        self._forget([c for c, seen in self._seen_ms.items() if seen < clock_ms - UNSEEN_MS])
        return len(self._streams) <= self._max_streams

    def _slices_full(self, stream: int, field_name: str) -> bool:
        if stream == OTHER_STREAM or len(self._slices) >= TOTAL_SLICES:
            return True
        return self._values.get((stream, field_name), 0) >= VALUES_PER_FIELD

    def _add_slice(self, name: SliceName) -> int:
        code, self._next_slice = self._next_slice, self._next_slice + 1
        self._slices[code] = name
        self._slice_codes[name] = code
        self._values[name.stream, name.field] = self._values.get((name.stream, name.field), 0) + 1
        return code

    def _forget(self, streams: Iterable[int]) -> None:
        gone = set(streams) - {OTHER_STREAM}
        for code in gone:
            del self._stream_codes[self._streams.pop(code).key]
            del self._seen_ms[code]
        for code in [c for c, name in self._slices.items() if name.stream in gone]:
            name = self._slices.pop(code)
            del self._slice_codes[name]
            self._values.pop((name.stream, name.field), None)
        for pair in [p for p in self._categories if p[0] in gone]:
            self._n_categories -= len(self._categories.pop(pair).names) - FIRST_CATEGORY


def stream_key(values: Iterable[str]) -> str:
    """`values` joined by `/`, each with `%` and `/` escaped; at most 800 bytes, so that an index holds it.

    >>> stream_key(["meta/llama", "eu"])
    'meta%2Fllama/eu'
    """
    return bounded("/".join(v.replace("%", "%25").replace("/", "%2F") for v in values), KEY_BYTES)
