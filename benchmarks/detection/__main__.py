"""Does the false-alarm budget hold, how late are alarms, what does it cost, what do others do: `make bench-detection`.

Tables are Markdown on stdout, progress is on stderr. Seeds are fixed: every run draws the same streams. A part that
would begin after its time is left out, and said so.
"""

import sys
import time
from collections.abc import Callable
from typing import Final

import click

from benchmarks import real_streams
from benchmarks.detection import cost, delays, false_alarms, real, river_peers, window_peers, window_tools
from benchmarks.detection.real_cases import Case, cases

PARTS: Final = ("false-alarms", "delay", "cost", "real", "peers")
NOT_RUN: Final = "not run"
QUICK_MINUTES, FULL_MINUTES = 10.0, 60.0
PEERS_TITLE: Final = (
    "Against what users would pick: each tuned to one false alarm in 100,000 events; median delay in events "
    "(on real streams: delay in records, alarms in the quiet part in brackets)"
)


class Run:
    """One run: its parts in order, and what the last line says of each."""

    def __init__(self, quick: bool, minutes: float, names: tuple[str, ...]) -> None:
        self._quick, self._names = quick, names
        self._began, self._seconds = time.monotonic(), minutes * 60
        self._real: list[real_streams.Row] = []
        self._nulls, self._delay, self._streams = (
            f"{part} {NOT_RUN}" for part in ("null cells", "delay", "real streams")
        )

    def within(self, part: str) -> bool:
        """Whether there is time left to begin a part."""
        if self.left_s() <= 0:
            self.tell(f"{part} left out: the {self._seconds / 60:.0f} minutes are over")
        return self.left_s() > 0

    def left_s(self) -> float:
        return self._seconds - (time.monotonic() - self._began)

    def false_alarms(self) -> None:
        sizes = false_alarms.QUICK if self._quick else false_alarms.FULL
        cells = false_alarms.measured(sizes, self._names, self.tell)
        self._say(
            "False alarms: alarms x A / blocks, with its exact 99.8% interval", false_alarms.table(cells)
        )
        above = [cell for cell in cells if cell.found.verdict != "within"]
        if above:
            self._say("Cells above the budget", false_alarms.explained(above))
        self._nulls = f"{len(cells) - len(above)}/{len(cells)} null cells within budget"

    def delay(self) -> None:
        extent = delays.QUICK if self._quick else delays.FULL
        rates = []
        for row in delays.RATES:
            self.tell("delay: {:g} -> {:g}, n = {}".format(*row))
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
        streams, panes = ((1, 100), 10) if self._quick else ((1, 100, 1000), 60)
        self.tell("cost of a pane")
        self._say("CPU time of one pane, every documented rule on", cost.table(cost.measured(streams, panes)))

    def real(self) -> None:
        place = real.folder()
        if place is None:
            self.tell("real streams left out: TOCSIN_REAL_DATA names no folder")
            return
        self.tell(f"real: replaying {real.AT_ONCE} streams at once")
        self._real = real.tocsin_rows(place, self._quick, self.tell)
        self._say("Real streams", real_streams.table(self._real))
        self._streams = real.told(self._real)

    def peers(self) -> None:
        extent = river_peers.QUICK if self._quick else river_peers.FULL
        found = self._cases()
        rows = river_peers.compared(extent, found, self.tell)
        if not self._quick and self.within("window peers"):
            rows += window_peers.compared(found, self.left_s, self.tell)
        rows = river_peers.with_real(rows, river_peers.TOCSIN, real.cells(found, self._real))
        self._say(PEERS_TITLE, river_peers.table(rows))

    def _cases(self) -> list[Case]:
        place = real.folder()
        return [] if place is None or self._quick else list(cases(place))

    def last_line(self) -> str:
        return f"detection: {self._nulls}, {self._delay}, {self._streams}"

    def tell(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", file=sys.stderr, flush=True)

    def _say(self, title: str, table: str) -> None:
        click.echo(f"### {title}\n\n{table}\n")


@click.command(help=__doc__)
@click.option(
    "--quick",
    is_flag=True,
    help="Smaller: A to 10,000, short real streams, no slow peers; at most ten minutes.",
)
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Run this part alone; may come several times."
)
@click.option("--minutes", type=float, help="Begin no part after so long; 60, with --quick 10.")
@click.option(
    "--peers",
    "install",
    is_flag=True,
    help="First install Evidently, NannyML, alibi-detect and popmon, each into an environment of its own.",
)
@click.option(
    "--null",
    "names",
    multiple=True,
    metavar="TEXT",
    help="Only nulls with this in their name; seeds stay the same.",
)
def main(
    quick: bool, only: tuple[str, ...], minutes: float | None, install: bool, names: tuple[str, ...]
) -> None:
    if install:
        window_tools.main()
    run = Run(quick, minutes or (QUICK_MINUTES if quick else FULL_MINUTES), names)
    parts: dict[str, Callable[[], None]] = {
        "false-alarms": run.false_alarms,
        "delay": run.delay,
        "cost": run.cost,
        "real": run.real,
        "peers": run.peers,
    }
    for name, part in parts.items():
        if (not only or name in only) and run.within(name):
            part()
    click.echo(run.last_line())


if __name__ == "__main__":
    main()
