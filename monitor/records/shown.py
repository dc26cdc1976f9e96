"""What was measured of single records, by name, and which records show what somebody looks for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.records.batch import Batch
from monitor.records.delta import I64
from monitor.records.dropping import covers
from monitor.records.language import LanguageDetector, language_code
from monitor.records.measure import Measured
from monitor.records.scrub import scrubbed
from monitor.records.settings import NO_VALUE, VERSION_FIELD, MeasureSettings
from monitor.records.signals import SIGNALS, Kind, Of, Signal

Shown = dict[str, bool | float | str]
"""By signal: True for a rate whose event the record shows, a distribution's value, a category's name."""

_WRONG: Final = "wrong_language"
_LANGUAGES: Final = {"output_language": "output", "input_language": "input"}
TOLD_FROM_TEXT: Final = frozenset({_WRONG, *_LANGUAGES})
_NO_ROWS: Final = np.zeros(0, np.bool_)
MOST_TOLD: Final = 8
"""Texts of one batch and search whose language is told: that takes time."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What to look for in the records of a stream (by its key), or of one `version` of it.

    The event of a rate; a distribution's values beyond `above` or below `below`; a category of that name.
    """

    stream: str
    signal: str
    above: float | None = None
    below: float | None = None
    category: str | None = None
    version: str | None = None

    def shown_in(self, shown: Mapping[str, object]) -> bool:
        """Whether a record of which that was measured shows it."""
        found = shown.get(self.signal)
        if self.category is not None:
            return found == self.category
        if isinstance(found, bool) or not isinstance(found, int | float):
            return found is True and self.above is None and self.below is None
        beyond = self.above is not None and found > self.above
        return beyond or (self.below is not None and found < self.below)


class Showing:
    """Reads single records out of measured batches; `settings` name the signals of users."""

    def __init__(self, settings: MeasureSettings, detector: LanguageDetector) -> None:
        users = [s for user in settings.user_signals for s in (user.signal, user.missing)]
        self._signals: dict[int, Signal] = {s.code: s for s in (*SIGNALS, *users)}
        self._codes = {s.name: s.code for s in self._signals.values()}
        self._detector = detector
        paths = {s.name: (s.field,) for s in SIGNALS} | {s.signal.name: s.path for s in settings.user_signals}
        self._dropped = {name for name, path in paths.items() if covers(settings.samples.drop, path)}

    def all(self, batch: Batch, measured: Iterable[Measured], row: int) -> Shown:
        """What was measured of the record at `row`, with its languages, less what is never kept."""
        found = self._measured(measured, row) | self._languages(batch, row)
        return {name: _kept(name, value) for name, value in found.items() if name not in self._dropped}

    def _measured(self, measured: Iterable[Measured], row: int) -> Shown:
        shown: Shown = {}
        for one in measured:
            signal, at = self._signals.get(one.signal), _place(one, row)
            if signal is None or at is None or signal.kind is Kind.TRAFFIC:
                continue
            if one.names is not None:
                shown[signal.name] = one.names[int(one.bucket[at])]
            elif one.values is not None:
                shown[signal.name] = _number(float(one.values[at]))
            elif one.bucket[at] == 1:
                shown[signal.name] = True
        return shown

    def rows(self, sought: Sought, batch: Batch, measured: Sequence[Measured], of: I64) -> I64:
        """Which of the rows `of` int64[m], in their order, show what is sought."""
        if sought.version is not None:
            version = batch.columns.names(VERSION_FIELD, absent=NO_VALUE)
            of = of[
                np.array([version.names[c] for c in version.codes[of].tolist()], np.object_) == sought.version
            ]
        if sought.signal in TOLD_FROM_TEXT:
            told = [row for row in of.tolist() if batch.of[Of.SAMPLED][row]][:MOST_TOLD]
            return np.array([r for r in told if sought.shown_in(self._languages(batch, r))], np.int64)
        code = self._codes.get(sought.signal)
        found = [_showing(sought, one) for one in measured if one.signal == code]
        return of[np.isin(of, found[0])] if found else of[:0]

    def _languages(self, batch: Batch, row: int) -> Shown:
        """As the language sample tells them, of an answer."""
        if not batch.of[Of.SAMPLED][row]:
            return {}
        shown: Shown = {}
        for signal, field in _LANGUAGES.items():
            given = language_code(batch.columns.raw(signal)[row] or "")
            language = given or self._detector.detect(batch.columns.raw(field)[row] or "")
            if language:
                shown[signal] = language
        expected = language_code(batch.columns.raw("expected_language")[row] or "")
        if expected and shown.get("output_language", expected) != expected:
            shown[_WRONG] = True
        return shown


def _kept(name: str, value: bool | float | str) -> bool | float | str:
    return scrubbed(value) if name == "error_type" and isinstance(value, str) else value


def _place(measured: Measured, row: int) -> int | None:
    """Where `row` stands in a measured part of the batch; None where it does not."""
    if measured.rows is None:
        return row
    at = int(np.searchsorted(measured.rows, row))
    return at if at < measured.rows.size and measured.rows[at] == row else None


def _number(value: float) -> float:
    return int(value) if value.is_integer() else value


def _showing(sought: Sought, measured: Measured) -> I64:
    """The rows of the batch that show it: int64[k]."""
    if sought.category is not None:
        codes = [i for i, name in enumerate(measured.names or ()) if name == sought.category]
        shows = np.isin(measured.bucket, codes)
    elif sought.above is not None or sought.below is not None:
        values = np.empty(0) if measured.values is None else measured.values
        above = values > sought.above if sought.above is not None else np.zeros(values.size, np.bool_)
        shows = above | (values < sought.below) if sought.below is not None else above
    else:
        shows = measured.bucket == 1 if measured.names is None and measured.values is None else _NO_ROWS
    at = np.flatnonzero(shows)
    return at if measured.rows is None else measured.rows[at]
