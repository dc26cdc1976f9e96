"""Conditions of Tocsin itself that are worth an incident: behind, stuck, too much comes late. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from monitor.judge import watermark
from monitor.judge.memory import Memory
from monitor.judge.watermark import PartitionKey

BEHIND_MS: Final = 120_000
CATCHING_UP_MS: Final = 60_000
LATE_SHARE: Final = 0.01
LATE_OVER: Final = 1_000


@dataclass(frozen=True, slots=True)
class Condition:
    """Something wrong with the monitor: `rule` and `key` say which incident it is."""

    rule: str
    key: str
    summary: str
    detail: str


def conditions(memory: Memory, topics: Mapping[str, str]) -> dict[tuple[str, str], Condition]:
    """All conditions that hold now, by (rule, key); `topics` names topic ids."""
    found = [*_stuck(memory, topics), *_behind(memory), *_late(memory)]
    return {(c.rule, c.key): c for c in found}


def _stuck(memory: Memory, topics: Mapping[str, str]) -> list[Condition]:
    known = memory.progress.known
    return [_stuck_condition(key, topics) for key, p in known.items() if p.stuck]


def _stuck_condition(key: PartitionKey, topics: Mapping[str, str]) -> Condition:
    topic = topics.get(key[0], key[0])
    return Condition(
        "tocsin.stuck",
        f"{topic}/{key[1]}",
        f"partition {key[1]} of {topic} stands still",
        f"No progress for {watermark.MAX_HOLD_MS // 1000} s though it is not idle: it is left out of the "
        "watermark until it moves. Is its owner alive, and does the broker serve it?",
    )


def _behind(memory: Memory) -> list[Condition]:
    """For a minute not caught up, and minutes of records still to come: what is decided is about the past."""
    progress = memory.progress
    slow = [p.mark for p in progress.known.values() if progress.now_ms - p.caught_up_ms > CATCHING_UP_MS]
    times = [m.max_kafka_ms for m in slow if m is not None and m.max_kafka_ms is not None]
    seconds = (progress.now_ms - min(times, default=progress.now_ms)) // 1000
    if seconds * 1000 <= BEHIND_MS:
        return []
    detail = f"It is {seconds} s behind and not catching up: silence is not reported, and old evidence never kills."
    return [Condition("tocsin.behind", "all", "Tocsin is behind the topic", detail)]


def _late(memory: Memory) -> list[Condition]:
    n, late = (sum(r[i] for r in memory.recent) for i in (1, 2))
    if n < LATE_OVER or late <= LATE_SHARE * n:
        return []
    detail = f"{late} of the last {n} records came after their pane had closed: is a producer's clock off?"
    return [Condition("tocsin.late", "all", f"{late / n:.1%} of records come late", detail)]
