"""Memory and time to catch up when judges, or Postgres, were away for ten minutes under load: `make bench-catching-up`.

Starts its own Kafka, Postgres and receiver, and stops them. The table is on stdout, with a last line.
"""

import base64
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.bench_config import BenchConfig
from benchmarks.bench_topic import create_topic, fill
from benchmarks.process_cost import peak_mib
from benchmarks.throughput import Progress, progress
from monitor.errors import TocsinError
from monitor.ledger.engine import connect
from monitor.ledger.migrate import upgrade
from monitor.local.daemon import Daemon
from monitor.local.kafka import local_kafka
from monitor.local.postgres import PostgresServer, local_postgres
from monitor.local.receiver import local_receiver

TOPIC: Final = "predictions"
LEARN: Final = 10_000
AWAY_S: Final = 60.0
WITHIN_S: Final = 900.0

# Nobody leads while a process that does not exist holds the lease.
_HOLD: Final = text("""
    UPDATE tocsin_ledger.judge_lease SET owner = gen_random_uuid(), version = version + 1,
    expires_at = clock_timestamp() + interval '1 hour'
""")
_FREE: Final = text("UPDATE tocsin_ledger.judge_lease SET expires_at = clock_timestamp()")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Peak memory in MiB before, while it was away, and while catching up, which took `catch_up_s`."""

    what: str
    before_mib: float
    away_mib: float
    after_mib: float
    catch_up_s: float
    counted: int


@dataclass(frozen=True, slots=True)
class Bench:
    engine: Engine
    daemon: Daemon
    postgres: PostgresServer
    servers: str
    records: int
    streams: int

    def fill(self) -> None:
        """The records of ten minutes."""
        fill(self.servers, TOPIC, self.records, self.streams, lambda sent: None)

    def peak(self) -> float:
        """The most memory since it was last asked for."""
        found = peak_mib(self.daemon.pid)
        Path(f"/proc/{self.daemon.pid}/clear_refs").write_text("5")
        return found

    def wait(self, done: Callable[[Progress], bool]) -> float:
        """Seconds until the ledger says so; raises TocsinError where it does not in a quarter of an hour."""
        began = time.monotonic()
        while time.monotonic() - began < WITHIN_S:
            try:
                if done(progress(self.engine)):
                    return time.monotonic() - began
            except SQLAlchemyError:
                pass
            time.sleep(0.5)
        raise TocsinError(f"not done within {WITHIN_S:.0f} s: {progress(self.engine)}")


@contextmanager
def _bench(minutes: float, rate: int, streams: int) -> Iterator[Bench]:
    with ExitStack() as stack:
        kafka = stack.enter_context(local_kafka())
        postgres = stack.enter_context(local_postgres())
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        receiver = stack.enter_context(local_receiver(secret))
        url = postgres.create_database("catching_up")
        upgrade(url)
        create_topic(kafka.bootstrap_servers, TOPIC)
        engine = connect(url, name="catching up")
        stack.callback(engine.dispose)
        daemon = Daemon(BenchConfig(kafka.bootstrap_servers, TOPIC, url, receiver, secret, LEARN).alerts_yaml)
        stack.callback(daemon.close)
        daemon.start()
        yield Bench(engine, daemon, postgres, kafka.bootstrap_servers, round(minutes * 60 * rate), streams)


def _judges_away(bench: Bench, target: int) -> Outcome:
    before = bench.peak()
    with bench.engine.begin() as conn:
        conn.execute(_HOLD)
    bench.fill()
    bench.wait(lambda p: p.ingested >= target)
    away = bench.peak()
    with bench.engine.begin() as conn:
        conn.execute(_FREE)
    took_s = bench.wait(lambda p: p.judged >= target)
    return Outcome("judges", before, away, bench.peak(), took_s, progress(bench.engine).counted)


def _postgres_away(bench: Bench, target: int) -> Outcome:
    before = bench.peak()
    bench.postgres.stop()
    bench.fill()
    time.sleep(AWAY_S)
    away = bench.peak()
    bench.postgres.start()
    took_s = bench.wait(lambda p: p.judged >= target)
    return Outcome("Postgres", before, away, bench.peak(), took_s, progress(bench.engine).counted)


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="Of records that come meanwhile.")
@click.option("--rate", default=5_000, show_default=True, help="Records a second.")
@click.option("--streams", default=50, show_default=True)
def main(minutes: float, rate: int, streams: int) -> None:
    """Take the judges away, then Postgres, and see what memory that takes and how long until all is judged."""
    with _bench(minutes, rate, streams) as bench:
        bench.fill()
        bench.wait(lambda p: p.judged >= bench.records)
        found = [_judges_away(bench, 2 * bench.records), _postgres_away(bench, 3 * bench.records)]
    click.echo(f"{bench.records:,} records meanwhile, {streams} streams; peak memory of the replica in MiB")
    click.echo("away       before  away  catching up   caught up after")
    for one in found:
        click.echo(
            f"{one.what:9s} {one.before_mib:7.0f} {one.away_mib:5.0f} {one.after_mib:12.0f} {one.catch_up_s:12.0f} s"
        )
    worst = max(max(one.away_mib, one.after_mib) / one.before_mib for one in found)
    lost = 3 * bench.records - found[-1].counted
    click.echo(
        f"catching up: {lost} lost, memory at most {worst:.1f} times what it was, {bench.records} records behind"
    )


if __name__ == "__main__":
    main()
