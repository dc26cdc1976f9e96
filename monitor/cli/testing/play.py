"""One test in virtual time: its records through production's measuring and judging, with switches that trip."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from monitor.cli.lines import Lines
from monitor.cli.replayer import KEY, Replay
from monitor.cli.testing import learned, traffic
from monitor.cli.testing.desk import Desk
from monitor.cli.testing.story import Story
from monitor.cli.testing.suite import Case
from monitor.config.model import Config
from monitor.judge.block import Labels
from monitor.judge.memory import Advance, Consumed, Context
from monitor.judge.watermark import IDLE_QUIET_MS, Mark
from monitor.records.delta import Cells, Delta

STEP_MS: Final = 60_000
"""So often the judge looks, and tells what is due by the clock."""
KILLING_STEP_MS: Final = 10_000
"""As often as a pane closes where a rule can kill: what a trip pauses and whom it tells depends on the order."""
MOST_LINES: Final = 5_000


def played(case: Case, config: Config) -> tuple[Story, int]:
    """What happens in a test, and the ms at which it starts."""
    config = config.of_records()
    drawn = traffic.drawn(case, config)
    play = _Play(config, traffic.known(case, config, drawn.start_ms))
    for part in _steps(drawn.records, play.step_ms) if drawn.records is not None else ():
        play.feed(part)
    last_ms = max([drawn.end_ms, *(drawn.start_ms + e.at_ms for e in case.expected)])
    play.wait(last_ms + config.source.lateness_ms + STEP_MS)
    return play.story, drawn.start_ms


def _steps(records: Lines, step_ms: int) -> Iterator[Lines]:
    step = records.ts_ms // step_ms
    cuts = np.flatnonzero(np.diff(step)) + 1
    bounds = [0]
    for cut in [*cuts.tolist(), len(step)]:
        bounds += range(bounds[-1] + MOST_LINES, cut, MOST_LINES)
        bounds.append(cut)
    for first, end in pairwise(bounds):
        part = slice(first, end)
        yield Lines(records.numbers[part], records.ts_ms[part], records.values[part])


class _Play(Replay):
    """A replay that knows what was learned before, hears silence, and obeys its switches."""

    def __init__(self, config: Config, before: Lines | None) -> None:
        super().__init__(config)
        self.story = Story()
        self.step_ms = KILLING_STEP_MS if self._plan.kills else STEP_MS
        self._desk = Desk(config, self._plan, self._history, self.story)
        known = learned.known(before, config, self._plan, self._codes, self._admission)
        self._given = known.references
        self._history.add(Cells(), known.versions)
        core = replace(self._memory.core, streams=known.streams, weeks=known.weeks)
        self._memory = replace(self._memory, core=core)

    def wait(self, until_ms: int) -> None:
        """Let time pass without records: first the partition is idle, then the watermark follows the clock."""
        last = self._memory.progress.known.get(KEY)
        if last is None or last.mark is None:
            return
        quiet_ms = self._clock_ms + IDLE_QUIET_MS
        for clock_ms in [quiet_ms, *range(quiet_ms + self.step_ms, until_ms, self.step_ms), until_ms]:
            self._advance(Consumed(KEY, self._idle(last.mark, clock_ms), Delta()), deaf=False)

    def _idle(self, mark: Mark, clock_ms: int) -> Mark:
        return replace(mark, clock_ms=clock_ms, last_record_ms=self._clock_ms)

    def _context(self, labels: Labels, *, deaf: bool) -> Context:
        given, self._given = self._given, ()
        plain = super()._context(labels, deaf=deaf)
        return replace(plain, switches=self._desk.switches(), paused=self._desk.paused(labels), given=given)

    def _note(self, moved: Advance) -> None:
        self._desk.take(moved.decisions)
        self._desk.remind(moved.memory.progress.event_ms or 0)
