"""What a log is like: how it is read, what its fields are, and what is measured on its records."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from monitor.cli.inspect.fitting import Fit, fits, places_of
from monitor.cli.inspect.places import Places
from monitor.cli.inspect.reading import Outcome, Reading, decoded
from monitor.cli.inspect.taking import Taken
from monitor.errors import UsageError
from monitor.records.batch import Batch, batch_of
from monitor.records.columns import Columns
from monitor.records.delta import F64, I64
from monitor.records.language import LanguageDetector, language_code
from monitor.records.lenient import BINARY
from monitor.records.measure import Measured, measure
from monitor.records.signals import BY_CODE, BY_NAME, Kind, Of, Signal
from monitor.records.timing import instants_ms

QUANTILES: Final = (0.0, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 1.0)
LANGUAGES_OF: Final = 1_000
MOST_CATEGORIES: Final = 20
CALENDAR_MS: Final = 1e13
"""About the year 2286, and as long before 1970: what lies beyond is no time of a record."""
PARTS: Final = 20
LEAST_OF_PART: Final = 50


@dataclass(frozen=True, slots=True)
class Seen:
    """A signal in the log: counted on `n` records; of a distribution `quantiles` at `QUANTILES`, of a rate its `k`.

    Of a category the commonest `shares`, of all `distinct`. `usual` is the rate, or p95, in the middle one of twenty
    parts of the log: an incident in it does not move that.
    """

    signal: Signal
    n: int
    k: int = 0
    quantiles: tuple[float, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)
    distinct: int = 0
    usual: float = 0.0

    @property
    def rate(self) -> float:
        return self.k / self.n

    def at(self, q: float) -> float:
        """A quantile; `q` is one of `QUANTILES`."""
        return self.quantiles[QUANTILES.index(q)]


@dataclass(frozen=True)
class Study:
    """A log, read by the best of `fits`, which are empty where it was told how to read it."""

    taken: Taken
    fits: Sequence[Fit]
    reading: Reading
    places: Places
    outcome: Outcome
    columns: Columns
    batch: Batch
    bad_below: float

    @cached_property
    def stated_ms(self) -> F64:
        """What `ts` says: float64[n], NaN where it says no time."""
        stated = instants_ms(self.outcome.column("ts"))
        return np.where(np.abs(stated) < CALENDAR_MS, stated, np.nan)

    @cached_property
    def ts_ms(self) -> F64:
        """Event times float64[n], Kafka's where a record states none, NaN where there is neither."""
        if not self.taken.of_topic:
            return self.stated_ms
        kafka = np.array(self.taken.timestamps_ms, np.float64)[self.outcome.rows]
        return np.where(np.isnan(self.stated_ms), np.where(kafka < 0, np.nan, kafka), self.stated_ms)

    @cached_property
    def span_ms(self) -> float:
        """From the first to the last event time, 0 where there are none."""
        known = self.ts_ms[~np.isnan(self.ts_ms)]
        return float(known.max() - known.min()) if known.size else 0.0

    @cached_property
    def models(self) -> Counter[str]:
        """Predictions of each model."""
        names = self.columns.names("model")
        counts = np.bincount(names.codes[self.batch.prediction & names.present], minlength=len(names.names))
        return Counter({name: int(n) for name, n in zip(names.names, counts, strict=True) if n})

    @cached_property
    def predictions(self) -> int:
        """Records that are no feedback and no labels."""
        return int(np.count_nonzero(self.batch.prediction))

    @cached_property
    def seen(self) -> dict[str, Seen]:
        """All signals that have something to count, by name."""
        found = {
            (signal := BY_CODE[m.signal]).name: _seen(signal, m, self.columns.n) for m in measure(self.batch)
        }
        return found | {s.signal.name: s for s in self._sampled()}

    @property
    def dropped(self) -> Counter[str]:
        """Values that no field can take, by field; those out of range are known once all was measured."""
        return self.outcome.dropped if self.seen else Counter()

    def _sampled(self) -> list[Seen]:
        found = []
        detector = LanguageDetector()
        for name in ("input_language", "output_language"):
            told = self._languages(name, detector)
            if told:
                found.append(_counted(BY_NAME[name], Counter(told.values())))
        if found and found[-1].signal.name == "output_language":
            found += self._wrong_languages(told)
        return found

    def _languages(self, name: str, detector: LanguageDetector) -> dict[int, str]:
        """Languages of some records by row, as stated, else as their text is; not those that cannot be told."""
        ok = np.flatnonzero(self.batch.of[Of.OK])
        rows = ok[:: max(1, ok.size // LANGUAGES_OF)].tolist()
        stated, texts = self.columns.raw(name), self.columns.raw(name.removesuffix("_language"))
        told = ((row, stated[row] or (detector.detect(texts[row]) if texts[row] else "")) for row in rows)
        return {row: language for row, language in told if language}

    def _wrong_languages(self, told: dict[int, str]) -> list[Seen]:
        expected = self.columns.raw("expected_language")
        wrong = [language_code(expected[row]) != lang for row, lang in told.items() if expected[row]]
        return [Seen(BY_NAME["wrong_language"], len(wrong), k=sum(wrong))] if wrong else []


def study(taken: Taken, bad_below: float | None = None, reading: Reading | None = None) -> Study:
    """Study a log, as `reading` has it or as fits best; raises UsageError where nothing in it is a record."""
    found = fits(taken) if reading is None else []
    reading = reading or (found[0].reading if found else Reading())
    form = reading.form
    outcome = decoded(taken, form)
    if not outcome.n:
        raise UsageError(_no_record(taken, outcome))
    columns = Columns(outcome.table, outcome.dropped)
    threshold = _bad_below(columns) if bad_below is None else bad_below
    batch = batch_of(columns, np.zeros(columns.n, np.bool_), threshold)
    return Study(taken, found, reading, places_of(taken, form), outcome, columns, batch, threshold)


def _no_record(taken: Taken, outcome: Outcome) -> str:
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in outcome.refused.most_common(3))
    if outcome.refused[BINARY.reason]:
        return (
            f"messages of {taken.name} are framed by a schema registry ({reasons}): name it in alerts.yaml, "
            "source: {schema_registry: {url: ...}}, and call this with --topic alone"
        )
    return (
        f"no message of {taken.name} is a record of any format that is known ({reasons or 'all are ignored'}): "
        "write a mapping, see docs/formats.md"
    )


def _bad_below(columns: Columns) -> float:
    """Thumbs are 0 or 1, others -1 or 1, stars 1 to 5."""
    ratings = columns.number("rating")
    if ratings is None or not np.count_nonzero(~np.isnan(ratings)):
        return 0.0
    low, high = float(np.nanmin(ratings)), float(np.nanmax(ratings))
    return 0.0 if low < 0 else 0.5 if high <= 1 else 3.0 if high <= 5 else (low + high) / 2


def _seen(signal: Signal, measured: Measured, n: int) -> Seen:
    count = measured.bucket.size
    if signal.kind is Kind.RATE:
        return Seen(signal, count, k=int(measured.bucket.sum()), usual=_usual(measured.bucket, np.mean))
    if measured.values is not None:
        quantiles = tuple(np.quantile(measured.values, QUANTILES).tolist())
        return Seen(signal, count, quantiles=quantiles, usual=_usual(measured.values, _p95))
    if signal.kind is Kind.CATEGORY and measured.names is not None:
        counts = np.bincount(measured.bucket, minlength=len(measured.names)).tolist()
        return _counted(signal, +Counter(dict(zip(measured.names, counts, strict=True))))
    return Seen(signal, count)


def _usual(values: F64 | I64, figure: Callable[[Any], Any]) -> float:
    """The median of `figure` over equal parts of the log, or over all where parts would be tiny."""
    parts = np.array_split(values, PARTS) if values.size >= PARTS * LEAST_OF_PART else [values]
    return float(np.median([figure(part) for part in parts]))


def _p95(values: F64) -> float:
    return float(np.quantile(values, 0.95))


def _counted(signal: Signal, counts: Counter[str]) -> Seen:
    total = counts.total()
    shares = {name: n / total for name, n in counts.most_common(MOST_CATEGORIES)}
    return Seen(signal, total, shares=shares, distinct=len(counts))
