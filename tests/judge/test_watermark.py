"""Rule 3: what holds event time back, and what does not."""

from collections.abc import Mapping
from dataclasses import replace

from monitor.judge import watermark
from monitor.judge.watermark import Mark, Pace, Progress

A, B, LABELS, SLOW = ("t", 0), ("t", 1), ("labels", 0), ("slow", 0)
FOLLOWING = {"labels": Pace(3_000, follows=True)}
NOW = 1_000_000_000


def mark(clock: int = 0, event: int | None = 0, quiet_ms: int = 0, **more: object) -> Mark:
    """A caught-up checkpoint at `NOW + clock` whose largest event time is `NOW + event`."""
    base = Mark(
        clock_ms=NOW + clock,
        next_offset=10 + clock,
        max_event_ms=None if event is None else NOW + event,
        max_kafka_ms=None if event is None else NOW + event,
        last_record_ms=None if event is None else NOW + clock - quiet_ms,
        caught_up=True,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def after(
    *steps: dict[tuple[str, int], Mark],
    listed: tuple[tuple[str, int], ...] = (),
    paces: Mapping[str, Pace] | None = None,
) -> Progress:
    """Progress after several ticks, each consuming some checkpoints."""
    progress = Progress(3_000, paces=paces or {})
    for step in steps:
        since = progress.now_ms
        for key, one in step.items():
            progress = watermark.consumed(progress, key, one)
        progress = watermark.listed(progress, listed or tuple(progress.known))
        progress = watermark.advance(progress, since)
    return progress


def test_the_watermark_is_the_least_over_busy_partitions_less_lateness() -> None:
    assert after({A: mark(event=0), B: mark(event=-20_000)}).event_ms == NOW - 23_000


def test_it_never_goes_back() -> None:
    ahead = after({A: mark(event=0)}, {A: mark(clock=500, event=0), B: mark(clock=500, event=-60_000)})
    assert ahead.event_ms == NOW - 3_000


def test_rule_4_a_fast_clock_does_not_move_it_past_the_ingest_clock() -> None:
    assert after({A: mark(event=240_000)}).event_ms == NOW


def test_an_idle_partition_does_not_hold_the_others() -> None:
    story = after({A: mark(event=0), B: mark(event=-600_000, quiet_ms=2_000)})
    assert story.event_ms == NOW - 3_000


def test_labels_hold_nothing_back_and_a_long_past_of_theirs_is_not_the_present() -> None:
    story = after({A: mark(event=0), LABELS: mark(event=-90 * 86_400_000)}, paces=FOLLOWING)
    assert story.event_ms == NOW - 3_000
    assert watermark.complete(story)


def test_a_topic_of_labels_that_stands_still_takes_nothing_from_silence() -> None:
    reading = {A: mark(event=0), LABELS: mark(event=0, caught_up=False)}
    later = {A: mark(clock=61_000, event=61_000)}
    story = after(reading, later, listed=(A, LABELS), paces=FOLLOWING)
    assert story.known[LABELS].stuck
    assert watermark.complete(story)
    assert story.event_ms == NOW + 58_000


def test_with_nothing_but_labels_going_on_the_watermark_follows_the_clock() -> None:
    quiet = {"quiet_ms": 5_000, "event": 0}
    steps = [{A: mark(clock=t, **quiet), LABELS: mark(clock=t, event=t)} for t in (0, 1_000, 2_000)]
    assert after(*steps, paces=FOLLOWING).event_ms == NOW - 1_000


def test_each_topic_has_the_lateness_of_its_source() -> None:
    paces = {"t": Pace(3_000), "slow": Pace(60_000)}
    both = after({A: mark(event=0), SLOW: mark(event=0)}, paces=paces)
    assert both.event_ms == NOW - 60_000
    assert after({A: mark(event=0)}, paces=paces).event_ms == NOW - 3_000


def test_a_listed_partition_that_nobody_has_read_holds_everything_back() -> None:
    assert after({A: mark(event=0)}, listed=(A, B)).event_ms is None


def test_rule_11_partitions_of_a_topic_that_was_made_anew_are_gone() -> None:
    old = ("old", 0)
    waiting = [{A: mark(clock=s * 1_000, event=s * 1_000)} for s in range(62)]
    progress = after({old: mark(event=0)}, *waiting, listed=(A,))
    assert list(progress.known) == [A]
    assert progress.event_ms == NOW + 58_000


def test_it_is_stuck_after_a_minute_and_then_left_out() -> None:
    waiting = [{A: mark(clock=s * 1_000, event=s * 1_000)} for s in range(62)]
    held = after(*waiting[:60], listed=(A, B))
    assert held.event_ms is None
    let_go = after(*waiting, listed=(A, B))
    assert let_go.known[B].stuck
    assert let_go.event_ms == NOW + 61_000 - 3_000


def test_a_partition_whose_owner_died_with_a_backlog_holds_although_it_was_quiet() -> None:
    dead = mark(event=-50_000, quiet_ms=3_000, caught_up=False)
    story = after({A: mark(), B: dead}, {A: mark(clock=10_000, event=10_000)})
    assert story.event_ms == NOW - 53_000


def test_when_all_are_idle_it_follows_the_clock_second_by_second() -> None:
    idle = [{A: mark(clock=s * 1_000, event=0, last_record_ms=NOW)} for s in range(10)]
    story = after(*idle)
    assert story.idle
    assert story.event_ms == NOW - 3_000 + 7_000
    assert story.event_ms <= story.now_ms


def test_silence_means_silence_only_while_no_partition_is_left_out() -> None:
    assert watermark.complete(after({A: mark(), B: mark()}))
    assert watermark.complete(after({A: mark(), B: mark(caught_up=False)}))
    assert not watermark.complete(after({A: mark()}, listed=(A, B)))
    waiting = [{A: mark(clock=s * 1_000, event=s * 1_000)} for s in range(62)]
    stuck = after({A: mark(), B: mark(caught_up=False)}, *waiting)
    assert stuck.known[B].stuck
    assert not watermark.complete(stuck)


def test_a_kill_slot_closes_once_every_busy_partition_is_past_it() -> None:
    busy = after({A: mark(clock=300, event=100), B: mark(clock=300, event=200)})
    assert watermark.slots_closed(busy) == NOW // 1000


def test_a_kill_slot_closes_half_a_second_after_its_end_at_the_latest() -> None:
    slow = after({A: mark(event=-9_000), B: mark(event=-400)})
    assert watermark.slots_closed(slow) == (NOW - 500) // 1000
