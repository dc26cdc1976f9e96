"""How many answers a signal speaks of: confidence, labels and ratings that are not there are in no figure."""

from typing import Final

from monitor.judge.history import History
from monitor.judge.reference import Reference
from monitor.ledger.facts import Coverage
from monitor.records.signals import BY_NAME, WHOLE, Signal

COVERED: Final = frozenset(
    {"confidence", "score", "incorrect", "confidently_wrong", "abs_error", "negative_feedback"}
)
_IMPORTED: Final = "imported"
_ERROR: Final = BY_NAME["error"].code
_ABSTAINED: Final = BY_NAME["abstained"].code


def coverage(
    history: History, stream: int, signal: Signal, window: tuple[int, int], reference: Reference | None
) -> Coverage | None:
    """The share of the window's answers that have what the signal counts, and that share in the reference's time.

    None for other signals, and where it is not known: no answers, or more labels and ratings than answers.
    """
    if signal.name not in COVERED:
        return None
    answers = _answers(history, stream, window)
    share = _share(history, stream, signal, window, answers)
    if share is None:
        return None
    before = None
    if reference is not None and reference.origin != _IMPORTED:
        then = (reference.from_ms, reference.until_ms)
        before = _share(history, stream, signal, then, _answers(history, stream, then))
    return Coverage(share=share, before=before, withheld=_withheld(history, stream, window) / answers)


def _share(
    history: History, stream: int, signal: Signal, window: tuple[int, int], answers: int
) -> float | None:
    n = history.total(stream, signal.code, WHOLE, *window) if answers else 0
    return n / answers if answers and n <= answers else None


def _answers(history: History, stream: int, window: tuple[int, int]) -> int:
    """Predictions that came to an answer: those of `error` that did not fail."""
    buckets, counts = history.counts(stream, _ERROR, WHOLE, *window)
    return int(counts[buckets == 0].sum())


def _withheld(history: History, stream: int, window: tuple[int, int]) -> int:
    buckets, counts = history.counts(stream, _ABSTAINED, WHOLE, *window)
    return int(counts[buckets == 1].sum())
