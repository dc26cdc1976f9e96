"""Closed seconds of Kafka time, fed to the kill evidence in their order among panes."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from monitor.judge import killing
from monitor.judge.block import Labels, SlotBlock, slot_counts
from monitor.judge.kill import SERVING, Switches
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Decision, Trip
from monitor.records.delta import SLOT_MS, Slots


class KillSeconds:
    """Seconds that have closed and were not judged yet, the earliest first.

    A switch that they trip stays so, unless nothing is pulled: in a rehearsal, or a dry run of the rule or the switch.
    """

    def __init__(
        self,
        plan: Plan,
        labels: Labels,
        switches: Switches,
        closed: Iterable[tuple[int, Slots]],
        *,
        rehearsal: bool,
    ) -> None:
        self._plan, self._labels, self._switches = plan, labels, dict(switches)
        self._closed, self._rehearsal = deque(closed), rehearsal

    def judge(self, state: JudgeState, before_ms: float, decisions: list[Decision]) -> JudgeState:
        """Judge those that ended before some Kafka time."""
        while self._closed and (self._closed[0][0] + 1) * SLOT_MS < before_ms:
            slot, counted = self._closed.popleft()
            block = SlotBlock(slot, slot_counts(counted), self._labels)
            state, found = killing.kill_step(state, block, self._plan, self._switches)
            decisions += found
            for trip in (d for d in found if isinstance(d, Trip) and self._pulls(d)):
                key = (trip.switch, trip.value)
                self._switches[key] = replace(self._switches.get(key, SERVING), tripped=True, probing=False)
        return state

    def _pulls(self, trip: Trip) -> bool:
        watch = next(watch for watch in self._plan.kills if watch.key == trip.watch)
        return not (self._rehearsal or watch.rule.dry_run or watch.switches[trip.switch].dry_run)
