"""What the core looks at: one closed evidence pane, or one closed slot, of all streams."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from monitor.judge import parts
from monitor.records import fold
from monitor.records.delta import I64, PANE_MS, Cells, Slots, Sums
from monitor.records.signals import WHOLE

Labels = Mapping[int, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Counts:
    """Sparse histograms of one signal, int64[n] each, sorted by (stream, bucket), one row each.

    `stream` holds parts where slices are counted by themselves.
    """

    stream: I64
    bucket: I64
    count: I64


@dataclass(frozen=True, slots=True)
class PaneBlock:
    """The evidence of one pane by signal code: of whole streams in `counts`, of parts by field of slices in `sliced`.

    `sums` holds the sum of a distribution's values by stream.
    `labels` are of every stream known. `blind` says that some partition is left out, so that silence is no news.
    `paused` are the streams whose switch is tripped.
    """

    pane: int
    counts: Mapping[int, Counts]
    labels: Labels
    blind: bool = False
    paused: frozenset[int] = frozenset()
    sliced: Mapping[str, Mapping[int, Counts]] = field(default_factory=dict)
    sums: Mapping[int, Mapping[int, float]] = field(default_factory=dict)

    def counted(self, code: int, each: str | None) -> Counts | None:
        """The counts of a signal in whole streams, or in the parts that the field `each` makes."""
        return (self.counts if each is None else self.sliced.get(each, {})).get(code)

    @property
    def start_ms(self) -> int:
        return self.pane * PANE_MS

    @property
    def end_ms(self) -> int:
        return (self.pane + 1) * PANE_MS


@dataclass(frozen=True, slots=True)
class SlotBlock:
    """One second of all streams: event time for windows, Kafka time of fresh records for kills.

    `paused` are the streams whose switch is tripped: windows count nothing of them.
    """

    slot: int
    counts: Mapping[int, Counts]
    labels: Labels
    paused: frozenset[int] = frozenset()

    @property
    def end_ms(self) -> int:
        return (self.slot + 1) * 1000


def folded(stream: I64, bucket: I64, count: I64) -> Counts:
    """Sum the counts of equal (stream, bucket), sorted by them."""
    keys, added = fold.add_up([stream, bucket], count)
    return Counts(keys[0], keys[1], added)


def pane_counts(cells: Cells) -> dict[int, Counts]:
    """The counts by signal of all whole-stream cells of one evidence pane."""
    whole = cells.slice == WHOLE
    return _by_signal(cells.signal[whole], cells.stream[whole], cells.bucket[whole], cells.count[whole])


def sliced_counts(
    cells: Cells, slices: Mapping[int, str], asked: Mapping[str, Collection[int]]
) -> dict[str, dict[int, Counts]]:
    """The counts of parts, by field: `slices` gives the field of a slice, `asked` the signals of a field."""
    if not asked or not len(cells.slice):
        return {}
    distinct, at = np.unique(cells.slice, return_inverse=True)
    fields = np.array([slices.get(s, "") for s in distinct.tolist()])[at]
    found = {}
    for name, codes in asked.items():
        mine = (fields == name) & np.isin(cells.signal, list(codes))
        part = parts.part(cells.stream[mine], cells.slice[mine])
        found[name] = _by_signal(cells.signal[mine], part, cells.bucket[mine], cells.count[mine])
    return found


def pane_sums(sums: Sums) -> dict[int, dict[int, float]]:
    """The sums of whole streams of one evidence pane, by signal and stream."""
    whole = sums.slice == WHOLE
    found: dict[int, dict[int, float]] = {}
    columns = (sums.signal[whole].tolist(), sums.stream[whole].tolist(), sums.total[whole].tolist())
    for code, stream, total in zip(*columns, strict=True):
        of_signal = found.setdefault(code, {})
        of_signal[stream] = of_signal.get(stream, 0.0) + total
    return found


def slot_counts(slots: Slots) -> dict[int, Counts]:
    """The counts by signal of the cells of one slot."""
    return _by_signal(slots.signal, slots.stream, slots.bucket, slots.count)


def _by_signal(signal: I64, stream: I64, bucket: I64, count: I64) -> dict[int, Counts]:
    if not len(signal):
        return {}
    (code, streams, buckets), counts = fold.add_up([signal, stream, bucket], count)
    starts = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
    ends = np.append(starts[1:], len(code))
    return {
        int(code[a]): Counts(streams[a:b], buckets[a:b], counts[a:b])
        for a, b in zip(starts, ends, strict=True)
    }


def of_stream(counts: Counts, stream: int) -> tuple[I64, I64]:
    """Buckets and counts of one stream."""
    low, high = np.searchsorted(counts.stream, (stream, stream + 1))
    return counts.bucket[low:high], counts.count[low:high]


def totals(counts: Counts) -> dict[int, int]:
    """The number counted per stream."""
    if not len(counts.stream):
        return {}
    streams, starts = np.unique(counts.stream, return_index=True)
    return dict(zip(streams.tolist(), np.add.reduceat(counts.count, starts).tolist(), strict=True))
