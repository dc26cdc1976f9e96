"""Real streams: Tocsin's rows of `benchmarks.real_streams`, and river's detectors on the same records."""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import real_data, real_streams
from benchmarks.detection import river_peers
from benchmarks.detection.worlds import Array
from benchmarks.real_data import Prediction


@dataclass(frozen=True)
class PeerFound:
    """One peer on one real stream: false alarms in the second half of the quiet part, delay in records or NaN."""

    stream: str
    signal: str
    peer: str
    before: int
    delay: float


def folder() -> Path | None:
    """TOCSIN_REAL_DATA, if it names a folder."""
    named = os.environ.get("TOCSIN_REAL_DATA")
    return Path(named) if named and Path(named).is_dir() else None


def tocsin_rows(place: Path, tell: Callable[[str], None]) -> list[real_streams.Row]:
    rows: list[real_streams.Row] = []
    for stream in real_data.streams(place):
        tell(f"real: {stream.name}")
        found = real_streams.measured(stream)
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


def peers_on_real(place: Path, tuned: river_peers.Settings) -> list[PeerFound]:
    """River's detectors with the settings tuned on simulated streams; learned as Tocsin learns, from half."""
    found = []
    for stream in real_data.streams(place):
        for signal in stream.expected or ("output_tokens",):
            values = _values(signal, [*stream.quiet, *stream.changed])
            if values is not None:
                found += _found(stream, signal, values, tuned)
    return found


def _found(
    stream: real_data.Stream, signal: str, values: Array, tuned: river_peers.Settings
) -> Iterable[PeerFound]:
    binary, change = bool(np.isin(values, (0, 1)).all()), len(stream.quiet)
    for peer in river_peers.PEERS:
        setting = tuned.get((binary, peer.name))
        if setting is not None:
            fed = river_peers.fed(peer, values, change // 2)
            before = river_peers.alarms_after(peer, setting, fed[:change], change // 2)
            delay = river_peers.delay(peer, setting, fed, change) if stream.changed else math.nan
            yield PeerFound(stream.name, signal, peer.name, before, delay)


def _values(signal: str, predictions: Sequence[Prediction]) -> Array | None:
    """The signal of each record that has it; None for what needs more than the record."""
    read = _READ.get(signal)
    if read is None:
        return None
    return np.array([float(read(p)) for p in predictions])


_READ: Final[Mapping[str, Callable[[Prediction], Any]]] = {
    "output_tokens": lambda p: p["output_tokens"],
    "latency_ms": lambda p: p["latency_ms"],
    "confidence": lambda p: p["confidence"],
    "truncated": lambda p: p["finish_reason"] == "length",
    "invalid_output": lambda p: not p["valid_output"],
    "incorrect": lambda p: p["prediction"] != p["label"],
}


def peers_table(found: Sequence[PeerFound], rows: Sequence[real_streams.Row]) -> str:
    """Markdown, a line a stream and signal; every cell is the delay in records and the alarms before the change."""
    names = list(dict.fromkeys(each.peer for each in found))
    lines = [
        "| " + " | ".join(["stream", "signal", "Tocsin", *names]) + " |",
        "|" + "---|" * (len(names) + 3),
    ]
    for key in dict.fromkeys((each.stream, each.signal) for each in found):
        mine = {each.peer: each for each in found if (each.stream, each.signal) == key}
        cells = [_cell(mine[name].delay, mine[name].before) if name in mine else "" for name in names]
        lines.append("| " + " | ".join([*key, _tocsin(key, rows), *cells]) + " |")
    return "\n".join(lines)


def _tocsin(key: tuple[str, str], rows: Sequence[real_streams.Row]) -> str:
    row = next((r for r in rows if r.stream.name == key[0] and r.signal in (key[1], "")), None)
    if row is None:
        return ""
    before = sum(not _known(row, a.signal) for a in row.before)
    delay = row.found.record - len(row.stream.quiet) + 1.0 if row.found else math.nan
    return _cell(delay, before)


def _cell(delay: float, before: int) -> str:
    return f"{'-' if math.isnan(delay) else f'{delay:,.0f}'} ({before})"
