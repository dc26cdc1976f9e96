"""What is known when a test begins: references as so many `learned` records would have made them, and last week."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors import base_rates
from monitor.cli.lines import Lines
from monitor.config.model import Config
from monitor.ingest.settings import measure_settings
from monitor.judge.language_samples import sample_cells
from monitor.judge.plan import Plan
from monitor.judge.reference import ENOUGH_VALUES, REQUESTS, Correlation, Reference
from monitor.judge.state import StreamState
from monitor.judge.traffic import KEPT, STRETCH_MS, Week
from monitor.judge.verdicts import Learned
from monitor.ledger.admission import Admission, translate
from monitor.records import fold
from monitor.records.aggregate import PartitionAggregator, RawBatch
from monitor.records.delta import PANE_MS, Cells, Intake, Versions
from monitor.records.language import LanguageDetector
from monitor.records.names import Names
from monitor.records.predictions import predictions_for
from monitor.records.sampling import LanguageSampler
from monitor.records.signals import WHOLE

ALONE: Final = Correlation(block_s=10)
"""Records of a test are drawn one by one: nothing hangs together."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the judge knows of streams before the first record."""

    references: tuple[Learned, ...] = ()
    streams: Mapping[int, StreamState] = field(default_factory=dict)
    weeks: Mapping[int, Week] = field(default_factory=dict)
    versions: Versions = field(default_factory=Versions)


def known(records: Lines | None, config: Config, plan: Plan, names: Names, admission: Admission) -> Known:
    """All that `records` teach, in the ids of `admission`; `names` are the process's own."""
    if records is None:
        return Known()
    delta = translate(_measured(records, config, names), names, admission).delta
    cells = fold.concat([delta.cells, sample_cells(delta.languages)], Cells)
    cells = Cells(*(column[cells.slice == WHOLE] for column in _columns(cells)))
    until_ms = int(records.ts_ms[-1]) // PANE_MS * PANE_MS
    streams = _streams(cells, until_ms)
    return Known(
        references=tuple(_references(cells, plan, streams)),
        streams=streams,
        weeks={stream: _week(heard, until_ms) for stream, heard in streams.items()},
        versions=delta.versions,
    )


def _measured(records: Lines, config: Config, names: Names) -> Intake:
    settings = measure_settings(config)
    aggregator = PartitionAggregator(
        settings,
        names,
        LanguageSampler(LanguageDetector()),
        "learned",
        0,
        from_offset=0,
        max_event_ms=None,
        predictions=predictions_for(settings),
    )
    batch = RawBatch(records.numbers.tolist(), records.ts_ms.tolist(), records.values)
    aggregator.add(batch, int(records.ts_ms[-1]))
    return aggregator.take()


def _columns(cells: Cells) -> Iterator[np.ndarray]:
    names = ("stream", "slice", "signal", "pane", "evidence", "bucket", "count")
    return (getattr(cells, name) for name in names)


def _streams(cells: Cells, until_ms: int) -> dict[int, StreamState]:
    requests = cells.signal == REQUESTS
    found = {}
    for stream in np.unique(cells.stream[requests]).tolist():
        mine = requests & (cells.stream == stream)
        first_ms = int(cells.pane[mine].min()) * PANE_MS
        found[stream] = StreamState(first_ms, until_ms, int(cells.count[mine].sum()))
    return found


def _references(cells: Cells, plan: Plan, streams: Mapping[int, StreamState]) -> Iterator[Learned]:
    number = 0
    for stream, heard in streams.items():
        for signal in plan.referenced:
            mine = (cells.stream == stream) & (cells.signal == signal.code)
            if int(cells.count[mine].sum()) >= ENOUGH_VALUES:
                number += 1
                reference = _reference(cells, mine, number, heard)
                yield Learned(stream, signal.code, reference)


def _reference(cells: Cells, mine: np.ndarray, number: int, heard: StreamState) -> Reference:
    (buckets,), counts = fold.add_up([cells.bucket[mine]], cells.count[mine])
    return Reference(
        reference_id=number,
        provisional=False,
        learned=heard.requests,
        from_ms=heard.first_ms,
        until_ms=heard.last_ms,
        buckets=buckets,
        counts=counts,
        correlation=ALONE,
        panes=base_rates.of_panes(cells.pane[mine], cells.bucket[mine], cells.count[mine]),
    )


def _week(heard: StreamState, until_ms: int) -> Week:
    """A week at the rate of what was learned; the stretch in which the test begins counts from its own records."""
    per_stretch = round(heard.requests * STRETCH_MS / max(heard.last_ms - heard.first_ms, PANE_MS))
    last = until_ms // STRETCH_MS
    before = round(per_stretch * (until_ms % STRETCH_MS) / STRETCH_MS)
    counts = np.full(KEPT, per_stretch, np.int64)
    counts[-1] = before
    return Week(last - KEPT + 1, counts)
