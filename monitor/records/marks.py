"""Marks of people as what a label that comes later adds: they are measured as any record is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from monitor.records import fold
from monitor.records.batch import batch_of
from monitor.records.calibration import calibration
from monitor.records.columns import Columns
from monitor.records.decode import RecordDecoder
from monitor.records.delta import EVENT_CLOCK, I64, PANE_MS, SLOT_MS, Cells, Delta, Sums
from monitor.records.labels import unmatched
from monitor.records.measure import measure
from monitor.records.names import Names
from monitor.records.settings import MeasureSettings
from monitor.records.signals import WHOLE
from monitor.records.tables import cells_and_sums, slots


@dataclass(frozen=True, slots=True)
class Marked:
    """A prediction that somebody calls right or wrong: its stream and version slice (`ABSENT`: none) in the ledger.

    `confidence` is what the prediction said, as for a label that is joined to it. Of a fallback nothing is sampled.
    """

    stream: int
    slice: int
    correct: bool
    confidence: float | None = None


def labels_of(marks: Sequence[Marked], at_ms: int) -> Delta:
    """What one or more marks of `at_ms` add, in the ledger's ids: a label record each, whole and by version.

    They have no slots of Kafka's time: what a person marks never pulls a kill switch.
    """
    table = RecordDecoder(MeasureSettings(), Counter()).decode_all([_label(mark) for mark in marks]).table
    n = len(marks)
    batch = batch_of(Columns(table, Counter()), np.zeros(n, np.bool_), 0.0)
    measured = [*measure(batch), *calibration(batch), *unmatched(batch)]
    stream, names = np.array([m.stream for m in marks], np.int64), Names(("model",), 1)
    pane, slot = np.full(n, at_ms // PANE_MS), np.full(n, at_ms // SLOT_MS)
    parts: list[I64] = [np.full(n, WHOLE), np.array([m.slice for m in marks], np.int64)]
    tables = [cells_and_sums(measured, (stream, part, pane, pane), names) for part in parts]
    return Delta(
        cells=fold.concat([cells for cells, _ in tables], Cells),
        sums=fold.concat([sums for _, sums in tables], Sums),
        slots=slots(EVENT_CLOCK, measured, stream, slot, names),
    )


def _label(mark: Marked) -> bytes:
    said = {"correct": mark.correct, "confidence": mark.confidence}
    return msgspec.json.encode({"model": "-", "type": "label"} | said)
