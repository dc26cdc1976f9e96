"""Where reading goes on once a partition is ours: the ledger's offset against what Kafka still has. Pure."""

from dataclasses import dataclass

from monitor.errors import TopicChanged
from monitor.records.delta import SkippedRange

OFFSETS_LOST = "offsets_lost"


@dataclass(frozen=True, slots=True)
class Placement:
    """`lost` are records that retention deleted before they were read (hazard 6); `went_back` is by how many
    offsets the ledger is behind what this process has committed (rule 7)."""

    offset: int
    lost: SkippedRange | None = None
    went_back: int = 0


def place(name: str, stored: int, begin: int, end: int, committed: int | None, now_ms: int) -> Placement:
    """Decide for one partition; `begin` and `end` are Kafka's, `committed` the most this process stored.

    Raises TopicChanged where the ledger is ahead of Kafka: the topic was truncated or made anew.
    """
    if stored > end:
        raise TopicChanged(
            f"{name} ends at offset {end}, but offsets up to {stored - 1} have been counted: the topic was "
            "truncated or made anew; start with --accept-new-topic if that is meant to be."
        )
    went_back = max(0, committed - stored) if committed is not None else 0
    if stored >= begin:
        return Placement(stored, None, went_back)
    n = begin - stored
    detail = f"deleted by the topic's retention before they were read: {n} offsets"
    return Placement(begin, SkippedRange(stored, begin - 1, n, OFFSETS_LOST, detail, now_ms), went_back)
