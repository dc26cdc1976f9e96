"""One log judged in several ways, for random rules and random logs: `make agreement`."""

import logging
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from math import inf
from pathlib import Path
from random import Random
from typing import Any, Final
from zlib import crc32

import click
import structlog
from ledgers import Spread, by_session
from random_rules import Rules, random_rules
from random_traffic import Line, punctual, random_shape, random_traffic
from sqlalchemy import Engine, event
from verdicts import Kill, Move, Verdicts, by_backtest, by_replay, lines_of, random_cuts

from monitor.cli.lines import Lines
from monitor.cli.options import PATIENT
from monitor.ledger.engine import connect, set_local
from monitor.ledger.migrate import upgrade
from monitor.local.postgres import local_postgres

WAYS: Final = ("replay", "session", "all")
LINES: Final = (400, 800, 1500, 3000)
PARTS_OF: Final = (7, 20, 60, 333)
STORED_AT_ONCE: Final = (10, 40, 150)
SHOWN: Final = 3
UNSYNCED: Final = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


@dataclass(frozen=True, slots=True)
class Case:
    """A configuration and a log, and how the log is cut for each way."""

    seed: int
    rules: Rules
    lines: Lines
    homes: Sequence[int]
    spread: Spread
    cuts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two ways that came to something else, each by its name."""

    seed: int
    first: str
    second: str
    only_first: Sequence[Move | Kill]
    only_second: Sequence[Move | Kill]

    @property
    def line(self) -> str:
        """All that is needed to look at it."""
        told = [f"only {self.first}: {one}" for one in self.only_first[:SHOWN]]
        told += [f"only {self.second}: {one}" for one in self.only_second[:SHOWN]]
        differ = len(self.only_first) + len(self.only_second)
        ways = f"{self.first} and {self.second} differ in {differ}"
        return f"seed {self.seed}: {ways}; {alone(self.seed)}; {'; '.join(told)}"


def alone(seed: int) -> str:
    """How to run one case by itself."""
    return f"python tests/agreement/agreement.py --cases 1 --seed {seed}"


def case_of(seed: int, folder: Path, sizes: Sequence[int] = LINES) -> Case:
    """The case of a seed, the same on every machine."""
    rng = Random(seed)
    partitions, rebalances = rng.choice((1, 1, 1, 2, 3)), rng.random() < 0.25
    # Repeated inputs are remembered by one partition, and forgotten by a rebalance.
    instead = {"rate": ["<counted>"]} if partitions > 1 or rebalances else {}
    if partitions > 1:
        # Whose stream comes first, and has the place, depends on the partition that is stored first.
        instead["max"] = ["1000"]
    rules = random_rules(rng, folder, instead=instead)
    log = _log(rng, partitions, rebalances, rng.choice(sizes))
    if partitions > 1:
        # Which records are late depends on the partition that they came in: here none is, in any order.
        log = punctual(log, rules.config.source.lateness_ms)
    lines = lines_of(rules.config, (line.value for line in log))
    homes = [crc32(log[number].request.encode()) % partitions for number in lines.numbers.tolist()]
    # What a partition that is behind says kills nobody.
    lags = "kill" not in rules.kinds and rng.random() < 0.5
    spread = Spread(partitions, rng.choice(STORED_AT_ONCE), lags, rebalances)
    return Case(seed, rules, lines, homes, spread, random_cuts(rng, len(homes), rng.choice(PARTS_OF)))


def _log(rng: Random, partitions: int, rebalances: bool, size: int) -> list[Line]:
    fixed: dict[str, Any] = {}
    if partitions > 1:
        # Which 300 answers of a pane languages are told from depends on partitions: here a pane has no more.
        fixed["per_s"] = rng.choice((0.5, 2, 5))
    if rebalances:
        # Another process does not remember the predictions that labels ask for.
        fixed["late_labels"] = False
    return random_traffic(rng, random_shape(rng, **fixed), size)


def compared(case: Case, first: str, one: Verdicts, second: str, other: Verdicts) -> list[Disagreement]:
    """None, or the one disagreement of two ways."""
    told: list[Counter[Move | Kill]] = [Counter([*v.moves, *v.kills]) for v in (one, other)]
    ahead, behind = (list((told[i] - told[1 - i]).elements()) for i in (0, 1))
    return [Disagreement(case.seed, first, second, ahead, behind)] if ahead or behind else []


def disagreements(
    case: Case, engine: Engine | None, *, parts: bool = True
) -> tuple[Verdicts, list[Disagreement]]:
    """What a replay comes to, and where others differ: one in parts, and in a ledger a session and a backtest."""
    config, found = case.rules.config, list[Disagreement]()
    whole = by_replay(config, case.lines)
    if parts:
        found += compared(case, "replay", whole, "parts", by_replay(config, case.lines, case.cuts))
    if engine is not None:
        # A machine that others use too may be slower between two statements than a live judge ever is.
        event.listen(engine, "begin", lambda conn: set_local(conn, PATIENT))
        run = by_session(engine, config, case.lines, case.homes, case.spread, Random(case.seed))
        found += compared(case, "replay", whole, "run", run)
        found += compared(case, "run", run.of_panes(config), "backtest", by_backtest(engine, config))
    return whole, found


Ledger = Callable[[int], AbstractContextManager[Engine | None]]
"""An empty ledger for the case of a seed, or none."""


@dataclass(slots=True)
class Tally:
    """What some cases came to."""

    cases: int = 0
    moves: int = 0
    kills: int = 0
    disagreements: int = 0
    crashes: int = 0

    def add(self, whole: Verdicts, found: Sequence[Disagreement]) -> None:
        self.cases += 1
        self.moves += len(whole.moves)
        self.kills += len(whole.kills)
        self.disagreements += len(found)

    @property
    def line(self) -> str:
        crashes = f", {self.crashes} crashes" if self.crashes else ""
        told = (
            f"{self.cases} cases, {self.moves} moves, {self.kills} kills, {self.disagreements} disagreements"
        )
        return f"agreement: {told}{crashes}"


def run(seeds: Iterable[int], ledger: Ledger, *, parts: bool = True, until: float = inf) -> Tally:
    """Compare a case of each seed until a time of the monotonic clock; says where two ways differ."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            if time.monotonic() > until:
                break
            try:
                with ledger(seed) as engine:
                    whole, found = disagreements(case_of(seed, Path(folder)), engine, parts=parts)
            except Exception:
                tally.crashes += 1
                click.echo(f"seed {seed}: {alone(seed)}\n{traceback.format_exc()}")
                continue
            tally.add(whole, found)
            for one in found:
                click.echo(one.line)
    return tally


@contextmanager
def ledgers() -> Iterator[Ledger]:
    """A Postgres, with an empty ledger for each seed."""
    with local_postgres(settings=UNSYNCED) as server:
        upgrade(server.create_database("ledger_template"))

        @contextmanager
        def ledger(seed: int) -> Iterator[Engine]:
            engine = connect(server.create_database(f"seed_{seed}", template="ledger_template"))
            try:
                yield engine
            finally:
                engine.dispose()
                server.drop_database(f"seed_{seed}")

        yield ledger


@click.command()
@click.option("--cases", default=200, show_default=True)
@click.option("--seed", default=1, show_default=True, help="Of the first case; those after it follow.")
@click.option("--way", type=click.Choice(WAYS), default="all", show_default=True)
@click.option("--minutes", default=inf, help="Begin no case after that long.")
def main(cases: int, seed: int, way: str, minutes: float) -> None:
    """Compare; exits 1 after a disagreement or a crash."""
    warnings.simplefilter("error")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ledgers() if way != "replay" else nullcontext(lambda _: nullcontext()) as ledger:
        until = time.monotonic() + 60 * minutes
        tally = run(range(seed, seed + cases), ledger, parts=way != "session", until=until)
    click.echo(tally.line)
    sys.exit(1 if tally.disagreements or tally.crashes else 0)


if __name__ == "__main__":
    main()
