"""Which samples are to be reviewed next."""

from datetime import timedelta

import pytest
from ledger_rows import T0, Rows

from monitor.ledger.reviewing import Mark, mark_samples
from monitor.ledger.samples import Wanted, queue, some
from monitor.ledger.tables import ensure_partitions


@pytest.fixture
def kept(rows: Rows) -> Rows:
    """s0 to s5 of `chat-eu` and, odd ones, of `b`; later ones were kept later."""
    ensure_partitions(rows.ledger)
    for i in range(6):
        rows.add(
            "sample", topic_id="t", topic="p", partition=0, kafka_offset=i, why="error" if i < 3 else "share",
            stream_id=1 + i % 2, at=T0 + timedelta(minutes=i), record="{}", sample_id=f"s{i}",
            incident_id="k3v9q2m7ab" if i == 2 else None,
        )  # fmt: skip
    return rows


def ids(rows: Rows, most: int = 10, **wanted: object) -> list[str]:
    with rows.ledger.begin() as conn:
        return queue(conn, Wanted(**wanted), most)  # type: ignore[arg-type]


def test_the_newest_unmarked_come_first_and_then_those_marked_last(kept: Rows) -> None:
    for name in ("s4", "s5", "s1"):
        mark_samples(kept.ledger, [name], Mark("good", "", "ada"))
    assert ids(kept) == ["s3", "s2", "s0", "s1", "s5", "s4"]
    assert ids(kept, 4) == ["s3", "s2", "s0", "s1"]
    assert (ids(kept, marked=False), ids(kept, marked=True)) == (["s3", "s2", "s0"], ["s1", "s5", "s4"])


def test_they_are_those_that_are_asked_for(kept: Rows) -> None:
    assert ids(kept, stream="b") == ["s5", "s3", "s1"]
    assert ids(kept, why="error", stream="chat-eu") == ["s2", "s0"]
    assert ids(kept, incident="k3v9q2m7ab") == ["s2"]
    assert ids(kept, stream="none") == []


def test_a_sample_has_the_newest_of_its_marks(kept: Rows) -> None:
    for verdict in ("bad", "good"):
        mark_samples(kept.ledger, ["s0"], Mark(verdict, f"it is {verdict}", "ada"))
    with kept.ledger.begin() as conn:
        found = some(conn, ["s5", "gone", "s0"])
    assert [(row.sample_id, row.mark, row.note, row.stream) for row in found] == [
        ("s5", None, None, "b"),
        ("s0", "good", "it is good", "chat-eu"),
    ]
