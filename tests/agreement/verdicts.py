"""What a way of judging comes to, as values that can be compared; and two of the ways, a replay and a backtest."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Final

import numpy as np
from sqlalchemy import Connection, Engine, text

from monitor.cli import past
from monitor.cli.lines import Lines, read, times_of
from monitor.cli.replayer import KEY, Replay
from monitor.config.model import Config
from monitor.judge.compiling import compile_plan
from monitor.judge.memory import Advance, Consumed
from monitor.judge.verdicts import Decision, Trip, Verdict
from monitor.records.delta import Delta

QUIET_MS: Final = 3_000
"""After so long without a record a partition is idle, and every second of kills has closed."""

Name = Callable[[int], str]


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """One move of one incident; `part` is the slice it is about, "" for the whole stream."""

    detected_ms: int
    rule: str
    stream: str
    part: str
    signal: str
    what: str
    severity: str
    onset_ms: int
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class Kill:
    """One trip of a switch, with the evidence behind it."""

    detected_ms: int
    switch: str
    value: str
    rule: str
    stream: str
    onset_ms: int
    k: float
    n: float
    m: float


@dataclass(frozen=True, slots=True)
class Names:
    """How a way of judging calls its streams and slices."""

    stream: Name
    part: Name


@dataclass(frozen=True, slots=True)
class Verdicts:
    """All moves and kills, in an order that does not depend on what was judged together."""

    moves: tuple[Move, ...]
    kills: tuple[Kill, ...]

    def of_panes(self, config: Config) -> "Verdicts":
        """Those of rules that rest on panes alone."""
        seconds = {rule.name for rule in config.rules if rule.window_ms is not None or rule.kill}
        return Verdicts(tuple(move for move in self.moves if move.rule not in seconds), ())


def verdicts(decisions: Iterable[Decision], names: Names) -> Verdicts:
    """What is compared of decisions."""
    told = list(decisions)
    moves = [_move(decision, names) for decision in told if isinstance(decision, Verdict)]
    kills = [_kill(decision, names) for decision in told if isinstance(decision, Trip)]
    return Verdicts(tuple(sorted(moves)), tuple(sorted(kills)))


def _move(v: Verdict, names: Names) -> Move:
    stream, part = names.stream(v.stream), names.part(v.slice_id) if v.slice_id else ""
    severity, signal = str(v.severity), v.signal or ""
    return Move(v.detected_ms, v.rule, stream, part, signal, v.what, severity, v.onset_ms, v.reason)


def _kill(t: Trip, names: Names) -> Kill:
    stream = names.stream(t.stream)
    return Kill(t.detected_ms, t.switch, t.value, t.rule, stream, t.onset_ms, t.k, t.n, round(t.m, 9))


def lines_of(config: Config, log: Iterable[bytes]) -> Lines:
    """All lines of a log that state a time."""
    parts = list(read(log, Counter(), times_of(config, config.source)))
    numbers, times = (
        np.concatenate(columns) for columns in zip(*((p.numbers, p.ts_ms) for p in parts), strict=True)
    )
    return Lines(numbers, times, [value for part in parts for value in part.values])


def random_cuts(rng: Random, lines: int, mean: float) -> list[int]:
    """Where parts of about `mean` lines begin."""
    cuts, at = list[int](), 0
    while (at := at + 1 + int(rng.expovariate(1 / mean))) < lines:
        cuts.append(at)
    return cuts


def by_replay(config: Config, lines: Lines, cuts: Sequence[int] = ()) -> Verdicts:
    """A replay of a log in parts; `cuts` are where the second one begins, and those after it."""
    replay = _Heard(config)
    bounds = [0, *cuts, len(lines.values)]
    for part in (slice(*pair) for pair in pairwise(bounds)):
        replay.feed(Lines(lines.numbers[part], lines.ts_ms[part], lines.values[part]))
    replay.settle()
    return verdicts(replay.decisions, replay.names)


class _Heard(Replay):
    """A replay that keeps every decision."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.decisions: list[Decision] = []
        names = self._names
        self.names = Names(names.stream_key, lambda number: "=".join(names.slice(number)))

    def settle(self) -> None:
        """Let it become quiet, as ledgers' partitions do: the watermark comes to what was read, and no further."""
        last = self._memory.progress.known[KEY].mark
        assert last is not None
        mark = replace(last, clock_ms=self._clock_ms + QUIET_MS, last_record_ms=self._clock_ms)
        self._advance(Consumed(KEY, mark, Delta()), deaf=False)

    def _note(self, moved: Advance) -> None:
        self.decisions += moved.decisions


def by_backtest(engine: Engine, config: Config) -> Verdicts:
    """The rules of panes over what a ledger keeps."""
    plan, decisions = compile_plan(config), list[Decision]()
    with engine.connect() as conn:
        kept = past.kept(conn)
        if kept is not None:
            for _, _, found in past.judged(conn, plan, kept, past.held_at(conn, plan, kept.first)):
                decisions += found
        return verdicts(decisions, ledger_names(conn)).of_panes(config)


def ledger_names(conn: Connection) -> Names:
    """The names of a ledger's ids."""
    streams = conn.execute(text("SELECT stream_id, key FROM tocsin_ledger.stream"))
    slices = conn.execute(text("SELECT slice_id, field || '=' || value FROM tocsin_ledger.slice"))
    keys, parts = ({row[0]: row[1] for row in rows} for rows in (streams, slices))
    return Names(keys.__getitem__, parts.__getitem__)
