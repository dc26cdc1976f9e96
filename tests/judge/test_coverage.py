"""How many answers a signal speaks of, now and in the time of the reference."""

import numpy as np
import pytest

from monitor.judge.coverage import coverage
from monitor.judge.history import MemoryHistory
from monitor.judge.reference import Reference
from monitor.ledger.facts import Coverage
from monitor.records.delta import PANE_MS, Cells, Versions
from monitor.records.signals import BY_NAME

NOW = (PANE_MS * 100, PANE_MS * 102)
THEN = (PANE_MS * 10, PANE_MS * 12)
EMPTY = np.empty(0, np.int64)


class NoNames:
    """A history of counts without names."""

    def stream_key(self, stream: int) -> str:
        return str(stream)

    def labels(self, stream: int) -> dict[str, str]:
        return {}

    def category(self, stream: int, signal: int, category: int) -> str:
        return ""

    def version(self, slice_id: int) -> str:
        return ""


def history(*panes: tuple[int, dict[str, dict[int, int]]]) -> MemoryHistory:
    """Stream 1 with {signal: {bucket: count}} in the panes that begin at these times."""
    rows = [
        (1, 0, BY_NAME[signal].code, at // PANE_MS, at // PANE_MS, bucket, count)
        for at, signals in panes
        for signal, buckets in signals.items()
        for bucket, count in buckets.items()
    ]
    made = MemoryHistory(NoNames())
    made.add(Cells(*np.array(rows, np.int64).T), Versions())
    return made


def reference(origin: str = "learned") -> Reference:
    return Reference(1, False, 100, *THEN, EMPTY, EMPTY, origin=origin)


def test_labels_of_the_answers_now_and_then() -> None:
    found = history(
        (THEN[0], {"error": {0: 60, 1: 40}, "incorrect": {0: 20, 1: 4}}),
        (NOW[0], {"error": {0: 100}, "incorrect": {0: 6, 1: 6}}),
    )
    expected = Coverage(share=0.12, before=0.4)
    assert coverage(found, 1, BY_NAME["incorrect"], NOW, reference()) == expected


def test_withheld_answers_are_said_beside_confidence() -> None:
    found = history((NOW[0], {"error": {0: 100}, "abstained": {0: 91, 1: 9}, "confidence": {3: 50, 4: 41}}))
    assert coverage(found, 1, BY_NAME["confidence"], NOW, None) == Coverage(share=0.91, withheld=0.09)


def test_the_time_of_an_imported_reference_was_not_the_streams() -> None:
    panes = [(at, {"error": {0: 100}, "score": {3: 50}}) for at in (THEN[0], NOW[0])]
    assert coverage(history(*panes), 1, BY_NAME["score"], NOW, reference("imported")) == Coverage(share=0.5)


@pytest.mark.parametrize(
    ("signal", "counts"),
    [
        ("incorrect", {"incorrect": {1: 5}}),
        ("negative_feedback", {"error": {0: 3}, "negative_feedback": {1: 5}}),
        ("error", {"error": {0: 3, 1: 5}}),
    ],
    ids=["no answers", "ratings of earlier answers", "a signal of every request"],
)
def test_where_it_is_not_known_nothing_is_said(signal: str, counts: dict[str, dict[int, int]]) -> None:
    assert coverage(history((NOW[0], counts)), 1, BY_NAME[signal], NOW, reference()) is None
