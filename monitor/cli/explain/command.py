"""`tocsin explain`."""

import shutil
from pathlib import Path
from typing import Final

import click
from rich import box
from rich.table import Table

from monitor.cli.explain import chart
from monitor.cli.explain.case import PANE, Case, Span, read_case
from monitor.cli.explain.evidence import Recomputed, keeps_evidence, recomputed
from monitor.cli.explain.plots import drawn
from monitor.cli.explain.words import paragraphs, share_limit, told
from monitor.cli.options import config_option, ledger, loaded
from monitor.cli.printed import Screen, say
from monitor.config import LEDGER
from monitor.errors import UsageError, unknown_incident
from monitor.ledger.wording import duration, percent

WIDTH: Final = 100
NARROWEST, WIDEST = 72, 140
BAR: Final = 36
MOST_ROWS: Final = 30


@click.command()
@click.argument("incident")
@click.option(
    "--rows",
    type=click.IntRange(5, 1_000),
    default=MOST_ROWS,
    show_default=True,
    help="Panes around the onset, at most; more of them are added up.",
)
@click.option(
    "--plot",
    "chart_path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the evidence as a chart, .html or .png (needs the extra `plot`).",
)
@config_option
def explain(incident: str, rows: int, chart_path: Path | None, path: str | None) -> None:
    """Show why INCIDENT was opened: rule, reference, limit, what was counted around its onset, and the evidence.

    The evidence is recomputed from the stored panes by the rules in alerts.yaml as they are now; where it does not come
    to the incident, it says so.
    """
    settings = loaded(path, LEDGER)
    if chart_path is not None:
        chart.check(chart_path)
    with ledger(settings, reading=True) as conn:
        case = read_case(conn, incident, rows)
        if case is None:
            raise unknown_incident(incident)
        found = recomputed(conn, settings, case.row) if keeps_evidence(case.facts) else None
    console = Screen(width=width(), highlight=False)
    console.print(_words(case))
    if case.spans:
        console.print(_plotted(case))
    else:
        console.print("\nThe panes around its onset are no longer, or were never, in the ledger.")
    if found is not None:
        _show_evidence(console, found)
    if chart_path is not None:
        _write_chart(chart_path, case, found)
        say(f"wrote {chart_path}", err=True)


def width() -> int:
    """Of the terminal, within what is still well read."""
    return min(max(shutil.get_terminal_size((WIDTH, 24)).columns, NARROWEST), WIDEST)


def _show_evidence(console: Screen, found: Recomputed) -> None:
    console.print()
    for line in told(found):
        console.print(line)
    if found.trace is not None and found.trace.blocks:
        console.print()
        for line in drawn(found.trace, console.width):
            console.print(line, no_wrap=True, overflow="crop")


def _write_chart(path: Path, case: Case, found: Recomputed | None) -> None:
    if found is None or found.trace is None or not found.trace.blocks:
        raise UsageError("there is no evidence to draw: see above")
    title = f"{case.row.incident_id}: {case.row.summary}"
    chart.write(path, found.trace, title, " ".join(told(found)[:1]))


def _words(case: Case) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for heading, text in paragraphs(case):
        table.add_row(heading, text)
    return table


def _plotted(case: Case) -> Table:
    """A row for each span, its rate as a bar, the limit as a mark in it."""
    limit, counted = share_limit(case), case.event.what != "traffic"
    top = _top(case, limit)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=_title(case), title_justify="left")
    for column in ("UTC", *(("k",) if counted else ()), "n", *(("rate", "limit") if counted else ())):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(f"0 to {percent(top)}" if counted else f"0 to {top:,.0f}", no_wrap=True, min_width=BAR)
    table.add_column("", no_wrap=True)
    for span in case.spans:
        table.add_row(
            *_cells(span, limit, counted), _bar(_height(span, counted), limit, top), _mark(span, case)
        )
    return table


def _title(case: Case) -> str:
    each = "each pane of 10 s" if case.step == PANE else f"each {duration(1000 * case.step.total_seconds())}"
    marked = "; | is the limit" if share_limit(case) is not None else ""
    return f"\nAround the onset, {each}, by event time{marked}"


def _top(case: Case, limit: float | None) -> float:
    """What a full bar stands for."""
    if case.event.what == "traffic":
        return float(max(span.n for span in case.spans))
    rates = [span.k / span.n for span in case.spans if span.n]
    return max([*rates, 1.25 * (limit or 0.0), 1e-6])


def _cells(span: Span, limit: float | None, counted: bool) -> list[str]:
    at = f"{span.at:%H:%M:%S}"
    if not counted:
        return [at, f"{span.n:,}"]
    rate = percent(span.k / span.n) if span.n else "-"
    return [at, f"{span.k:,}", f"{span.n:,}", rate, "-" if limit is None else percent(limit)]


def _height(span: Span, counted: bool) -> float:
    return (span.k / span.n if span.n else 0.0) if counted else float(span.n)


def _bar(height: float, limit: float | None, top: float) -> str:
    """`#####  |` : filled up to `height`, the limit as a mark."""
    filled = min(round(height / top * BAR), BAR) if top else 0
    bar = "█" * filled + " " * (BAR - filled)
    if limit is None:
        return bar
    at = min(int(limit / top * BAR), BAR - 1)
    return f"{bar[:at]}|{bar[at + 1 :]}"


def _mark(span: Span, case: Case) -> str:
    """The span that holds the onset, and the last one that the detection rests on."""
    end = span.at + case.step
    said = []
    if span.at <= case.row.onset_at < end:
        said.append("onset")
    if span.at < case.row.detected_at <= end:
        said.append("detected")
    return ", ".join(said)
