"""The report of `check --false-alarms` for people, 100 columns wide."""

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.table import Table

from monitor.cli.printed import Screen
from monitor.cli.promise.foresight import Foreseen, Volume
from monitor.cli.promise.parts import Part
from monitor.cli.promise.population import P99_TO_MEDIAN
from monitor.cli.promise.report import Report
from monitor.ledger.wording import digits, duration, percent

WIDTH: Final = 100


def show(report: Report) -> None:
    """Print it."""
    console = Screen(width=WIDTH, highlight=False)
    console.print(_promise(report))
    console.print(_shared(report.parts))
    console.print(_kills(report))
    console.print(_outside(report))
    console.print(_limits(report))
    for table in _delays(report.delays):
        console.print(table)
    if report.kill_delays:
        console.print(
            _table_of(
                report.kill_delays,
                "How soon a switch would be pulled, once so many requests are beyond it",
            )
        )
    console.print(_assumed(report.volume, report.block))


def _promise(report: Report) -> str:
    promise = report.promise
    over = f"the streams of each {promise.per}" if promise.per else "everything"
    return (
        f"{report.path} promises {promise.text}: the expected number of false alarms over {over} is at most "
        f"{digits(promise.alarms)} in 30 d, with probability at least 95% over the learning of all references, and "
        f"while streams stay within their tolerances. Evidence speaks at A = {promise.threshold:,.0f} panes of 10 s.\n"
    )


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)


def _shared(parts: Sequence[Part]) -> Table:
    table = _table("How the promise is shared")
    for column in ("rule", "signal", "side", "severity", "limit"):
        table.add_column(column, overflow="fold")
    table.add_column("share", justify="right")
    table.add_column("in 30 d", justify="right")
    for p in parts:
        limit = f"{p.limit}, wider" if p.wider else p.limit
        table.add_row(p.rule, p.signal, p.side, p.severity, limit, percent(p.share), digits(p.alarms))
    table.add_row(
        "", "", "", "", "", percent(sum(p.share for p in parts)), digits(sum(p.alarms for p in parts))
    )
    return table


def _kills(report: Report) -> str:
    if not report.kills:
        return "No rule can pull a kill switch.\n"
    words = ", ".join(f"{k.rule} ({k.signal}) can pull {k.switch}: {digits(k.alarms)}" for k in report.kills)
    return (
        f"False kills have a promise of their own, over all rules and streams that can kill: at most "
        f"{digits(report.promise.kills)} in 30 d (A = {report.promise.kill_threshold:,.0f} s). {words}.\n"
    )


def _outside(report: Report) -> str:
    if not report.outside:
        return "No rule stands outside the promise.\n"
    return "Outside the promise: " + "; ".join(f"{o.rule}, {o.why}" for o in report.outside) + ".\n"


def _limits(report: Report) -> Table:
    table = _table("What the limits mean")
    for column in ("rule", "signal", "side", "severity", "limit", "meaning"):
        table.add_column(column, overflow="fold")
    for m in report.limits:
        table.add_row(m.rule, m.signal, m.side, m.severity, m.limit, m.meaning)
    return table


def _delays(found: Sequence[Foreseen]) -> list[Table]:
    """Rules on shares and rules on quantities change in different units: a table each."""
    titles = {
        "+": "How soon so many points more would be seen",
        "x": "How soon a quantity so many times as large (or as small) would be seen",
    }
    kinds = {sign: [f for f in found if f.delays[0].shift.startswith(sign)] for sign in titles}
    return [_table_of(rows, titles[sign]) for sign, rows in kinds.items() if rows]


def _table_of(rows: Sequence[Foreseen], title: str) -> Table:
    table = _table(title)
    for column in ("rule", "signal", "severity", "limit"):
        table.add_column(column, overflow="fold")
    for column in ("block", *(d.shift for d in rows[0].delays)):
        table.add_column(column, justify="right", no_wrap=True)
    for f in rows:
        cells = (_seconds(d.seconds) for d in f.delays)
        table.add_row(f.rule, f.signal, f.severity, f.limit, f"{f.block_s} s", *cells)
    return table


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else duration(1000 * seconds)


def _assumed(volume: Volume, block: str) -> str:
    streams = "one stream" if volume.streams == 1 else f"{volume.streams:,} streams"
    blocks = (
        f"that before learning; it is {block}" if volume.block_s is None else f"{volume.block_s} s, as asked"
    )
    return (
        f"Assumed: {streams} at {digits(volume.per_second)}/s each, rates and rare categories at "
        f"{percent(volume.rate)}, quantities with a p99 of {P99_TO_MEDIAN:g} times their median; a limit that is no "
        f"tolerance is exceeded from where it stands. The block is {blocks}. "
        "Each time is the limit ln(A/w) / max E ln(1 + b(X - m)) of evidence that trusts nothing but the "
        "mean of a block; measured delays are 0.8 to 1.3 times that, plus the block in which it begins. `never`: "
        "within the limit, or the limit is over half of all, which no evidence shows. See docs/false-alarms.md."
    )
