"""An eval set as references: the same measuring as for the topic, then one reference a stream and signal."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Engine

from monitor.config.model import Config
from monitor.errors import UsageError
from monitor.ingest.measuring import Measuring
from monitor.judge.language_samples import sample_cells
from monitor.judge.reference import ENOUGH_VALUES
from monitor.ledger import references
from monitor.ledger.moments import moment
from monitor.ledger.references import New
from monitor.records import fold
from monitor.records.aggregate import RawBatch
from monitor.records.delta import Cells, Intake
from monitor.records.signals import WHOLE, Kind, Signal

SPACING_MS: Final = 1_000
NOT_OF_TIME: Final = frozenset({"requests", "late", "version"})


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one stream's signal: `reference_id` None where it had too few values."""

    stream: int
    signal: str
    n: int
    reference_id: int | None


def rows_of(file: Path, model: str | None) -> Iterator[bytes]:
    """The records of a JSONL or CSV file; `model` is filled in where a row names none.

    Raises UsageError for a line that is no JSON object.
    """
    given = {"model": model} if model else {}
    if file.suffix.lower() == ".csv":
        with file.open(newline="", encoding="utf-8") as lines:
            yield from (json.dumps(given | _typed(row)).encode() for row in csv.DictReader(lines))
        return
    with file.open("rb") as raw:
        for number, line in enumerate(raw, start=1):
            if line.strip():
                yield json.dumps(given | _object(file, number, line)).encode()


def _object(file: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{file}:{number}: this is not JSON ({error}): write one record a line") from None
    if not isinstance(found, dict):
        raise UsageError(f"{file}:{number}: this is no JSON object: write one record a line")
    return found


def _typed(row: dict[str, str]) -> dict[str, Any]:
    """CSV cells as the values they spell; empty cells are absent."""
    return {name: _value(cell) for name, cell in row.items() if name and cell}


def _value(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def import_references(
    conn: Connection, engine: Engine, config: Config, rows: Iterable[bytes], note: str, now_ms: int
) -> list[Imported]:
    """Store a reference for every stream and signal that `rows` measure; raises UsageError where none is a record."""
    intake = _measured(Measuring(config.of_records(), engine), list(rows), now_ms)
    cells = fold.concat([intake.delta.cells, sample_cells(intake.delta.languages)], Cells)
    whole = cells.slice == WHOLE
    found = []
    for stream, code in sorted(
        set(zip(cells.stream[whole].tolist(), cells.signal[whole].tolist(), strict=True))
    ):
        signal = config.coded(code)
        if signal is not None and signal.kind is not Kind.TRAFFIC and signal.name not in NOT_OF_TIME:
            mine = whole & (cells.stream == stream) & (cells.signal == code)
            found.append(_stored(conn, stream, signal, cells, mine, note, now_ms))
    return found


def _measured(measuring: Measuring, rows: list[bytes], now_ms: int) -> Intake:
    first_ms = now_ms - len(rows) * SPACING_MS
    times = [first_ms + i * SPACING_MS for i in range(len(rows))]
    counter = measuring.aggregator(measuring.config.source.topics[0], 0, 0, None)
    counter.add(RawBatch(range(len(rows)), times, rows), now_ms)
    intake = counter.take()
    if not intake.counted:
        why = "; ".join(sorted({s.detail or s.reason for s in intake.skipped})) or "the file is empty"
        raise UsageError(f"none of {len(rows):,} rows is a prediction record: {why}")
    return measuring.translate(intake)


def _stored(
    conn: Connection, stream: int, signal: Signal, cells: Cells, mine: np.ndarray, note: str, now_ms: int
) -> Imported:
    (buckets,), counts = fold.add_up([cells.bucket[mine]], cells.count[mine])
    n, name = int(counts.sum()), signal.name
    if n < ENOUGH_VALUES:
        return Imported(stream, name, n, None)
    new = New(
        stream_id=stream,
        signal=signal.code,
        origin="imported",
        provisional=False,
        learned_from=moment(now_ms),
        learned_until=moment(now_ms),
        buckets=buckets.tolist(),
        counts=counts.tolist(),
        note=note,
    )
    return Imported(stream, name, n, references.add(conn, new))
