"""Records of one partition that may be in the language sample; languages are told at the checkpoint only."""

from collections import Counter
from dataclasses import dataclass
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np

from monitor.records.batch import Batch
from monitor.records.columns import Bools
from monitor.records.delta import I64, U64, Languages
from monitor.records.language import MAX_CHARS, UNKNOWN, language_code
from monitor.records.names import Names
from monitor.records.sampling import LanguageSampler
from monitor.records.signals import BY_NAME, UNKNOWN_CATEGORY, Of

_OUTPUT: Final = BY_NAME["output_language"].code
_INPUT: Final = BY_NAME["input_language"].code
_FIELDS: Final = {_OUTPUT: ("output", "output_language"), _INPUT: ("input", "input_language")}
_BYTES_A_CANDIDATE: Final = 200
_NOT_NAMED: Final = -1
_EXPECTED: Final = "expected_language"
_PLACES: Final = ("stream", "evidence", "slice", "pane", "hashes")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a batch's records belong, int64[n] each; `hashes` uint64[n]."""

    stream: I64
    slice: I64
    pane: I64
    evidence: I64
    hashes: U64


class _Candidate(NamedTuple):
    signal: int
    stream: int
    evidence: int
    slice: int
    pane: int
    hash: int
    text: str
    given: str
    expected: str


class LanguageCandidates:
    """Keeps the texts that a process's sampler wants, until `languages` tells their languages."""

    def __init__(self, sampler: LanguageSampler, dropped: Counter[str]) -> None:
        self._sampler = sampler
        self._dropped = dropped
        self._held: list[_Candidate] = []
        self.weight = 0

    def add(self, signal: int, batch: Batch, places: Places) -> None:
        """Take up a batch for `input_language` or `output_language`."""
        rows = np.flatnonzero(batch.of[Of.SAMPLED] & _told(batch, signal))
        if rows.size == 0:
            return
        wanted = self._sampler.offer(signal, places.stream[rows], places.evidence[rows], places.hashes[rows])
        text_field, given_field = _FIELDS[signal]
        chosen = rows[wanted]
        if chosen.size == 0:
            return
        columns = [getattr(places, name)[chosen].tolist() for name in _PLACES]
        texts, given, expected = (
            _texts(batch, field, chosen) for field in (text_field, given_field, _EXPECTED)
        )
        made = map(_Candidate, repeat(signal), *columns, (t[:MAX_CHARS] for t in texts), given, expected)
        self._held.extend(made)
        self.weight += _BYTES_A_CANDIDATE * chosen.size + sum(map(len, texts))

    def languages(self, names: Names) -> Languages:
        """Rows of those that are still in the sample; category codes are local to `names`."""
        limits = {key: self._sampler.limit(key) for key in {c[:3] for c in self._held}}
        kept = [c for c in self._held if c.hash <= limits[c[:3]]]
        rows = [self._row(candidate, names) for candidate in kept]
        if not rows:
            return Languages()
        stream, slices, signal, pane, evidence, bucket, wrong = np.array(rows, np.int64).T
        hashes = np.array([c.hash for c in kept], np.uint64)
        return Languages(stream, slices, signal, pane, evidence, bucket, wrong, hashes)

    def _row(self, c: _Candidate, names: Names) -> tuple[int, ...]:
        language = self._code(_FIELDS[c.signal][1], c.given) or self._sampler.detector.detect(c.text)
        expected = self._code(_EXPECTED, c.expected) if c.signal == _OUTPUT else UNKNOWN
        bucket = names.category_code(c.stream, c.signal, language) if language else UNKNOWN_CATEGORY
        wrong = int(language != expected) if language and expected else _NOT_NAMED
        return c.stream, c.slice, c.signal, c.pane, c.evidence, bucket, wrong

    def _code(self, field: str, given: str) -> str:
        code = language_code(given) if given else UNKNOWN
        if given and not code:
            self._dropped[field] += 1
        return code


def _texts(batch: Batch, field: str, rows: I64) -> list[str]:
    """The texts of some records, empty where absent."""
    column = batch.columns.raw(field)
    return [column[row] or "" for row in rows.tolist()]


def _told(batch: Batch, signal: int) -> Bools:
    """Which records have the text or the language: bool[n]."""
    told = np.zeros(batch.columns.n, np.bool_)
    for field in _FIELDS[signal]:
        if batch.columns.has(field):
            given = batch.columns.given(field)
            told |= True if given is None else given
    return told
