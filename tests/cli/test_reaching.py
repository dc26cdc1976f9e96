"""How much a reference should learn: a third of a log, or what a live topic comes to within a week."""

import pytest

from monitor.cli.reaching import DAY_MS, Learning, reached_by, reached_live


@pytest.mark.parametrize(
    ("records", "lasted_ms", "learning"),
    [
        (1_200, 900_000, Learning(400, 300_000)),
        (60_000, 10 * DAY_MS, Learning(10_000, DAY_MS)),
        (5, 900_000, Learning(100, 300_000)),
    ],
)
def test_a_log_learns_a_third_of_itself(records: int, lasted_ms: float, learning: Learning) -> None:
    assert reached_by(records, lasted_ms) == learning


@pytest.mark.parametrize(
    ("records", "lasted_ms", "learn"),
    [
        (3_000, 60_000, 10_000),
        (3_000, 3 * DAY_MS, 6_000),
        (3, 7 * DAY_MS, 100),
        (3, 0, 10_000),
    ],
)
def test_a_live_topic_learns_a_day_or_more_and_no_longer_than_a_week_where_it_can(
    records: int, lasted_ms: float, learn: int
) -> None:
    assert reached_live(records, lasted_ms) == Learning(learn, DAY_MS)
