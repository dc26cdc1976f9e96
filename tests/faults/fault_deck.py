"""What goes wrong and when, from a seed: the same seed gives the same faults at the same times."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from fault_wire import Manner

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
    WIRE = "wire"
    TRANSACTION = "transaction"
    CLOCK = "clock"
    CORRUPT = "corrupt"
    SNAPSHOT = "snapshot"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, `at_s` seconds after the start of the run.

    `luck`, in [0, 1), chooses the victim; `lasts_s` is how long a process is frozen, or something is away or
    wrong; `hard` is one of two ways, such as a server killed rather than stopped; `step` is a crash point, or how
    a wire behaves; `replicas` is how many processes there are to be.
    """

    at_s: float
    kind: Kind
    luck: float
    lasts_s: float = 0.0
    hard: bool = False
    step: str = ""
    replicas: int = 0


# One deck has every kind and every crash point; a long run goes through several.
KILLS: Final = 34
EVERY_S: Final = 4.0
SCALES: Final = (4, 1, 3, 2)
# In seconds; what is not here lasts up to `LASTS_S`.
LASTS_S: Final = (0.0, 6.0)
LASTS_BY_KIND: Final = {
    Kind.STOP: (8.0, 14.0),
    Kind.WIRE: (3.0, 12.0),
    Kind.TRANSACTION: (1.0, 8.0),
    Kind.CLOCK: (10.0, 30.0),
    Kind.SNAPSHOT: (15.0, 40.0),
}


def faults(seed: int, lasts_s: float, every_s: float, only: Collection[str] = ()) -> list[Fault]:
    """All faults of a run of `lasts_s` seconds, one about `every_s` seconds, in order of time.

    `only` these kinds or steps: nothing else goes wrong.
    """
    rng = Random(f"faults/{seed}")
    found, at_s = [], 0.0
    for kind, step, replicas in _cards(rng, only):
        at_s += rng.uniform(0.05, 1.95) * every_s
        if at_s >= lasts_s:
            return found
        lasts = rng.uniform(*LASTS_BY_KIND.get(kind, LASTS_S))
        found.append(Fault(at_s, kind, rng.random(), lasts, rng.random() < 0.5, step, replicas))
    return found


def _cards(rng: Random, only: Collection[str]) -> Iterator[tuple[Kind, str, int]]:
    scales = 0
    deck = [card for card in _deck() if not only or card[0] in only or card[1] in only]
    while True:
        rng.shuffle(deck)
        for kind, step in deck:
            replicas = 0
            if kind is Kind.SCALE:
                replicas, scales = SCALES[scales % len(SCALES)], scales + 1
            yield kind, step, replicas


def _deck() -> list[tuple[Kind, str]]:
    plain = {
        Kind.KILL: KILLS,
        Kind.STOP: 3,
        Kind.TERMINATE: 3,
        Kind.POSTGRES: 2,
        Kind.KAFKA: 1,
        Kind.PARTITION: 1,
        Kind.SCALE: 2,
        Kind.TRANSACTION: 3,
        Kind.CLOCK: 2,
        Kind.CORRUPT: 1,
        Kind.SNAPSHOT: 1,
        Kind.DISK: 1,
    }
    deck = [(kind, "") for kind, n in plain.items() for _ in range(n)]
    deck += [(kind, step) for kind in (Kind.CRASH, Kind.STOP_AT) for step in STEPS]
    return deck + [
        (Kind.WIRE, manner) for manner in (Manner.SLOW, Manner.BLACK, Manner.CUT) for _ in range(3)
    ]
