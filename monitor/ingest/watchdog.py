"""Notices a partition that stands still though Kafka has more of it (hazards 9 and 10). Pure."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import Final

STUCK_S: Final = 30.0


@dataclass(slots=True)
class Watchdog:
    """Liveness by partition: an idle topic is not dead, and a live process may have one dead partition."""

    _moved: dict[Hashable, tuple[int, float]] = field(default_factory=dict)

    def stuck(self, partition: Hashable, position: int, end: int | None, now: float) -> bool:
        """Whether `partition` could have moved on for 30 s and has not; `now` is monotonic seconds."""
        last = self._moved.get(partition)
        if last is None or last[0] != position or end is None or position >= end:
            self._moved[partition] = (position, now)
            return False
        return now - last[1] >= STUCK_S

    def keep_only(self, partitions: Collection[Hashable]) -> None:
        """Forget all other partitions: they are held on purpose, or not ours."""
        self._moved = {p: seen for p, seen in self._moved.items() if p in partitions}
