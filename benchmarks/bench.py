"""Speed against bare poll, time from an outage to the kill, and memory: `make bench`.

Starts its own Kafka and Postgres, and stops them. Progress is on stderr, the table and the last line on stdout.
"""

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks.bench_config import BenchConfig
from benchmarks.bench_topic import CODEC, PARTITIONS, PER_SECOND, create_topic, fill
from benchmarks.cores import Cores, two_cores
from benchmarks.figures import DaemonRound, Figures, Reading, Spike
from benchmarks.spikes import measure_spikes
from benchmarks.throughput import bare_round, daemon_round
from monitor.errors import TocsinError
from monitor.ledger.migrate import upgrade
from monitor.local.kafka import KafkaServer, local_kafka
from monitor.local.postgres import PostgresServer, local_postgres
from monitor.local.receiver import Receiver, local_receiver

TOPIC: Final = "predictions"
CROWD: Final = "predictions-many"
TEMPLATE: Final = "ledger"
WIDTH: Final = 120
MANY: Final = 200


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured. `learn` is how many requests a reference takes, `many_` is of the run with 200 streams."""

    records: int
    learn: int
    rounds: int
    spikes: int
    many_records: int
    many_learn: int


FULL: Final = Extent(1_100_000, 10_000, rounds=3, spikes=10, many_records=400_000, many_learn=1_000)
QUICK: Final = Extent(100_000, 10_000, rounds=1, spikes=1, many_records=100_000, many_learn=200)


@dataclass(frozen=True, slots=True)
class Hooks:
    """The receiver of all messages, and the secret by which it knows the kill webhooks."""

    receiver: Receiver
    secret: str


class Steps:
    """Tells on stderr what is being done and how far it is."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """One step; the function given is told how much of `total` is done."""
        quiet = not self._console.is_terminal
        with Progress(console=self._console, transient=True, disable=quiet) as bars:
            task = bars.add_task(what, total=total)
            yield lambda done: bars.update(task, completed=done)
        self.tell(what)

    def tell(self, text: str) -> None:
        self._console.print(text, markup=False)


class Bench:
    """The measurements of one run on running servers."""

    def __init__(
        self, extent: Extent, cores: Cores, kafka: KafkaServer, postgres: PostgresServer, hooks: Hooks
    ) -> None:
        self._extent = extent
        self._cores = cores
        self._kafka = kafka
        self._postgres = postgres
        self._hooks = hooks
        self._steps = Steps()
        upgrade(postgres.create_database(TEMPLATE))

    def measure(self) -> Figures:
        """Everything, one after the other. Raises TocsinError where something cannot be measured."""
        extent = self._extent
        self._tell_place()
        self._fill(TOPIC, extent.records, streams=1)
        bare: list[Reading] = []
        daemon: list[DaemonRound] = []
        for number in range(1, extent.rounds + 1):
            bare.append(self._bare(number))
            config = self._config(TOPIC, f"round_{number}", extent.learn)
            daemon.append(self._daemon(f"tocsin run, round {number}", config, extent.records, streams=1))
        spikes = self._spikes(config)
        self._fill(CROWD, extent.many_records, streams=MANY)
        config = self._config(CROWD, "many", extent.many_learn)
        many = self._daemon(f"tocsin run, {MANY} streams", config, extent.many_records, streams=MANY)
        return Figures(bare, daemon, spikes, many.peak_mib, MANY)

    def _tell_place(self) -> None:
        self._steps.tell(str(self._cores))
        strays = sum(self._cores.strays(server.pid) for server in (self._kafka, self._postgres))
        if strays:
            self._steps.tell(f"NOT PINNED: {strays} threads of the servers run on another core")

    def _config(self, topic: str, database: str, learn: int) -> BenchConfig:
        """For an empty ledger of its own."""
        url = self._postgres.create_database(database, template=TEMPLATE)
        hooks = self._hooks
        return BenchConfig(self._kafka.bootstrap_servers, topic, url, hooks.receiver, hooks.secret, learn)

    def _fill(self, topic: str, records: int, streams: int) -> None:
        create_topic(self._kafka.bootstrap_servers, topic)
        plural = "" if streams == 1 else "s"
        what = (
            f"writing {records:,} records of {streams} stream{plural}, {PER_SECOND:,} a second of event time"
        )
        with self._steps.step(what, records) as sent, self._cores.measuring():
            size = fill(self._kafka.bootstrap_servers, topic, records, streams, sent)
        self._steps.tell(f"  {size:.0f} bytes a record, {PARTITIONS} partitions, {CODEC}")

    def _bare(self, number: int) -> Reading:
        with self._steps.step(f"bare poll, round {number}"):
            reading = bare_round(self._cores, self._kafka.bootstrap_servers, TOPIC, self._extent.records)
        self._steps.tell(f"  {reading}")
        return reading

    def _daemon(self, what: str, config: BenchConfig, records: int, streams: int) -> DaemonRound:
        with self._steps.step(what, records) as seen:
            found = daemon_round(self._cores, config, records, streams, seen)
        self._steps.tell(f"  {found.judged}, {found.peak_mib:.0f} MiB at most")
        return found

    def _spikes(self, config: BenchConfig) -> list[Spike]:
        count = self._extent.spikes
        with self._steps.step(f"{count} outages at the clock's speed", count) as seen:
            return measure_spikes(self._cores, config, self._extent.records, count, seen)


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="A smoke run of about a minute; its figures say little.")
def main(quick: bool) -> None:
    cores = two_cores()
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        with local_receiver(secret) as receiver, local_kafka() as kafka, local_postgres() as postgres:
            bench = Bench(QUICK if quick else FULL, cores, kafka, postgres, Hooks(receiver, secret))
            figures = bench.measure()
    except TocsinError as error:
        raise SystemExit(f"bench: {error}") from None
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    console.print(figures.table(), str(cores), sep="\n", markup=False)
    click.echo(figures.last_line)


if __name__ == "__main__":
    main()
