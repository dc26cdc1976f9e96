"""Conditions of Tocsin itself that are worth an incident: behind, stuck, too much comes late. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from monitor.judge import watermark
from monitor.judge.memory import Memory
from monitor.judge.watermark import Partition

BEHIND_MS: Final = 120_000
CATCHING_UP_MS: Final = 60_000
MOVES_MS: Final = 10_000
HOLD_S: Final = watermark.MAX_HOLD_MS // 1000
LATE_SHARE: Final = 0.01
LATE_OVER: Final = 1_000


@dataclass(frozen=True, slots=True)
class Condition:
    """Something wrong with the monitor: `rule` and `key` say which incident it is."""

    rule: str
    key: str
    summary: str
    detail: str


def conditions(memory: Memory, topics: Mapping[str, str], lag: int) -> dict[tuple[str, str], Condition]:
    """All conditions that hold now, by (rule, key); `topics` names topic ids, `lag` counts records not read yet."""
    found = [*_stuck(memory, topics), *_behind(memory, topics, lag), *_late(memory)]
    return {(c.rule, c.key): c for c in found}


def _stuck(memory: Memory, topics: Mapping[str, str]) -> list[Condition]:
    """One a topic, however many partitions: a broker that is away stops them all."""
    now_ms, by_topic = memory.progress.now_ms, defaultdict[str, list[tuple[int, Partition]]](list)
    follow = {
        topics.get(topic_id, topic_id) for topic_id, pace in memory.progress.paces.items() if pace.follows
    }
    for (topic_id, number), partition in memory.progress.known.items():
        by_topic[topics.get(topic_id, topic_id)].append((number, partition))
    found = []
    for topic, parts in by_topic.items():
        if topic in follow and _waits(memory, now_ms):
            continue
        stuck = sorted(number for number, p in parts if p.stuck)
        moves = any(now_ms - p.advanced_ms <= MOVES_MS for _, p in parts)
        if stuck:
            some = _some_stand_still(topic, stuck)
            found.append(some if moves else _nothing_moves(topic, len(parts), topic in follow))
    return found


def _waits(memory: Memory, now_ms: int) -> bool:
    """Whether labels wait for predictions that are behind: these are told of."""
    return any(now_ms - p.caught_up_ms > CATCHING_UP_MS // 2 for p in memory.progress.leading.values())


def _nothing_moves(topic: str, partitions: int, follows: bool) -> Condition:
    meanwhile = (
        "Labels and ratings are missing meanwhile; all else goes on."
        if follows
        else "Silence is not told meanwhile, since nobody knows whether it is silent."
    )
    return Condition(
        "tocsin.stuck",
        topic,
        f"Tocsin cannot read {topic}: none of its {partitions} partitions moves",
        f"No progress for {HOLD_S} s though the end is not reached: does Kafka answer? `tocsin status` and /readyz say "
        f"what each replica sees. {meanwhile}",
    )


def _some_stand_still(topic: str, numbers: list[int]) -> Condition:
    named = ", ".join(map(str, numbers))
    several = len(numbers) > 1
    return Condition(
        "tocsin.stuck",
        topic,
        f"partitions {named} of {topic} stand still"
        if several
        else f"partition {named} of {topic} stands still",
        f"No progress for {HOLD_S} s though it is not idle: what stands still is left out of the watermark until it "
        "moves. Is its owner alive, and does the broker serve it?",
    )


def _behind(memory: Memory, topics: Mapping[str, str], lag: int) -> list[Condition]:
    """For a minute not caught up, and minutes of records still to come: what is decided is about the past.

    What stands still is told as such: how far behind it is nobody knows. Labels that come late hold nothing up.
    """
    progress = memory.progress
    moving = {key: p for key, p in progress.leading.items() if not p.stuck}
    slow = {
        key: p.mark
        for key, p in moving.items()
        if p.mark and progress.now_ms - p.caught_up_ms > CATCHING_UP_MS
    }
    times = [mark.max_kafka_ms for mark in slow.values() if mark.max_kafka_ms is not None]
    seconds = (progress.now_ms - min(times, default=progress.now_ms)) // 1000
    if seconds * 1000 <= BEHIND_MS:
        return []
    detail = (
        f"It is {seconds:,} s and {lag:,} records behind, and for a minute has not caught up: silence is not told, and "
        "old evidence never kills."
    )
    names = sorted({topics.get(topic_id, topic_id) for topic_id, _ in slow})
    several = len(set(topics.values())) > 1
    summary = f"Tocsin is behind in {', '.join(names)}" if several else "Tocsin is behind the topic"
    return [Condition("tocsin.behind", "all", summary, detail)]


def _late(memory: Memory) -> list[Condition]:
    n, late = (sum(r[i] for r in memory.recent) for i in (1, 2))
    if n < LATE_OVER or late <= LATE_SHARE * n:
        return []
    detail = f"{late} of the last {n} records came after their pane had closed: is a producer's clock off?"
    return [Condition("tocsin.late", "all", f"{late / n:.1%} of records come late", detail)]
