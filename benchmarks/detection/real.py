"""Real streams: Tocsin's rows of `benchmarks.real_streams`, and their cells beside the peers'."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks import real_data, real_streams
from benchmarks.detection.real_cases import Case
from benchmarks.detection.river_peers import cell

AT_ONCE: Final = 2
SMALL: Final = 5_000
"""Records of a stream that a quick run replays."""


def folder() -> Path | None:
    """TOCSIN_REAL_DATA, if it names a folder."""
    named = os.environ.get("TOCSIN_REAL_DATA")
    return Path(named) if named and Path(named).is_dir() else None


def tocsin_rows(place: Path, small: bool, tell: Callable[[str], None]) -> list[real_streams.Row]:
    """All streams, or those that are small."""
    chosen = [s for s in real_data.streams(place) if not small or len(s.quiet) + len(s.changed) <= SMALL]
    rows: list[real_streams.Row] = []
    with ProcessPoolExecutor(AT_ONCE) as pool:
        for stream, found in zip(chosen, pool.map(real_streams.measured, chosen), strict=True):
            tell(f"real: {stream.name}: {told(found)}")
            rows += found
    return rows


def told(rows: Sequence[real_streams.Row]) -> str:
    """`real streams 9/9 detected, 0 false alarms`: of those with evidence enough."""
    due = [row for row in rows if row.evidence is not None and row.evidence.enough]
    found = sum(row.found is not None for row in due)
    quiet = {
        (row.stream.name, a.rule, a.record) for row in rows for a in row.before if not _known(row, a.signal)
    }
    return f"real streams {found}/{len(due)} detected, {len(quiet)} false alarms"


def _known(row: real_streams.Row, signal: str) -> bool:
    return bool(row.stream.drifts_by_itself) and signal == row.stream.drifts_by_itself


def cells(cases: Sequence[Case], rows: Sequence[real_streams.Row]) -> Iterator[tuple[Case, str]]:
    """Tocsin's cell of every case that was replayed: alarms of all rules on that signal in the quiet part."""
    for case in cases:
        row = next((r for r in rows if r.stream.name == case.stream and r.signal in (case.signal, "")), None)
        if row is None:
            continue
        before = sum(a.signal == case.signal for a in row.before)
        late = row.found.record - case.quiet + 1.0 if row.found else math.nan
        yield case, cell(late, before, case.changes)
