"""The rates of the registry: which records can show an event, and which do."""

from collections.abc import Callable
from typing import Final

import numpy as np

from monitor.records.batch import Batch
from monitor.records.columns import Bools, Columns, Distinct

SURE: Final = 0.9
"""Confidence from which a wrong prediction is confidently wrong."""

Found = tuple[Bools, Bools] | None
"""Which records can show an event, and which do: bool[n] each; the registry's `of` is applied after."""


def _every(batch: Batch, event: Bools) -> Found:
    return np.ones(batch.columns.n, np.bool_), event


def _flagged(field: str, when: float) -> Callable[[Batch], Found]:
    """The rate of a boolean field being `when`, among the records that have it."""

    def found(batch: Batch) -> Found:
        flag = batch.columns.flag(field)
        return None if flag is None else (~np.isnan(flag), flag == when)

    return found


def _fallback(batch: Batch) -> Found:
    # A fallback flags its own records and the usual path none, so absent counts as no.
    return batch.prediction, batch.fallback


_CUT_OFF: Final = frozenset({"length", "max_tokens", "MAX_TOKENS", "max_output_tokens"})
"""What providers call the length limit: OpenAI, Anthropic, Gemini, and OpenAI's Responses."""


def _truncated(batch: Batch) -> Found:
    reasons = batch.columns.names("finish_reason")
    cut = [code for code, name in enumerate(reasons.names) if name in _CUT_OFF]
    return reasons.present, np.isin(reasons.codes, cut)


def _empty_output(batch: Batch) -> Found:
    columns = batch.columns
    known = np.zeros(columns.n, np.bool_)
    empty = np.zeros(columns.n, np.bool_)
    lengths = columns.lengths("output")
    if lengths is not None:
        known |= ~np.isnan(lengths)
        empty |= columns.blank("output")
    tokens = columns.number("output_tokens")
    if tokens is not None:
        known |= ~np.isnan(tokens)
        empty |= tokens == 0
    return known, empty


def _negative_feedback(batch: Batch) -> Found:
    rating = batch.columns.number("rating")
    return None if rating is None else (~np.isnan(rating), rating < batch.bad_below)


def incorrect(batch: Batch) -> Found:
    """Which records say whether they are right, and which are wrong: by `correct`, else by label and class."""
    columns = batch.columns
    judged = _classes(columns) if columns.has("label") and columns.has("prediction") else None
    stated = columns.flag("correct")
    if stated is None:
        return judged
    known, wrong = ~np.isnan(stated), stated == 0
    if judged is None:
        return known, wrong
    return known | judged[0], np.where(known, wrong, judged[1])


def _classes(columns: Columns) -> tuple[Bools, Bools]:
    return _differing(columns.classes("prediction"), columns.classes("label"))


def _differing(one: Distinct, other: Distinct) -> tuple[Bools, Bools]:
    """Where both have a name, and where they have not the same."""
    places = {name: i for i, name in enumerate(one.names)}
    same = np.array([*(places.get(name, len(places)) for name in other.names), len(places)], np.int64)
    return one.present & other.present, one.codes != same[other.codes]


def _stale_cache(batch: Batch) -> Found:
    """Of the hits that name a `cached_version`: those of another one than the record's own, which serves now."""
    columns = batch.columns
    hit = columns.flag("cache_hit")
    if hit is None or not columns.has("cached_version"):
        return None
    known, stale = _differing(columns.names("version"), columns.names("cached_version"))
    return known & (hit == 1), stale


def _confidently_wrong(batch: Batch) -> Found:
    confidence = batch.columns.number("confidence")
    judged = incorrect(batch) if confidence is not None else None
    if confidence is None or judged is None:
        return None
    known, wrong = judged
    return known & ~np.isnan(confidence), wrong & (confidence >= SURE)


RATES: Final[dict[str, Callable[[Batch], Found]]] = {
    "error": lambda b: _every(b, b.error | b.timeout),
    "timeout": lambda b: _every(b, b.timeout),
    "rejected": lambda b: _every(b, b.rejected),
    "truncated": _truncated,
    "empty_output": _empty_output,
    "abstained": _flagged("abstained", 1.0),
    "invalid_output": _flagged("valid_output", 0.0),
    "fallback": _fallback,
    "negative_feedback": _negative_feedback,
    "incorrect": incorrect,
    "confidently_wrong": _confidently_wrong,
    "cold_start": _flagged("cold_start", 1.0),
    "late": lambda b: _every(b, b.late),
    "stale_cache": _stale_cache,
}
