"""A log file through production's own measuring and judging: no Kafka, no Postgres, virtual time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np

from monitor.cli.admitted import LocalIds, LocalNames
from monitor.cli.found import Found
from monitor.cli.lines import Lines
from monitor.config.model import Config, Source
from monitor.ingest.settings import measure_settings
from monitor.judge.block import Labels
from monitor.judge.compiling import compile_plan
from monitor.judge.describe import Watched
from monitor.judge.history import MemoryHistory
from monitor.judge.memory import Advance, Consumed, Context, Memory, advance
from monitor.judge.plan import Plan
from monitor.judge.reference import Stage
from monitor.judge.verdicts import Trip, Verdict
from monitor.judge.watermark import Mark, Progress
from monitor.ledger.admission import Admission, named_in, translate
from monitor.records.aggregate import PartitionAggregator, RawBatch
from monitor.records.delta import I64, SLOT_MS, Delta, Versions
from monitor.records.language import LanguageDetector
from monitor.records.names import Names
from monitor.records.predictions import predictions_for
from monitor.records.sampling import LanguageSampler
from monitor.records.signals import BY_NAME, WHOLE

KEY: Final = ("replay", 0)
REQUESTS: Final = BY_NAME["requests"].code
LONGEST_BLOCK_MS: Final = 1_200_000
ANSWERS: Final = {BY_NAME["error"].code, BY_NAME["abstained"].code}


@dataclass(frozen=True, slots=True)
class Learning:
    """How far a stream's references have come: predictions, and ms of event time, each with what is needed."""

    provisional: bool
    requests: int
    learn: int
    lasted_ms: int
    at_least_ms: int


@dataclass(slots=True)
class Outcome:
    """What a replay came to: of `counted` lines, `requests` are predictions (a line may have several).

    `skipped` counts lines by reason, `kills` holds what would have been tripped.

    `learning` is of streams that are not watched yet, `watched` counts the others; `unseen` are the rules whose signals
    no record had. `newest_ms` is the latest event time.
    """

    found: Found
    kills: list[Trip] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    counted: int = 0
    requests: int = 0
    ignored: int = 0
    late: int = 0
    learning: dict[str, Learning] = field(default_factory=dict)
    watched: int = 0
    unseen: tuple[str, ...] = ()
    newest_ms: int = 0
    notices: list[str] = field(default_factory=list)


class Replay:
    """Feeds lines in file order, as messages of `source`, or of the first; the clock is the largest `ts` so far."""

    def __init__(self, config: Config, source: Source | None = None) -> None:
        source = source or config.source
        settings = measure_settings(config, source)
        self._plan = compile_plan(config)
        self._codes = Names(settings.by, settings.max_streams)
        always = named_in(rule.match for rule in config.rules)
        ids = LocalIds()
        self._admission = Admission(ids, maximum=config.streams.max, always=always)
        self._names = LocalNames(ids, self._admission.shelf)
        self._history = MemoryHistory(self._names, _described_signals(self._plan))
        self._aggregator = PartitionAggregator(
            settings,
            self._codes,
            LanguageSampler(LanguageDetector()),
            source.topics[0],
            0,
            from_offset=0,
            max_event_ms=None,
            predictions=predictions_for(settings),
        )
        self._memory = Memory(Progress(source.lateness_ms))
        self._clock_ms = 0
        self._slices: dict[int, str] = {}
        self._signals: set[int] = set()
        self.outcome = Outcome(Found(self._plan, self._history))

    def feed(self, lines: Lines) -> None:
        """Measure and judge some lines."""
        for batch, clock_ms in self._batches(lines):
            self._aggregator.add(batch, clock_ms)
        self._clock_ms = self.outcome.newest_ms = max(self._clock_ms, int(lines.ts_ms.max()))
        intake = self._aggregator.take()
        if intake.counted:
            intake = translate(intake, self._codes, self._admission)
        self.outcome.counted += intake.counted - intake.ignored
        self.outcome.ignored += intake.ignored
        self.outcome.notices += intake.notices
        for skipped in intake.skipped:
            self.outcome.skipped[skipped.reason] += skipped.count
        mark = Mark(
            clock_ms=self._clock_ms,
            next_offset=intake.next_offset,
            max_event_ms=intake.max_event_ms,
            max_kafka_ms=intake.max_kafka_ms,
            last_record_ms=self._clock_ms,
            caught_up=True,
        )
        self._advance(Consumed(KEY, mark, intake.delta), deaf=False)

    def finish(self) -> Outcome:
        """Close every block that has begun; the end of the file is no silence."""
        last = self._memory.progress.known.get(KEY)
        if last is None or last.mark is None:
            return self.outcome
        for step in (0, LONGEST_BLOCK_MS):
            clock_ms = self._clock_ms + 3_000 + step
            mark = replace(last.mark, clock_ms=clock_ms, last_record_ms=self._clock_ms)
            self._advance(Consumed(KEY, mark, Delta()), deaf=True)
        self._sum_up()
        return self.outcome

    def _advance(self, consumed: Consumed, *, deaf: bool) -> None:
        cells = consumed.delta.cells
        self.outcome.requests += int(cells.count[(cells.signal == REQUESTS) & (cells.slice == WHOLE)].sum())
        if self._plan.sliced:
            fresh = np.unique(consumed.delta.cells.slice).tolist()
            self._slices |= {s: self._names.slice(s)[0] for s in fresh if s != WHOLE}
        labels = {code: self._names.labels(code) for code in self._seen(consumed)}
        moved = advance(self._memory, [consumed], [KEY], self._context(labels, deaf=deaf))
        self._memory = moved.memory
        self._history.add(consumed.delta.cells, consumed.delta.versions)
        self._history.add(moved.sampled, Versions())
        self._signals.update(
            np.unique(consumed.delta.cells.signal).tolist(), np.unique(moved.sampled.signal).tolist()
        )
        self._note(moved)

    def _context(self, labels: Labels, *, deaf: bool) -> Context:
        """What the core is told of the world: here no switch is ever tripped."""
        return Context(self._plan, labels, {}, deaf=deaf, rehearsal=True, slices=self._slices)

    def _batches(self, lines: Lines) -> Iterator[tuple[RawBatch, int]]:
        """The lines with the clock at their arrival: second by second where a kill asks how fresh a record is."""
        clocks_ms = np.maximum(np.maximum.accumulate(lines.ts_ms), self._clock_ms)
        cuts: I64 = (
            np.flatnonzero(np.diff(clocks_ms // SLOT_MS)) + 1 if self._plan.kills else np.empty(0, np.int64)
        )
        bounds = [0, *(int(cut) for cut in cuts), len(lines.values)]
        for first, end in pairwise(bounds):
            part = slice(first, end)
            numbers, times = lines.numbers[part].tolist(), lines.ts_ms[part].tolist()
            batch = RawBatch(numbers, times, lines.values[part], headers=lines.headers[part])
            yield batch, int(clocks_ms[end - 1])

    def _seen(self, consumed: Consumed) -> set[int]:
        """The streams that are judged now: of what comes, of what is open, and those known."""
        waiting = self._memory.open
        tables = (consumed.delta.cells, consumed.delta.slots, waiting.cells, waiting.slots)
        return self._memory.core.streams.keys() | {s for t in tables for s in np.unique(t.stream).tolist()}

    def _note(self, moved: Advance) -> None:
        for decision in moved.decisions:
            if isinstance(decision, Trip):
                self.outcome.kills.append(decision)
            elif isinstance(decision, Verdict):
                self.outcome.found.add(decision)

    def _sum_up(self) -> None:
        plan, core = self._plan, self._memory.core
        for code, stream in core.streams.items():
            stage = stream.stage(plan.learn, plan.at_least_ms)
            if stage is not Stage.WATCHED:
                self.outcome.learning[self._names.stream_key(code)] = Learning(
                    provisional=stage is Stage.PROVISIONAL,
                    requests=stream.requests,
                    learn=plan.learn,
                    lasted_ms=stream.last_ms - stream.first_ms,
                    at_least_ms=plan.at_least_ms,
                )
        self.outcome.watched = len(core.streams) - len(self.outcome.learning)
        self.outcome.late = self._memory.late
        asked = _signals_by_rule(plan)
        self.outcome.unseen = tuple(rule for rule, codes in asked.items() if not codes & self._signals)


def _described_signals(plan: Plan) -> set[int]:
    """What incidents are described from: the signals of the rules, and of how many answers they speak."""
    return ANSWERS.union(*_signals_by_rule(plan).values())


def _signals_by_rule(plan: Plan) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    watched: list[Watched] = [*plan.watches, *plan.windows, *plan.traffic, *plan.totals, *plan.objectives]
    for watch in watched:
        found.setdefault(watch.rule.name, set()).add(watch.signal.code)
    return found
