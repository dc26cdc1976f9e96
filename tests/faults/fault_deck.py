"""What goes wrong and when, from a seed: the same seed gives the same faults at the same times."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from monitor.crash_points import STEPS


class Kind(StrEnum):
    """What a fault does; `CRASH` and `KILL` are SIGKILLs, all else are other faults."""

    KILL = "kill"
    CRASH = "crash"
    STOP = "stop"
    STOP_AT = "stop_at"
    TERMINATE = "terminate"
    POSTGRES = "postgres"
    KAFKA = "kafka"
    SCALE = "scale"
    PARTITION = "partition"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, `at_s` seconds after the start of the run.

    `luck`, in [0, 1), chooses the victim; `lasts_s` is how long a process is frozen or a server is away;
    `hard` says whether a server is killed rather than stopped; `step` is a crash point, `replicas` how many
    processes there are to be.
    """

    at_s: float
    kind: Kind
    luck: float
    lasts_s: float = 0.0
    hard: bool = False
    step: str = ""
    replicas: int = 0


# One deck has every kind and every crash point; a long run goes through several.
KILLS: Final = 18
EVERY_S: Final = 6.0
SCALES: Final = (1, 3, 2, 3)
LONGEST_FREEZE_S: Final = 14.0
SHORTEST_FREEZE_S: Final = 8.0


def faults(seed: int, lasts_s: float, every_s: float, only: Collection[str] = ()) -> list[Fault]:
    """All faults of a run of `lasts_s` seconds, one about `every_s` seconds, in order of time.

    `only` these steps: nothing else goes wrong.
    """
    rng = Random(f"faults/{seed}")
    found, at_s = [], 0.0
    for kind, step, replicas in _cards(rng, only):
        at_s += rng.uniform(0.05, 1.95) * every_s
        if at_s >= lasts_s:
            return found
        lasts = (
            rng.uniform(SHORTEST_FREEZE_S, LONGEST_FREEZE_S) if kind is Kind.STOP else rng.uniform(0.0, 6.0)
        )
        found.append(Fault(at_s, kind, rng.random(), lasts, rng.random() < 0.5, step, replicas))
    return found


def _cards(rng: Random, only: Collection[str]) -> Iterator[tuple[Kind, str, int]]:
    scales = 0
    while True:
        deck = [(Kind.KILL, "")] * KILLS + [(Kind.CRASH, step) for step in STEPS]
        deck += [(Kind.STOP_AT, step) for step in STEPS]
        deck += [(Kind.STOP, "")] * 3 + [(Kind.TERMINATE, "")] * 3 + [(Kind.POSTGRES, "")] * 2
        deck += [(Kind.KAFKA, ""), (Kind.PARTITION, "")] + [(Kind.SCALE, "")] * 2
        deck = [card for card in deck if not only or card[1] in only]
        rng.shuffle(deck)
        for kind, step in deck:
            replicas = 0
            if kind is Kind.SCALE:
                replicas, scales = SCALES[scales % len(SCALES)], scales + 1
            yield kind, step, replicas
