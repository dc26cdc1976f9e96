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
    found = [*_stuck(memory, topics), *_behind(memory, lag), *_late(memory)]
    return {(c.rule, c.key): c for c in found}


def _stuck(memory: Memory, topics: Mapping[str, str]) -> list[Condition]:
    """One a topic, however many partitions: a broker that is away stops them all."""
    now_ms, by_topic = memory.progress.now_ms, defaultdict[str, list[tuple[int, Partition]]](list)
    for (topic_id, number), partition in memory.progress.known.items():
        by_topic[topics.get(topic_id, topic_id)].append((number, partition))
    found = []
    for topic, parts in by_topic.items():
        stuck = sorted(number for number, p in parts if p.stuck)
        moves = any(now_ms - p.advanced_ms <= MOVES_MS for _, p in parts)
        if stuck:
            found.append(_some_stand_still(topic, stuck) if moves else _nothing_moves(topic, len(parts)))
    return found


def _nothing_moves(topic: str, partitions: int) -> Condition:
    return Condition(
        "tocsin.stuck",
        topic,
        f"Tocsin cannot read {topic}: none of its {partitions} partitions moves",
        f"No progress for {HOLD_S} s though the end is not reached: does Kafka answer? `tocsin status` and /readyz say "
        "what each replica sees. Silence is not told meanwhile, since nobody knows whether it is silent.",
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


def _behind(memory: Memory, lag: int) -> list[Condition]:
    """For a minute not caught up, and minutes of records still to come: what is decided is about the past.

    What stands still is told as such: how far behind it is nobody knows.
    """
    progress = memory.progress
    moving = [p for p in progress.known.values() if not p.stuck]
    slow = [p.mark for p in moving if progress.now_ms - p.caught_up_ms > CATCHING_UP_MS]
    times = [m.max_kafka_ms for m in slow if m is not None and m.max_kafka_ms is not None]
    seconds = (progress.now_ms - min(times, default=progress.now_ms)) // 1000
    if seconds * 1000 <= BEHIND_MS:
        return []
    detail = (
        f"It is {seconds:,} s and {lag:,} records behind, and for a minute has not caught up: silence is not told, and "
        "old evidence never kills."
    )
    return [Condition("tocsin.behind", "all", "Tocsin is behind the topic", detail)]


def _late(memory: Memory) -> list[Condition]:
    n, late = (sum(r[i] for r in memory.recent) for i in (1, 2))
    if n < LATE_OVER or late <= LATE_SHARE * n:
        return []
    detail = f"{late} of the last {n} records came after their pane had closed: is a producer's clock off?"
    return [Condition("tocsin.late", "all", f"{late / n:.1%} of records come late", detail)]
