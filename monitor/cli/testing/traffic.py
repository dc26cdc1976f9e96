"""The records of a test, drawn from its name: the same test has the same records on every machine."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec
import numpy as np

from monitor.cli import lines
from monitor.cli.lines import Lines
from monitor.cli.testing.fields import LABELS, Columns, columns
from monitor.cli.testing.suite import Case, Series, Stretch
from monitor.config.model import Config
from monitor.records.delta import I64

DEFAULT_START_MS: Final = 1_767_600_000_000
"""Monday, 2026-01-05T08:00:00Z."""
MOST_RECORDS: Final = 5_000_000
"""Of one stretch, so that a slip of the pen does not fill the memory."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Records with their times, in the order of time, and the time at which the test begins and its input ends."""

    records: Lines | None
    start_ms: int
    end_ms: int


BEFORE: Final = 1_000_000_000
"""Where the ids of what was learned begin."""


def drawn(case: Case, config: Config) -> Drawn:
    """All records of a test."""
    read = list(_read(case))
    start_ms = case.start_ms
    if start_ms is None:
        start_ms = min((int(part.ts_ms.min()) for part in read), default=DEFAULT_START_MS)
    made = [
        part
        for i, series in enumerate(case.series)
        for part in _series(series, start_ms, config, _rng(case, i), i * MOST_RECORDS)
    ]
    records = _in_order([*read, *made])
    lasts = max((sum(s.lasts_ms for s in series.stretches) for series in case.series), default=0)
    newest = int(records.ts_ms[-1]) if records is not None else start_ms
    return Drawn(records, start_ms, max(start_ms + lasts, newest))


def known(case: Case, config: Config, start_ms: int) -> Lines | None:
    """What was learned before the test begins, spread over the time that it takes at the rate of its stretch."""
    parts = []
    for i, series in enumerate(case.series):
        for stretch in series.stretches:
            if stretch.learned:
                lasts_ms = stretch.learned / stretch.per_ms
                rng = _rng(case, -1 - i)
                first_id = BEFORE + i * MOST_RECORDS
                parts += _stretch(
                    stretch, start_ms - lasts_ms, stretch.learned, lasts_ms, config, rng, first_id
                )
    found = _in_order(parts)
    if found is None:
        return None
    # Labels of the newest predictions are still to come.
    n = int(np.searchsorted(found.ts_ms, start_ms))
    return Lines(found.numbers[:n], found.ts_ms[:n], found.values[:n])


def _rng(case: Case, i: int) -> np.random.Generator:
    seed = sha256(f"{case.name}/{i}".encode()).digest()
    return np.random.default_rng(int.from_bytes(seed[:8], "little"))


def _read(case: Case) -> Iterator[Lines]:
    for file in case.records:
        with lines.opened(str(file)) as raw:
            yield from lines.read(raw, Counter())


def _series(
    series: Series, start_ms: float, config: Config, rng: np.random.Generator, ids: int
) -> Iterator[Lines]:
    for stretch in series.stretches:
        n = round(stretch.lasts_ms * stretch.per_ms)
        yield from _stretch(stretch, start_ms, n, stretch.lasts_ms, config, rng, ids)
        start_ms += stretch.lasts_ms
        ids += n


def _stretch(
    stretch: Stretch,
    start_ms: float,
    n: int,
    lasts_ms: float,
    config: Config,
    rng: np.random.Generator,
    first_id: int,
) -> list[Lines]:
    """Records at even distances, each at a moment of its own within; labels that follow are records of their own."""
    if not n:
        return []
    at = (start_ms + (np.arange(n) + rng.random(n)) * (lasts_ms / n)).astype(np.int64)
    found = columns(stretch.shapes, stretch.stream, n, rng, config)
    later = stretch.labels_ms
    if later is None:
        return [_lines(found, at)]
    found[("id",)] = np.array([f"r{i}" for i in range(first_id, first_id + n)], object)
    labels: Columns = {path: found.pop(path) for path in LABELS if path in found}
    labels |= {path: found[path] for path in (("id",), ("model",)) if path in found}
    labels[("type",)] = np.full(n, "label", object)
    return [_lines(found, at), _lines(labels, at + later)]


def _lines(found: Columns, at: I64) -> Lines:
    paths, encode = [("ts",), *found], msgspec.json.Encoder().encode
    rows = zip(at.tolist(), *(values.tolist() for values in found.values()), strict=True)
    return Lines(at, at, [encode(_record(paths, row)) for row in rows])


def _record(paths: Iterable[tuple[str, ...]], row: Iterable[Any]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for path, value in zip(paths, row, strict=True):
        if value is not None:
            inside = record
            for key in path[:-1]:
                inside = inside.setdefault(key, {})
            inside[path[-1]] = value
    return record


def _in_order(parts: list[Lines]) -> Lines | None:
    """All records by time, numbered from 0."""
    if not parts:
        return None
    ts_ms = np.concatenate([part.ts_ms for part in parts])
    values = [value for part in parts for value in part.values]
    order = np.argsort(ts_ms, kind="stable")
    return Lines(np.arange(len(order)), ts_ms[order], [values[i] for i in order.tolist()])
