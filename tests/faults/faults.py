"""Break everything for a while, and account for every record and every decision: `make faults`.

Starts its own Kafka, Postgres, receiver and replicas, and stops them. Progress is on stderr, the account on stdout.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Final

import click
import structlog
from fault_account import Account, Layer
from fault_around import Around
from fault_decisions import Ledger, lost_decisions
from fault_deck import EVERY_S, Fault, Kind, faults
from fault_fleet import STOPS, Fleet
from fault_load import Failing, Load
from fault_site import TOPIC, Site, site
from fault_story import Pace, Story
from fault_truth import truth_in
from fault_watch import Watch
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from monitor.crash_points import STEPS

REPLICAS: Final = 3
TURN_S: Final = 0.1
DRAIN_S: Final = 180.0

log = structlog.get_logger("faults")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to."""

    kills: Counter[str]
    others: Counter[str]
    records: int
    layers: Sequence[Layer]
    decisions: int
    lost: Sequence[str]
    worst_s: float
    visited: Counter[str]

    @property
    def last_line(self) -> str:
        lost = max(one.lost for one in self.layers)
        twice = max(one.twice for one in self.layers)
        return (
            f"faults: {self.kills.total()} kills, {self.others.total()} other faults, {self.records} records, "
            f"{lost} lost, {twice} twice, {len(self.lost)} decisions lost, worst recovery {self.worst_s:.1f} s"
        )

    @property
    def good(self) -> bool:
        return not self.lost and all(one.lost == one.twice == 0 and not one.told for one in self.layers)


class Run:
    """One run on one site."""

    def __init__(self, where: Site, seed: int, rate: float, pace: Pace = Pace()) -> None:  # noqa: B008
        self._site, self._seed = where, seed
        failing = Failing()
        self._load = Load(where.kafka.bootstrap_servers, TOPIC, seed, rate, failing)
        self._watch = Watch(where.engine, self._load.ends)
        self._fleet = Fleet(where, self._watch, seed, REPLICAS)
        self._around = Around(where, self._watch, self._load, self._fleet.tend)
        self._story = Story(seed, failing, where.receiver, where.config, lambda: self._watch.over, pace)

    def through(self, schedule: Sequence[Fault], lasts_s: float, longer_s: float = 0.0) -> Outcome:
        """Break things for `lasts_s`, let everything recover, and account for it.

        It may last up to `longer_s` more, while nobody has died at some step of the schedule yet.
        """
        for part in (self._load, self._watch, self._story):
            part.start()
        try:
            self._warm_up()
            self._strike_all(schedule, lasts_s)
            until = time.monotonic() + longer_s
            self._tend_while(lambda: self._fleet.waits and time.monotonic() < until)
            self._around.settle()
            self._fleet.settle()
            self._tend_while(_busy(self._story.stop))
            self._load.stop()
            drained = self._drain()
            self._watch.stop()
        finally:
            self._fleet.close()
        return self._outcome(drained)

    def _warm_up(self) -> None:
        """Wait until all replicas run and judge what comes: a start is no recovery."""
        self._fleet.tend()
        self._tend_while(lambda: not self._load.ends())
        self._watch.strike("start")
        self._tend_while(lambda: not self._watch.over)
        self._watch.recoveries.done.clear()

    def _strike_all(self, schedule: Sequence[Fault], lasts_s: float) -> None:
        began = time.monotonic()
        for fault in schedule:
            self._tend_while(lambda fault=fault: time.monotonic() < began + fault.at_s)
            log.info(fault.kind, **{k: v for k, v in (("step", fault.step), ("to", fault.replicas)) if v})
            if not self._fleet.strike(fault):
                self._around.strike(fault)
        self._tend_while(lambda: time.monotonic() < began + lasts_s)

    def _tend_while(self, condition: Callable[[], bool]) -> None:
        while condition():
            self._fleet.tend()
            self._around.tend()
            time.sleep(TURN_S)

    def _drain(self) -> list[str]:
        until = time.monotonic() + DRAIN_S
        self._tend_while(lambda: bool(self._undone()) and time.monotonic() < until)
        return self._undone()

    def _undone(self) -> list[str]:
        """What is still to be done, a sentence each."""
        query = "SELECT partition, next_offset, judged_offset FROM tocsin.progress"
        try:
            with self._site.engine.begin() as conn:
                at = {row.partition: row for row in conn.execute(text(query))}
                waiting = conn.execute(
                    text("SELECT count(*) FROM tocsin.deliveries WHERE state = 'pending'")
                ).scalar()
        except SQLAlchemyError as error:
            return [str(error).splitlines()[0]]
        behind = [
            f"partition {p} ends at {end}, and is at {tuple(at[p])[1:] if p in at else None}"
            for p, end in self._load.ends().items()
            if p not in at or at[p].next_offset < end or at[p].judged_offset != at[p].next_offset
        ]
        return behind + [f"{waiting} messages wait"] * bool(waiting)

    def _outcome(self, undone: list[str]) -> Outcome:
        corruption = self._around.corruption
        corruption.mend()
        truth = truth_in(self._site.kafka.bootstrap_servers, TOPIC, self._seed, corruption.reasons)
        ledger = Ledger.read(self._site.engine)
        lost = lost_decisions(ledger, self._site.receiver.received, self._story.outages, self._story.kills)
        done = self._watch.recoveries.done
        self._tell(ledger)
        return Outcome(
            kills=self._fleet.kills,
            others=self._fleet.others + self._around.others,
            records=truth.records,
            layers=Account(self._site.engine, truth, self._load.acked).layers(),
            decisions=ledger.decisions,
            lost=[
                *undone,
                *self._fleet.ended,
                *self._story.missed,
                *self._around.snapshots.told,
                *lost,
            ],
            worst_s=max((one.seconds for one in done), default=0.0),
            visited=self._fleet.visited,
        )

    def _tell(self, ledger: Ledger) -> None:
        recoveries = self._watch.recoveries
        for what, seconds in sorted(recoveries.worst().items()):
            click.echo(f"worst recovery after {what}: {seconds:.1f} s")
        behind = max((one.behind_s for one in recoveries.done), default=0.0)
        click.echo(
            f"recovered {len(recoveries.done)} times, longest row of faults until all was judged {behind:.1f} s"
        )
        click.echo(f"crash points: {', '.join(f'{step} {self._visits(step)}' for step in STEPS)}")
        trips = ", ".join(f"{s:.1f}" for s in self._story.to_trip_s)
        click.echo(f"outages {len(self._story.outages)}, kills pulled after {trips} s")
        by_rule = Counter(incident.rule for incident in ledger.incidents)
        click.echo(f"incidents: {', '.join(f'{rule} {n}' for rule, n in sorted(by_rule.items()))}")
        states = Counter(delivery.state for delivery in ledger.deliveries)
        click.echo(f"deliveries: {', '.join(f'{state} {n}' for state, n in sorted(states.items()))}")

    def _visits(self, step: str) -> str:
        """How often a process died there, and how often one stopped there."""
        return f"{self._fleet.visited[step]}+{self._fleet.visited[step + STOPS]}"


def _busy(work: Callable[[], None]) -> Callable[[], bool]:
    """Do it in a thread; the answer says whether it is still under way."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread.is_alive


def _show(outcome: Outcome) -> None:
    for kind, counts in (("kills", outcome.kills), ("other faults", outcome.others)):
        click.echo(f"{kind}: {', '.join(f'{what} {n}' for what, n in sorted(counts.items()))}")
    for one in outcome.layers:
        click.echo(f"{one.name}: {one.lost} lost, {one.twice} twice")
        for told in one.told:
            click.echo(f"  {told}")
    click.echo(f"{outcome.decisions} decisions accounted for")
    for sentence in outcome.lost:
        click.echo(f"  {sentence}")
    click.echo(outcome.last_line)


@click.command()
@click.option("--minutes", default=30.0, show_default=True, help="How long things break.")
@click.option(
    "--seed", type=int, help="Replays the faults and records of an earlier run (default: by chance)."
)
@click.option("--rate", default=500.0, show_default=True, help="Records a second.")
@click.option(
    "--every", default=EVERY_S, show_default=True, help="Seconds from one fault to the next, about."
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([*(kind.value for kind in Kind), *STEPS]),
    help="Break only in this way, or at this step (may be given again).",
)
@click.option("--logs", type=click.Path(path_type=Path), help="Keep what the replicas say in this folder.")
def main(
    minutes: float, seed: int | None, rate: float, every: float, only: tuple[str, ...], logs: Path | None
) -> None:
    """Kill, freeze, cut and scale a real Tocsin under load; the exit code says whether anything was lost."""
    chosen = SystemRandom().randrange(10**6) if seed is None else seed
    click.echo(f"seed {chosen}, {minutes:g} minutes, {rate:g} records/s, a fault every {every:g} s")
    schedule = faults(chosen, minutes * 60, every, only)
    with site(logs.resolve() if logs else None) as where:
        outcome = Run(where, chosen, rate).through(schedule, minutes * 60)
    _show(outcome)
    sys.exit(0 if outcome.good else 1)


if __name__ == "__main__":
    main()
