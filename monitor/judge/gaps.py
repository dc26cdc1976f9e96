"""Panes without any record: closed one by one at first, then leapt over where they change nothing any more."""

from collections.abc import Iterator
from typing import Final

from monitor.judge.burning import LONGEST_OF_HOURS_MS
from monitor.judge.plan import Plan
from monitor.judge.traffic import STRETCH_PANES
from monitor.records.delta import PANE_MS

LONGEST_BLOCK_PANES: Final = 120
LEAP_PANES: Final = LONGEST_BLOCK_PANES
"""Blocks of every length begin again after so many panes: a leap of them leaves all blocks where they were."""


def closed_in(first: int, end: int, plan: Plan) -> Iterator[tuple[int, bool]]:
    """The panes of an empty stretch [first, end) that must be looked at, with whether the whole core must.

    Every one of the first `patience`; then, by whole leaps, only those that end ten minutes of traffic; every one of
    the rest. So the core comes to what it would have come to pane by pane, as the daemon does in a live gap.
    """
    leap_from = min(first + patience(plan), end) if _leaps(plan) else end
    leap_to = leap_from + (end - leap_from) // LEAP_PANES * LEAP_PANES
    yield from ((pane, True) for pane in range(first, leap_from))
    if plan.traffic:
        last_of_stretch = leap_from + -(leap_from + 1) % STRETCH_PANES
        yield from ((pane, False) for pane in range(last_of_stretch, leap_to, STRETCH_PANES))
    yield from ((pane, True) for pane in range(leap_to, end))


def _leaps(plan: Plan) -> bool:
    """Whether nothing begins in the middle of a gap: no hour of the week or of a rule, no wait of compared traffic."""
    hours = plan.by_hour or any(rule.during for rule in plan.rules.values())
    return not hours and not (plan.traffic and plan.waiting)


def patience(plan: Plan) -> int:
    """Empty panes until nothing moves: blocks and totals have run empty, silence is told, incidents are over."""
    rules = plan.rules.values()
    silence = max((rule.absent_ms or 0 for rule in rules), default=0)
    total = max((rule.total_ms or 0 for rule in rules), default=0)
    burnt = LONGEST_OF_HOURS_MS if plan.objectives else 0
    waits = max((rule.for_ms for rule in rules), default=0) + max(
        (rule.clear_for_ms for rule in rules), default=0
    )
    return max(2 * LONGEST_BLOCK_PANES, (max(silence, total, burnt) + waits) // PANE_MS + 2)
