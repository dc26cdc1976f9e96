"""Run for an hour under steady load with a rebalance each minute, and see what grows: `make soak`.

Starts its own Kafka, Postgres and receiver, and stops them. Progress is on stderr, the table and the last line on
stdout; a picture goes to docs/soak.png.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from benchmarks.bench_config import BenchConfig
from benchmarks.soak.account import Growth, growths, last_line, shown
from benchmarks.soak.chart import draw
from benchmarks.soak.load import Load
from benchmarks.soak.sample import Sample, take
from benchmarks.stage import TOPIC, Stage, staged
from monitor.errors import TocsinError
from monitor.local.daemon import Daemon

SAMPLE_EVERY_S: Final = 10.0
REBALANCE_EVERY_S: Final = 60.0
DRAIN_S: Final = 120.0
PICTURE: Final = Path(__file__).parents[2] / "docs" / "soak.png"


class Guest:
    """A second replica that comes and goes: each time the group shares the partitions anew."""

    def __init__(self, config: BenchConfig) -> None:
        self._config = config
        self._daemon: Daemon | None = None
        self.rebalances = 0

    def turn(self) -> None:
        """Start it where it is away, stop it where it is there."""
        self.rebalances += 1
        if self._daemon is not None:
            self.leave()
            return
        self._daemon = Daemon(self._config.alerts_yaml)
        self._daemon.start()

    def leave(self) -> None:
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None


def _soak(stage: Stage, load: Load, lasts_s: float) -> Iterator[Sample]:
    """A sample every ten seconds while the guest comes and goes."""
    guest, began = Guest(stage.config), time.monotonic()
    turn_at = REBALANCE_EVERY_S
    try:
        while (now := time.monotonic() - began) < lasts_s:
            if now >= turn_at:
                guest.turn()
                turn_at += REBALANCE_EVERY_S
            yield take(stage.engine, stage.daemon.pid, time.monotonic() - began, load.sent, guest.rebalances)
            time.sleep(max(0.0, SAMPLE_EVERY_S - (time.monotonic() - began) % SAMPLE_EVERY_S))
    finally:
        guest.leave()


def _drained(stage: Stage, load: Load, began: float, rebalances: int) -> Sample:
    """The account once all that was sent is judged; raises TocsinError where that does not come."""
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until:
        sample = take(stage.engine, stage.daemon.pid, time.monotonic() - began, load.sent, rebalances)
        if sample.judged >= load.sent:
            return sample
        time.sleep(1.0)
    raise TocsinError(
        f"{load.sent - sample.judged} records were not judged within {DRAIN_S:.0f} s of the end"
    )


def _run(minutes: float, rate: int, streams: int, out: Path | None) -> tuple[list[Sample], list[Growth]]:
    with staged("soak") as stage, Load(stage.servers, TOPIC, rate, streams) as load:
        began, samples = time.monotonic(), []
        for sample in _soak(stage, load, minutes * 60):
            samples.append(sample)
            _keep(out, sample)
            click.echo(
                f"{sample.at_s:6.0f} s  {sample.judged:,} of {sample.sent:,} judged, {sample.rss_mib} MiB",
                err=True,
            )
        load.stop()
        samples.append(_drained(stage, load, began, samples[-1].rebalances))
    return samples, growths(samples)


def _keep(out: Path | None, sample: Sample) -> None:
    if out is not None:
        with out.open("a") as lines:
            lines.write(json.dumps(asdict(sample)) + "\n")


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--rate", default=5_000, show_default=True, help="Records a second.")
@click.option("--streams", default=50, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Keep every sample here, a JSON object a line.")
@click.option("--picture", type=click.Path(path_type=Path), default=PICTURE, show_default=True)
def main(minutes: float, rate: int, streams: int, out: Path | None, picture: Path) -> None:
    """Soak a real Tocsin; the exit code says whether every record was counted once and nothing grew."""
    samples, found = _run(minutes, rate, streams, out)
    draw(samples, picture, f"{rate:,} records/s, {streams} streams, a rebalance each minute")
    for line in shown(samples, found):
        click.echo(line)
    click.echo(last_line(samples, found))
    sys.exit(0 if samples[-1].counted == samples[-1].sent else 1)


if __name__ == "__main__":
    main()
