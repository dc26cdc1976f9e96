"""Records in, what was counted out, for tests that read as sentences."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from monitor.records.aggregate import PartitionAggregator
from monitor.records.decode import RawBatch
from monitor.records.delta import Intake
from monitor.records.language import LanguageDetector
from monitor.records.names import Names
from monitor.records.predictions import Predictions
from monitor.records.sampling import LanguageSampler
from monitor.records.settings import MeasureSettings
from monitor.records.signals import BY_NAME, WHOLE, Kind, Signal

START_MS = 1_731_553_200_000
"""The beginning of a pane."""
CLOCK_MS = START_MS + 600_000

GERMAN = "Ihre Bestellung ist heute Morgen verschickt worden und kommt am Freitag bei Ihnen an."
ENGLISH = "Your parcel left the warehouse this morning and should reach you on Friday."


@cache
def detector() -> LanguageDetector:
    return LanguageDetector()


def value(**fields: Any) -> bytes:
    """A record's bytes; the model is chat-eu and `ts` the start unless told."""
    return json.dumps({"model": "chat-eu", "ts": START_MS} | fields).encode()


def batch(values: Sequence[bytes | None], first: int = 0, kafka_ms: int = CLOCK_MS) -> RawBatch:
    n = len(values)
    return RawBatch(range(first, first + n), [kafka_ms] * n, list(values))


@dataclass
class Partition:
    """An aggregator with its names."""

    aggregator: PartitionAggregator
    names: Names
    known: Mapping[str, Signal]

    @classmethod
    def make(
        cls,
        settings: MeasureSettings | None = None,
        *,
        names: Names | None = None,
        sampler: LanguageSampler | None = None,
        number: int = 0,
        max_event_ms: int | None = None,
        predictions: Predictions | None = None,
    ) -> "Partition":
        settings = settings or MeasureSettings()
        known = BY_NAME | {s.name: s for user in settings.user_signals for s in (user.signal, user.missing)}
        names = names or Names(settings.by, settings.max_streams)
        sampler = sampler or LanguageSampler(detector())
        return cls(
            PartitionAggregator(
                settings,
                names,
                sampler,
                "predictions",
                number,
                from_offset=0,
                max_event_ms=max_event_ms,
                predictions=predictions,
            ),
            names,
            known,
        )

    def counted(self) -> "Counted":
        return Counted(self.aggregator.take(), self.names, self.aggregator.dropped, self.known)


@dataclass
class Counted:
    """An intake by names: buckets of a category are its names, those of everything else are numbers."""

    intake: Intake
    names: Names
    dropped: Counter[str]
    known: Mapping[str, Signal]

    def of(self, signal: str, stream: str = "chat-eu", **where: str) -> dict[Any, int]:
        """Counts by bucket, of the whole stream or of the slice named by field."""
        cells = self.intake.delta.cells
        entry = self.known[signal]
        found: Counter[Any] = Counter()
        rows = np.flatnonzero(cells.signal == entry.code)
        for row in rows.tolist():
            code, slice_code = int(cells.stream[row]), int(cells.slice[row])
            if self.names.stream(code).key == stream and self._slice(slice_code) == where:
                bucket = int(cells.bucket[row])
                name = (
                    self.names.category(code, entry.code, bucket) if entry.kind is Kind.CATEGORY else bucket
                )
                found[name] += int(cells.count[row])
        return dict(found)

    def rate(self, signal: str, **where: str) -> tuple[int, int]:
        """(k, n) of a rate of chat-eu."""
        counts = self.of(signal, **where)
        return counts.get(1, 0), sum(counts.values())

    def signals(self) -> set[str]:
        """The signals that rules may name, with any cell."""
        codes = {signal.code: name for name, signal in self.known.items()}
        return {codes[code] for code in np.unique(self.intake.delta.cells.signal).tolist() if code in codes}

    def reasons(self) -> dict[int, str]:
        """Skipped offsets and why."""
        return {o: r.reason for r in self.intake.skipped for o in range(r.first, r.last + 1)}

    def requests(self) -> int:
        """The sum of `requests` over all streams."""
        cells = self.intake.delta.cells
        whole = (cells.signal == BY_NAME["requests"].code) & (cells.slice == WHOLE)
        return int(cells.count[whole].sum())

    def _slice(self, code: int) -> dict[str, str]:
        if code == WHOLE:
            return {}
        name = self.names.slice(code)
        return {name.field: name.value}


def count(
    *values: bytes | None, settings: MeasureSettings | None = None, clock_ms: int = CLOCK_MS
) -> Counted:
    """What one batch of these values comes to."""
    partition = Partition.make(settings)
    partition.aggregator.add(batch(values, kafka_ms=clock_ms), clock_ms)
    return partition.counted()
