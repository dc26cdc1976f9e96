"""What becomes of a trip that is asked for. Pure: for the switches of a ledger and for those of a rule test."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final

from monitor.config.model import Guard, KillSwitch, SwitchKey
from monitor.ledger.facts import KillFacts, KillState
from monitor.ledger.wording import duration


class State(StrEnum):
    """What a service should do: serve, not serve, or let a share of its traffic through."""

    RELEASED = "released"
    TRIPPED = "tripped"
    PROBING = "probing"


class KillAction(StrEnum):
    """What a call did; all but `already` are actions of `kill_events`."""

    TRIPPED = "tripped"
    RELEASED = "released"
    PROBING = "probing"
    WOULD_TRIP = "would_trip"
    HELD_BY_GUARD = "held_by_guard"
    ALREADY = "already"


ONLY_SAID: Final[dict[KillAction, KillState]] = {
    KillAction.WOULD_TRIP: "would_trip",
    KillAction.HELD_BY_GUARD: "held_by_guard",
}
"""What leaves the switch as it is."""


def asked(
    switch: KillSwitch, now: State | None, *, by_rule: bool, dry_run: bool, others: Collection[SwitchKey]
) -> KillAction:
    """What a trip of `switch` comes to, whose state is `now`; `others` have been tripped by rules of late.

    A person who trips means it, also where the switch says `trip: dry_run`. A probe that fails is tripped again
    whatever the guard says: that much has been stopped before.
    """
    if now is State.TRIPPED:
        return KillAction.ALREADY
    if by_rule and (dry_run or switch.dry_run):
        return KillAction.WOULD_TRIP
    if by_rule and now is not State.PROBING and len(others) >= switch.guard.at_most:
        return KillAction.HELD_BY_GUARD
    return KillAction.TRIPPED


def others_of_late(
    tripped: Iterable[tuple[SwitchKey, int]], mine: SwitchKey, guard: Guard, at_ms: int
) -> set[SwitchKey]:
    """The switches but `mine` (of one with `per`: the values) that rules have tripped within `guard.within`.

    `tripped` are switches with the ms at which a rule tripped them.
    """
    return {key for key, tripped_ms in tripped if key != mine and tripped_ms > at_ms - guard.within_ms}


def value_in(switch: KillSwitch, stream: str) -> str:
    """Which state of `switch` a trip about `stream` is: with `per`, `stream` is the value of its labels."""
    return stream if switch.per else ""


def next_sequence(at_ms: int, last: int) -> int:
    """Higher than any of the switch before, also in a ledger that went back (rule 7)."""
    return max(at_ms, last + 1)


def is_said(last: tuple[str, str | None] | None, action: KillAction, incident_id: str) -> bool:
    """Whether the last event of a switch, (action, incident), says the same: each is said once an incident."""
    return last == (action.value, incident_id)


def said(
    switch: KillSwitch, action: KillAction, value: str, sequence: int, at_ms: int, actor: str, reason: str
) -> KillFacts:
    """What is told of a trip that a rule asked for and that was not done."""
    guard = switch.guard
    held = (
        f"The guard allows {guard.at_most} tripped within {duration(guard.within_ms)}; "
        "trip it by hand if it has to be"
    )
    return KillFacts(
        switch=switch.name,
        state=ONLY_SAID[action],
        mode=switch.mode,
        sequence=sequence,
        actor=actor,
        at_ms=at_ms,
        target=switch.target,
        reason=held if action is KillAction.HELD_BY_GUARD else reason,
        value=value,
    )
