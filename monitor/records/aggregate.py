"""Bytes in, counts out: one partition's records between two checkpoints."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np

from monitor.records.accumulate import Accumulator
from monitor.records.asked import Asked
from monitor.records.batch import Batch, batch_of
from monitor.records.calibration import calibration
from monitor.records.candidates import LanguageCandidates, Places
from monitor.records.choosing import Scene
from monitor.records.columns import ABSENT, Bools, Columns
from monitor.records.decode import Decoded, RecordDecoder
from monitor.records.decode import RawBatch as RawBatch
from monitor.records.delta import EVENT_CLOCK, I64, KAFKA_CLOCK, SLOT_MS, Intake, Sums
from monitor.records.formats.decode import MappedDecoder
from monitor.records.formats.evaluate import Envelope
from monitor.records.keeping import Keeping, When
from monitor.records.labels import join, unmatched
from monitor.records.lenient import Refused
from monitor.records.measure import Measured, measure
from monitor.records.names import Names
from monitor.records.pending import Arrived, Pending
from monitor.records.placing import BANDED, bands, slice_codes, stream_codes
from monitor.records.predictions import Predictions
from monitor.records.record import MODEL
from monitor.records.sample_rates import SampleRates
from monitor.records.sampling import LanguageSampler, record_hashes
from monitor.records.settings import NO_VALUE, VERSION_FIELD, MeasureSettings
from monitor.records.shown import Sought
from monitor.records.signals import BY_NAME
from monitor.records.skips import Skips
from monitor.records.tables import cells_and_sums, slots, versions
from monitor.records.timed import Timed
from monitor.records.timing import YEAR_MS, broker_times, event_times, lateness
from monitor.records.users import USER, users

_OUTPUT_LANGUAGE: Final = BY_NAME["output_language"].code
_INPUT_LANGUAGE: Final = BY_NAME["input_language"].code
_TOO_OLD: Final = Refused("too_old", "the record is more than a year older than the clock")
_UNKNOWN: Final = Refused("no_model", "it names no model, and no prediction of its id is remembered")


class PartitionAggregator:
    """Counts one partition's records, in the order of their offsets, into what a checkpoint stores.

    `names`, `sampler` and `predictions`, which labels are joined to, are shared by the partitions of a process, and
    only one thread may add.
    `max_event_ms` is the largest event time the ledger knows: which records are late depends on it and on the
    records, not on batches. `dropped` counts fields dropped, by name. No record makes `add` raise.
    """

    def __init__(
        self,
        settings: MeasureSettings,
        names: Names,
        sampler: LanguageSampler,
        topic: str,
        partition: int,
        *,
        from_offset: int,
        max_event_ms: int | None,
        dropped: Counter[str] | None = None,
        predictions: Predictions | None = None,
    ) -> None:
        self.dropped: Counter[str] = Counter() if dropped is None else dropped
        self._settings = settings
        self._names = names
        self._sampler = sampler
        self._topic, self._partition = topic, partition
        self._predictions = predictions
        self._decoder = _decoder(settings, self.dropped)
        self._asked = Asked(settings, self.dropped)
        self._rates = SampleRates(names, self.dropped)
        self._from_offset = self._next_offset = from_offset
        self._max_event_ms = max_event_ms
        self._max_kafka_ms: int | None = None
        self._kafka_before_ms = 0
        self._pending = Pending()
        self._keeping = Keeping(settings, names, sampler.detector)
        self._begin()

    def _begin(self) -> None:
        self._counted = self._ignored = 0
        self._tables = Accumulator()
        self._skips = Skips()
        self._candidates = LanguageCandidates(self._sampler, self.dropped)

    def measure_by(self, settings: MeasureSettings) -> None:
        """Measure by other settings from now on, also what was added and is not counted yet.

        What makes a stream or a slice, lateness and the memory for labels are those of the beginning.
        """
        self._settings = settings
        self._decoder = _decoder(settings, self.dropped)
        self._asked = Asked(settings, self.dropped, self._asked.repeats)
        self._keeping.measure_by(settings)

    def seek(self, sought: Sequence[Sought]) -> None:
        """Keep records that show this, from now on."""
        self._keeping.seek(sought)

    @property
    def _nameless(self) -> bool:
        """Whether records find their model with their prediction."""
        return self._settings.format is not None and self._settings.format.nameless

    @property
    def weight(self) -> int:
        """Bytes of memory held since the last `take`, about."""
        return (
            self._pending.weight
            + self._tables.weight
            + self._skips.weight
            + self._keeping.weight
            + self._candidates.weight
        )

    def take(self) -> Intake:
        """Everything since the last `take`; the running watermark stays. Languages are detected here."""
        self.look()
        intake = Intake(
            from_offset=self._from_offset,
            next_offset=self._next_offset,
            counted=self._counted,
            max_event_ms=self._max_event_ms,
            max_kafka_ms=self._max_kafka_ms,
            delta=self._tables.delta(self._candidates.languages(self._names)),
            skipped=self._skips.ranges,
            samples=self._keeping.take(),
            notices=(*self._rates.take(), *(self._predictions.take() if self._predictions else ())),
            ignored=self._ignored,
        )
        self._from_offset = self._next_offset
        self._begin()
        return intake

    def add(self, batch: RawBatch, clock_ms: int) -> None:
        """Take up `batch` at the time `clock_ms` of this machine; `take` has counted or skipped all of it."""
        if batch.values:
            self._pending.add(batch, clock_ms)
            if self._pending.enough:
                self.look()

    def look(self) -> None:
        """Decode and count what is pending, so that labels find it."""
        arrived = self._pending.take()
        if arrived is None:
            return
        decoded = self._decoded(arrived)
        decoded.refused.update(arrived.refused)
        kafka_ms = broker_times(arrived.timestamps_ms, arrived.clock_ms)
        timed = self._timed(arrived, decoded, kafka_ms)
        for row in sorted(decoded.refused):
            self._skips.add(int(arrived.offsets[row]), decoded.refused[row], int(arrived.clock_ms[row]))
        self._next_offset = int(arrived.offsets[-1]) + 1
        self._kafka_before_ms = self._max_kafka_ms or 0
        self._max_kafka_ms = max(int(kafka_ms.max()), self._kafka_before_ms)
        self._ignored += len(decoded.ignored)
        self._counted += len(decoded.ignored)
        if timed is not None:
            self._counted += 1 + int(np.count_nonzero(np.diff(timed.rows)))
            self._count(timed)

    def _decoded(self, arrived: Arrived) -> Decoded:
        if isinstance(self._decoder, RecordDecoder):
            return self._decoder.decode_all(arrived.values)
        times = arrived.timestamps_ms.tolist()
        return self._decoder.decode_all(
            arrived.values, Envelope(self._topic, times, arrived.keys, arrived.headers)
        )

    def _timed(self, arrived: Arrived, decoded: Decoded, kafka_ms: I64) -> Timed | None:
        """The records with their times; what is too old goes to `decoded.refused`."""
        table, rows = decoded.table, np.fromiter(decoded.rows, np.int64, len(decoded.rows))
        if not rows.size:
            return None
        columns = Columns(table, self.dropped)
        times = event_times(columns.raw("ts"), kafka_ms[rows])
        if times.unreadable:
            self.dropped["ts"] += times.unreadable
        timed = Timed(columns, arrived, rows, kafka_ms[rows], times.event_ms)
        young = timed.event_ms >= timed.clock_ms - YEAR_MS
        if not young.all():
            timed = self._without(timed, ~young, _TOO_OLD, decoded)
        if self._predictions is not None and timed.rows.size:
            join(timed.columns, timed.event_ms, self._predictions, by_id=self._settings.labelled_elsewhere)
        if self._nameless and timed.rows.size:
            timed = self._with_models(timed, decoded)
        return timed if timed.rows.size else None

    def _with_models(self, timed: Timed, decoded: Decoded) -> Timed:
        """The records whose model is known; a message is refused when none of its records has one."""
        unknown = np.array([model is None for model in timed.columns.raw(MODEL)], np.bool_)
        if not unknown.any():
            return timed
        beside_known = unknown & np.isin(timed.rows, timed.rows[~unknown])
        self.dropped[MODEL] += int(np.count_nonzero(beside_known))
        refused = timed.rows[unknown & ~beside_known]
        decoded.refused.update(dict.fromkeys(refused.tolist(), _UNKNOWN))
        return timed.only(~unknown, self.dropped)

    def _without(self, timed: Timed, bad: Bools, why: Refused, decoded: Decoded) -> Timed:
        """The records that are not `bad`, bool[n]; a message counts when all its records do."""
        kept = ~np.isin(timed.rows, timed.rows[bad])
        decoded.refused.update(dict.fromkeys(timed.rows[~kept].tolist(), why))
        return timed.only(kept, self.dropped)

    def _count(self, timed: Timed) -> None:
        columns = timed.columns
        arrived_ms = timed.kafka_ms if self._nameless else None
        order = lateness(timed.event_ms, self._settings.lateness_ms, self._max_event_ms, arrived_ms)
        self._max_event_ms = order.max_event_ms
        batch = batch_of(columns, order.late, self._settings.bad_below)
        stream = stream_codes(columns, self._settings.by, self._names, int(timed.clock_ms[-1]))
        version = columns.names(VERSION_FIELD, absent=NO_VALUE)
        version_slice = slice_codes(stream, VERSION_FIELD, version, self._names)
        measured = [*measure(batch), *self._asked.measure(batch, stream)]
        self._rates.note(batch, stream, order.pane)
        whole = [*measured, *calibration(batch), *unmatched(batch)]
        self._tables.add(
            *cells_and_sums(whole, (stream, version_slice, order.pane, order.evidence), self._names),
            versions(batch, stream, version_slice, version, timed.event_ms),
        )
        if columns.has(USER):
            self._tables.add_further(users(batch, stream, order.pane, order.evidence), Sums())
        hashes = record_hashes(self._topic, self._partition, timed.numbers)
        places = Places(stream, version_slice, order.pane, order.evidence, hashes)
        self._further(measured, columns, places)
        self._slots(measured, batch, stream, timed, order.slot)
        self._candidates.add(_OUTPUT_LANGUAGE, batch, places)
        if self._settings.input_language:
            self._candidates.add(_INPUT_LANGUAGE, batch, places)
        self._sample(timed, batch, measured, places)

    def _further(self, measured: list[Measured], columns: Columns, places: Places) -> None:
        for field in self._settings.further_slices:
            values = bands(columns.number(field)) if field == BANDED else columns.names(field)
            if values.names:
                slices = slice_codes(places.stream, field, values, self._names)
                keys = (places.stream, slices, places.pane, places.evidence)
                self._tables.add_further(*cells_and_sums(measured, keys, self._names))

    def _slots(self, measured: list[Measured], batch: Batch, stream: I64, timed: Timed, slot: I64) -> None:
        windowed = [m for m in measured if m.signal in self._settings.window_signals]
        if windowed:
            self._tables.add_slots(slots(EVENT_CLOCK, windowed, stream, slot, self._names))
        killing = [m for m in measured if m.signal in self._settings.kill_signals]
        if killing:
            oldest = timed.clock_ms - self._settings.fresh_ms
            fresh = (timed.event_ms > oldest) & (timed.kafka_ms > oldest) & ~batch.late
            # In the order of offsets a second never comes back: one that was judged is closed.
            reached_ms = np.maximum(np.maximum.accumulate(timed.kafka_ms), self._kafka_before_ms)
            of_kafka = np.where(fresh, reached_ms // SLOT_MS, ABSENT)
            self._tables.add_slots(slots(KAFKA_CLOCK, killing, stream, of_kafka, self._names))

    def _sample(self, timed: Timed, batch: Batch, measured: list[Measured], places: Places) -> None:
        when = When(timed.event_ms, timed.arrived.offsets[timed.rows], int(timed.clock_ms[-1]))
        self._keeping.look(partial(Scene, batch, measured, places, timed.message), when)


def _decoder(settings: MeasureSettings, dropped: Counter[str]) -> RecordDecoder | MappedDecoder:
    if settings.format is None:
        return RecordDecoder(settings, dropped)
    return MappedDecoder(settings.format, settings, dropped)
