"""What Tocsin says of itself, from the judge's memory alone."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from monitor.judge import health, watermark
from monitor.judge.memory import Memory
from monitor.judge.watermark import Mark, Pace, PartitionKey, Progress

START_MS = 1_800_000_000_000
MINUTE = 60_000
TOPICS = {"id": "predictions", "other": "labels"}


def mark(at_ms: int, offset: int, *, caught_up: bool = True, newest_ms: int | None = None) -> Mark:
    newest_ms = at_ms if newest_ms is None else newest_ms
    return Mark(at_ms, offset, newest_ms, newest_ms, at_ms, caught_up)


def after(steps: Mapping[PartitionKey, tuple[Mark, ...]]) -> Memory:
    """The memory once every partition's marks were consumed, those of one moment together."""
    progress = watermark.listed(Progress(1_000, now_ms=START_MS), steps)
    for moment in zip(*steps.values(), strict=True):
        before = progress.now_ms
        for key, each in zip(steps, moment, strict=True):
            progress = watermark.consumed(progress, key, each)
        progress = watermark.advance(progress, before)
    return Memory(progress)


def moving(minutes: int = 2) -> tuple[Mark, ...]:
    return tuple(mark(START_MS + i * MINUTE, i) for i in range(minutes + 1))


def standing(minutes: int = 2) -> tuple[Mark, ...]:
    return tuple(replace(m, next_offset=0, caught_up=False) for m in moving(minutes))


def said(memory: Memory, lag: int = 0) -> dict[tuple[str, str], str]:
    return {key: c.summary for key, c in health.conditions(memory, TOPICS, lag).items()}


def test_nothing_is_said_while_all_partitions_move():
    assert said(after({("id", 0): moving(), ("id", 1): moving()})) == {}


def test_a_partition_that_stands_still_while_others_move_is_named():
    memory = after({("id", 0): moving(), ("id", 1): standing(), ("id", 2): moving()})
    assert said(memory) == {("tocsin.stuck", "predictions"): "partition 1 of predictions stands still"}


def test_several_of_a_topic_are_one_incident():
    memory = after({("id", n): standing() if n else moving() for n in range(4)})
    assert said(memory) == {("tocsin.stuck", "predictions"): "partitions 1, 2, 3 of predictions stand still"}


def test_a_broker_that_is_away_is_one_incident_a_topic_and_says_why_silence_is_not_told():
    memory = after({("id", 0): standing(9), ("id", 1): standing(9), ("other", 0): moving(9)})
    ((_, condition),) = health.conditions(memory, TOPICS, 0).items()
    assert condition.summary == "Tocsin cannot read predictions: none of its 2 partitions moves"
    assert "does Kafka answer?" in condition.detail
    assert "Silence is not told meanwhile" in condition.detail


def test_falling_behind_is_told_in_seconds_and_records():
    late = tuple(mark(START_MS + i * MINUTE, i, caught_up=False, newest_ms=START_MS) for i in range(4))
    ((key, condition),) = health.conditions(after({("id", 0): late}), TOPICS, 1_234_567).items()
    assert key == ("tocsin.behind", "all")
    assert "180 s and 1,234,567 records behind" in condition.detail


@pytest.mark.parametrize("minutes", [0, 1])
def test_a_backlog_of_a_minute_or_two_is_no_news(minutes: int):
    late = tuple(mark(START_MS + i * MINUTE, i, caught_up=False) for i in range(minutes + 1))
    assert said(after({("id", 0): late})) == {}


def test_labels_that_cannot_be_read_say_what_is_missing():
    memory = following(after({("id", 0): moving(9), ("other", 0): standing(9)}))
    (condition,) = health.conditions(memory, TOPICS, 0).values()
    assert condition.summary == "Tocsin cannot read labels: none of its 1 partitions moves"
    assert condition.detail.endswith("Labels and ratings are missing meanwhile; all else goes on.")


def test_labels_far_behind_are_no_news_and_of_several_topics_the_one_behind_is_named():
    behind = tuple(
        mark(m.clock_ms, m.next_offset, caught_up=False, newest_ms=START_MS - 9 * MINUTE) for m in moving(9)
    )
    assert said(following(after({("id", 0): moving(9), ("other", 0): behind}))) == {}
    memory = after({("id", 0): behind, ("other", 0): moving(9)})
    assert said(memory) == {("tocsin.behind", "all"): "Tocsin is behind in predictions"}


def following(memory: Memory) -> Memory:
    progress = replace(memory.progress, paces={"other": Pace(1_000, follows=True)})
    return Memory(watermark.advance(progress, progress.now_ms))
