"""A log file through production's own measuring and judging: no Kafka, no Postgres, virtual time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from monitor.cli.found import Found
from monitor.config.model import Config
from monitor.ingest.settings import measure_settings
from monitor.judge.history import MemoryHistory
from monitor.judge.memory import Advance, Consumed, Context, Memory, advance
from monitor.judge.plan import Plan, compile_plan
from monitor.judge.verdicts import Trip, Verdict
from monitor.judge.watermark import Mark, Progress
from monitor.records.aggregate import PartitionAggregator, RawBatch
from monitor.records.decode import stated_ms
from monitor.records.language import LanguageDetector
from monitor.records.lenient import Refused
from monitor.records.names import Names
from monitor.records.predictions import predictions_for
from monitor.records.sampling import LanguageSampler
from monitor.records.signals import WHOLE

KEY: Final = ("replay", 0)
CHUNK_RECORDS: Final = 5_000
CHUNK_SPAN_MS: Final = 5_000
LONGEST_BLOCK_MS: Final = 1_200_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file: its number from 0 is its offset, its `ts` its Kafka timestamp."""

    number: int
    ts_ms: int
    value: bytes


@dataclass(slots=True)
class Outcome:
    """What a replay came to; `skipped` counts lines by reason, `kills` holds what would have been tripped."""

    found: Found
    kills: list[Trip] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    counted: int = 0
    late: int = 0
    learning: dict[str, tuple[int, int]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def lines_of(raw: Iterable[bytes], skipped: Counter[str]) -> Iterator[Line]:
    """The lines that have a time; the others are counted by reason."""
    for number, value in enumerate(raw):
        text = value.strip()
        if not text:
            continue
        stated = stated_ms(text)
        if isinstance(stated, Refused):
            skipped[stated.reason] += 1
        else:
            yield Line(number, stated, text)


def chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Runs of lines that cover at most five seconds of the clock, as checkpoints would."""
    chunk: list[Line] = []
    begun = 0
    for line in lines:
        if chunk and (len(chunk) >= CHUNK_RECORDS or line.ts_ms - begun > CHUNK_SPAN_MS):
            yield chunk
            chunk = []
        if not chunk:
            begun = line.ts_ms
        chunk.append(line)
    if chunk:
        yield chunk


class Replay:
    """Feeds lines in file order; the clock is the largest `ts` so far."""

    def __init__(self, config: Config) -> None:
        settings = measure_settings(config)
        self._plan = compile_plan(config)
        self._names = Names(settings.by, settings.max_streams)
        self._history = MemoryHistory(_LocalNames(self._names))
        self._aggregator = PartitionAggregator(
            settings,
            self._names,
            LanguageSampler(LanguageDetector()),
            "replay",
            0,
            from_offset=0,
            max_event_ms=None,
            predictions=predictions_for(settings),
        )
        self._memory = Memory(Progress(self._plan.lateness_ms))
        self._clock_ms = 0
        self._slices: dict[int, str] = {}
        self.outcome = Outcome(Found(self._plan, self._history))

    def feed(self, chunk: Sequence[Line]) -> None:
        """Measure and judge some lines."""
        self._clock_ms = max(self._clock_ms, *(line.ts_ms for line in chunk))
        batch = RawBatch([x.number for x in chunk], [x.ts_ms for x in chunk], [x.value for x in chunk])
        self._aggregator.add(batch, self._clock_ms)
        intake = self._aggregator.take()
        self.outcome.counted += intake.counted
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
            self._advance(Consumed(KEY, mark, type(self._memory.open)()), deaf=True)
        self._note_learning()
        return self.outcome

    def _advance(self, consumed: Consumed, *, deaf: bool) -> None:
        if self._plan.sliced:
            fresh = np.unique(consumed.delta.cells.slice).tolist()
            self._slices |= {s: self._names.slice(s).field for s in fresh if s != WHOLE}
        labels = {code: dict(self._names.stream(code).labels) for code in self._seen(consumed)}
        context = Context(self._plan, labels, {}, deaf=deaf, slices=self._slices)
        moved = advance(self._memory, [consumed], [KEY], context)
        self._memory = moved.memory
        self._history.add(consumed.delta.cells, consumed.delta.versions)
        self._history.add(moved.sampled, type(consumed.delta.versions)())
        self._note(moved)

    def _seen(self, consumed: Consumed) -> set[int]:
        return set(consumed.delta.cells.stream.tolist()) | self._memory.core.streams.keys()

    def _note(self, moved: Advance) -> None:
        for decision in moved.decisions:
            if isinstance(decision, Trip):
                self.outcome.kills.append(decision)
            elif isinstance(decision, Verdict):
                self.outcome.found.add(decision)

    def _note_learning(self) -> None:
        plan: Plan = self._plan
        for code, stream in self._memory.core.streams.items():
            key = self._names.stream(code).key
            if stream.stage(plan.learn, plan.at_least_ms) != "watched":
                self.outcome.learning[key] = (stream.requests, plan.learn)
        self.outcome.late = self._memory.late


class _LocalNames:
    """Names of a replay's ids, which are the process's own codes."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def stream_key(self, stream: int) -> str:
        return self._names.stream(stream).key

    def labels(self, stream: int) -> Mapping[str, str]:
        return dict(self._names.stream(stream).labels)

    def category(self, stream: int, signal: int, category: int) -> str:
        return self._names.category(stream, signal, category)

    def slice(self, slice_id: int) -> tuple[str, str]:
        name = self._names.slice(slice_id)
        return name.field, name.value
