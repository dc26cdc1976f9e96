"""Memory and time to catch up when judges, or Postgres, were away for ten minutes under load: `make bench-catching-up`.

Starts its own Kafka, Postgres and receiver, and stops them. The table is on stdout, with a last line.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.bench_topic import write
from benchmarks.process_cost import peak_mib
from benchmarks.stage import TOPIC, Stage, staged
from benchmarks.throughput import Progress, progress
from monitor.errors import TocsinError
from monitor.local.load import bench_records

AWAY_S: Final = 60.0
STRETCHES: Final = 3
# The watermark goes on with the clock meanwhile.
PAUSE_MS: Final = 900_000
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


@dataclass(slots=True)
class Bench:
    """Stretches of records, one after the other in event time, all of them past, so that none comes late."""

    stage: Stage
    records: int
    rate: int
    streams: int
    start_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.start_ms = time.time_ns() // 1_000_000 - STRETCHES * self._stretch_ms

    @property
    def _stretch_ms(self) -> int:
        return 1_000 * self.records // self.rate + PAUSE_MS

    def fill(self) -> None:
        """The records of the next stretch."""
        batches = bench_records(self.records, self.start_ms, per_second=self.rate, streams=self.streams)
        write(self.stage.servers, TOPIC, batches, self.streams, lambda sent: None)
        self.start_ms += self._stretch_ms

    def peak(self) -> float:
        """The most memory since it was last asked for."""
        found = peak_mib(self.stage.daemon.pid)
        Path(f"/proc/{self.stage.daemon.pid}/clear_refs").write_text("5")
        return found

    def counted(self) -> int:
        return progress(self.stage.engine).counted

    def wait(self, done: Callable[[Progress], bool]) -> float:
        """Seconds until the ledger says so; raises TocsinError where it does not in a quarter of an hour."""
        began = time.monotonic()
        while time.monotonic() - began < WITHIN_S:
            with suppress(SQLAlchemyError):
                if done(progress(self.stage.engine)):
                    return time.monotonic() - began
            time.sleep(0.5)
        raise TocsinError(f"not done within {WITHIN_S:.0f} s: {progress(self.stage.engine)}")


def _judges_away(bench: Bench, target: int) -> Outcome:
    before = bench.peak()
    with bench.stage.engine.begin() as conn:
        conn.execute(_HOLD)
    bench.fill()
    bench.wait(lambda p: p.ingested >= target)
    away = bench.peak()
    with bench.stage.engine.begin() as conn:
        conn.execute(_FREE)
    took_s = bench.wait(lambda p: p.judged >= target)
    return Outcome("judges", before, away, bench.peak(), took_s, bench.counted())


def _postgres_away(bench: Bench, target: int) -> Outcome:
    before = bench.peak()
    bench.stage.postgres.stop()
    bench.fill()
    time.sleep(AWAY_S)
    away = bench.peak()
    bench.stage.postgres.start()
    took_s = bench.wait(lambda p: p.judged >= target)
    return Outcome("Postgres", before, away, bench.peak(), took_s, bench.counted())


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="Of records that come meanwhile.")
@click.option("--rate", default=5_000, show_default=True, help="Records a second.")
@click.option("--streams", default=50, show_default=True)
def main(minutes: float, rate: int, streams: int) -> None:
    """Take the judges away, then Postgres, and see what memory that takes and how long until all is judged."""
    with staged("catching_up") as stage:
        bench = Bench(stage, round(minutes * 60 * rate), rate, streams)
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
