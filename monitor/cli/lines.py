"""The lines of a log file: read from a file, a gzip file or stdin, with the time that each states."""

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, Final, Protocol

import click
import numpy as np

from monitor.cli.enveloped import unpacked
from monitor.config.model import Config, Source
from monitor.errors import UsageError
from monitor.ingest.settings import measure_settings
from monitor.records.decode import Headers, stated_times
from monitor.records.delta import I64
from monitor.records.formats.decode import MessageTimes
from monitor.records.lenient import Refused


class Times(Protocol):
    """How lines state their times."""

    enveloped: bool
    """Whether a line may hold a message with its headers, as Kafka carried it."""

    def __call__(
        self, values: Sequence[bytes], headers: Sequence[Headers] = ()
    ) -> tuple[I64, dict[int, Refused]]:
        """The times in ms, int64[n]; why there is none, by row."""


class _OwnTimes:
    """Those of prediction records."""

    enveloped = False

    def __call__(
        self, values: Sequence[bytes], headers: Sequence[Headers] = ()
    ) -> tuple[I64, dict[int, Refused]]:
        return stated_times(values)


OWN_TIMES: Final = _OwnTimes()

LINES_AT_ONCE: Final = 5_000
_GZIP: Final = b"\x1f\x8b"
_BUFFER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that state a time, one or more: int64[n] their numbers from 0 and `ts` in ms, and the texts.

    `headers` are empty where the format of the log reads none.
    """

    numbers: I64
    ts_ms: I64
    values: list[bytes]
    headers: Sequence[Headers] = ()


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """The bytes of a log, unpacked where they are gzip; `-` is stdin. Raises UsageError where gzip is damaged."""
    with click.open_file(path, "rb") as source:
        raw = io.BufferedReader(source, _BUFFER)  # type: ignore[type-var]
        packed = raw.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
        try:
            yield io.BufferedReader(gzip.GzipFile(fileobj=raw), _BUFFER) if packed else raw
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UsageError(
                f"{path} is no whole gzip file ({error}): unpack it first to see what is left"
            ) from error


def times_of(config: Config, source: Source) -> Times:
    """How the lines of a log state their times, by the format that messages of `source` have."""
    form = source.format
    return OWN_TIMES if form is None else MessageTimes(form, measure_settings(config, source))


def read(raw: Iterable[bytes], skipped: Counter[str], times_of: Times = OWN_TIMES) -> Iterator[Lines]:
    """All lines that state a time, some thousand at once; the others are counted by reason, blank ones are nothing."""
    numbered = ((number, line.strip()) for number, line in enumerate(raw))
    filled = (pair for pair in numbered if pair[1])
    while some := list(islice(filled, LINES_AT_ONCE)):
        numbers, values = (list(column) for column in zip(*some, strict=True))
        headers: Sequence[Headers] = ()
        if times_of.enveloped:
            values, headers = unpacked(values)
        times, refused = times_of(values, headers)
        skipped.update(r.reason for r in refused.values())
        kept = [i for i in range(len(values)) if i not in refused] if refused else range(len(values))
        if kept:
            carried = [headers[i] for i in kept] if headers else ()
            yield Lines(np.array(numbers, np.int64)[kept], times[kept], [values[i] for i in kept], carried)


def in_order(all_lines: Iterable[Lines]) -> Iterator[Lines]:
    """All lines ordered by the time they state, numbered anew; those of one time stay in the order of the file."""
    parts = list(all_lines)
    if not parts:
        return
    ts_ms = np.concatenate([part.ts_ms for part in parts])
    values = [value for part in parts for value in part.values]
    headers = [carried for part in parts for carried in part.headers]
    order = np.argsort(ts_ms, kind="stable")
    for first in range(0, len(order), LINES_AT_ONCE):
        some = order[first : first + LINES_AT_ONCE]
        numbers = np.arange(first, first + len(some))
        carried = [headers[i] for i in some.tolist()] if headers else ()
        yield Lines(numbers, ts_ms[some], [values[i] for i in some.tolist()], carried)
