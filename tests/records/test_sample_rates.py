"""A sampled log: one rate for all statuses changes no share; another one for some is said to break them."""

from typing import Any

import pytest
from record_building import CLOCK_MS, START_MS, Counted, Partition, batch, value

SENTENCE = (
    "chat-eu: sample_rate is 0.1 for ok and 1 for error records, so every rate of this stream is wrong: "
    "log all statuses at one rate"
)
OK: dict[str, Any] = {"sample_rate": 0.1}
FAILED = {"status": "error", "sample_rate": 1}


def counted(*panes: list[dict[str, Any]]) -> Counted:
    """One pane of records after the other, and one more that ends the last."""
    partition = Partition.make()
    values = [
        value(**({"ts": START_MS + 10_000 * i} | fields))
        for i, pane in enumerate([*panes, [OK]])
        for fields in pane
    ]
    partition.aggregator.add(batch(values), CLOCK_MS)
    return partition.counted()


def test_one_rate_for_all_counts_every_record_once() -> None:
    found = counted([OK, OK | {"status": "error"}])
    assert found.intake.notices == ()
    assert found.of("requests") == {0: 3}
    assert found.rate("error") == (1, 3)
    assert not found.dropped


def test_a_rate_that_differs_by_status_is_refused_with_one_sentence_and_the_records_count() -> None:
    found = counted([OK, OK, FAILED], [OK, FAILED])
    assert found.intake.notices == (SENTENCE,)
    assert found.dropped == {"sample_rate": 5}
    assert found.rate("error") == (2, 6)


def test_it_is_told_once_and_not_with_every_checkpoint() -> None:
    partition = Partition.make()
    notices = []
    for pane in range(4):
        values = [value(ts=START_MS + 10_000 * pane, **fields) for fields in (OK, FAILED)]
        partition.aggregator.add(batch(values, 2 * pane), CLOCK_MS)
        notices.append(partition.aggregator.take().notices)
    assert notices == [(), (SENTENCE,), (), ()]


@pytest.mark.parametrize(
    "panes",
    [
        [[OK, OK | {"status": "error"}], [{"sample_rate": 1}, FAILED]],
        [[OK, FAILED, {"sample_rate": 1}]],
        [[OK, {"status": "error"}]],
        [[OK, FAILED | {"fallback": True}]],
        [[OK, FAILED | {"type": "feedback"}]],
        [[OK, FAILED | {"model": "chat-us"}]],
    ],
    ids=["a change for all", "two producers", "no rate", "a fallback", "feedback", "another stream"],
)
def test_what_breaks_no_rate_is_not_refused(panes: list[list[dict[str, Any]]]) -> None:
    found = counted(*panes)
    assert found.intake.notices == ()
    assert not found.dropped


@pytest.mark.parametrize("wrong", [1.5, -0.1, "0.1", True])
def test_a_rate_that_is_none_is_dropped(wrong: Any) -> None:
    found = counted([{"sample_rate": wrong}])
    assert dict(found.dropped) == {"sample_rate": 1}
    assert found.of("requests") == {0: 2}
