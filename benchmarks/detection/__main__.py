"""Does the false-alarm budget hold, how late are alarms, what does it cost, what do others do: `make bench-detection`.

Tables are Markdown on stdout, progress is on stderr. Seeds are fixed: every run draws the same streams.
"""

import sys
import time
from collections.abc import Callable
from typing import Final

import click

from benchmarks import real_streams
from benchmarks.detection import cost, delays, false_alarms, real, river_peers, window_peers

PARTS: Final = ("false-alarms", "delay", "cost", "peers", "real")
NOT_RUN: Final = "not run"


class Run:
    """One run: its parts in order, and what the last line says of each."""

    def __init__(self, quick: bool, windows: bool, names: tuple[str, ...]) -> None:
        self._quick, self._windows, self._names = quick, windows, names
        self._began = time.monotonic()
        self._real: list[real_streams.Row] = []
        self._nulls, self._delay, self._streams = (
            f"{part} {NOT_RUN}" for part in ("null cells", "delay", "real")
        )

    def false_alarms(self) -> None:
        sizes = false_alarms.QUICK if self._quick else false_alarms.FULL
        cells = false_alarms.measured(sizes, self._names, self.tell)
        self._say(
            "False alarms: alarms x A / blocks, with its exact 99.8% interval", false_alarms.table(cells)
        )
        within = sum(cell.found.verdict == "within" for cell in cells)
        self._nulls = f"{within}/{len(cells)} null cells within budget"

    def delay(self) -> None:
        extent = delays.QUICK if self._quick else delays.FULL
        rates = []
        for row in delays.RATES:
            self.tell(f"delay: {row}")
            rates.append(delays.rate(*row, extent))
        self.tell("delay: distributions and categories")
        others = delays.many(extent)
        self._say(
            f"Delay in panes at A = {delays.A:,.0f} (false alarms x A / blocks in brackets)",
            delays.rates_table(rates),
        )
        self._say("Delay of distributions and categories", delays.many_table(others))
        self._delay = "worst delay {:.2f} of D_bet and {:.2f} of D*".format(*delays.worst(rates, others))

    def cost(self) -> None:
        streams, panes = ((1, 20), 5) if self._quick else ((1, 100, 1000), 60)
        self.tell("cost of a pane")
        self._say("CPU time of one pane, every documented rule on", cost.table(cost.measured(streams, panes)))

    def real(self) -> None:
        place = real.folder()
        if place is None or self._quick:
            self.tell("real streams left out: TOCSIN_REAL_DATA names no folder, or --quick")
            return
        self._real = real.tocsin_rows(place, self.tell)
        self._say("Real streams", real_streams.table(self._real))
        self._streams = real.told(self._real)

    def peers(self) -> None:
        extent = river_peers.QUICK if self._quick else river_peers.FULL
        rows, tuned = river_peers.compared(extent, self.tell)
        if self._windows:
            rows += window_peers.compared(self.tell)
        title = "Against what users would pick, all tuned to one false alarm in 100,000 events; median delay in events"
        self._say(title, river_peers.table(rows))
        place = real.folder()
        if place is not None and not self._quick:
            self.tell("peers: real streams")
            found = real.peers_on_real(place, tuned)
            title = "The same settings on real streams: delay in records (alarms before the change)"
            self._say(title, real.peers_table(found, self._real))

    def last_line(self) -> str:
        return f"detection: {self._nulls}, {self._delay}, {self._streams}"

    def tell(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", file=sys.stderr, flush=True)

    def _say(self, title: str, table: str) -> None:
        click.echo(f"### {title}\n\n{table}\n")


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="A smoke run of under a minute; its figures say little.")
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Run this part alone; may come several times."
)
@click.option(
    "--peers",
    "windows",
    is_flag=True,
    help="Also Evidently, NannyML, alibi-detect and popmon; installs them.",
)
@click.option(
    "--null",
    "names",
    multiple=True,
    metavar="TEXT",
    help="Only nulls with this in their name; seeds stay the same.",
)
def main(quick: bool, only: tuple[str, ...], windows: bool, names: tuple[str, ...]) -> None:
    run = Run(quick, windows, names)
    parts: dict[str, Callable[[], None]] = {
        "false-alarms": run.false_alarms,
        "delay": run.delay,
        "cost": run.cost,
        "real": run.real,
        "peers": run.peers,
    }
    for name, part in parts.items():
        if not only or name in only:
            part()
    click.echo(run.last_line())


if __name__ == "__main__":
    main()
