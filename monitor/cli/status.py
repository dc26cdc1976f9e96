"""`tocsin status`."""

from datetime import UTC, datetime
from typing import Final

import click
from rich.table import Table
from sqlalchemy import Connection, text

from monitor.cli.marked import LONGEST_LIST, FalselyAlarmed, falsely_alarmed
from monitor.cli.options import config_option, ledger, part_loaded
from monitor.cli.printed import Screen, cell, grid
from monitor.config import LEDGER
from monitor.ledger.budgets import Budgets, budgets
from monitor.ledger.unguaranteed import BY_STREAM

NEED: Final = LEDGER | {"false_alarms", "streams"}

_SECTIONS: Final = (
    (
        "Partitions",
        "SELECT topic, partition, next_offset, judged_offset, counted, skipped, lag, watermark, updated_at "
        "FROM tocsin.progress ORDER BY 1, 2",
    ),
    (
        "Streams",
        # What is beyond `streams.max` counts as `(other)`, which is there from the beginning.
        "SELECT stream, state, learned, needed, reference_id, last_seen FROM tocsin.streams "
        "WHERE stream <> '(other)' OR last_seen IS NOT NULL ORDER BY 1 LIMIT 50",
    ),
    ("Watched without guarantee", f"{BY_STREAM} LIMIT 50"),
    (
        "Incidents that fire",
        "SELECT incident_id, severity, rule, onset_at, acknowledged_by, summary FROM tocsin.incidents "
        "WHERE state = 'firing' ORDER BY onset_at",
    ),
    (
        "Kill switches",
        "SELECT switch, stream, state, mode, since, confirmed_at, reason FROM tocsin.kill_switches ORDER BY 1",
    ),
    (
        "Messages not delivered",
        "SELECT receiver, event, state, attempts, last_error FROM tocsin.deliveries "
        "WHERE state IN ('pending', 'failed', 'expired') ORDER BY created_at DESC LIMIT 20",
    ),
)

_NOTHING: Final = {"Kill switches": "none was ever pulled"}


@click.command()
@config_option
def status(path: str | None) -> None:
    """What is watched, how far it has come, what fires, what could not be told, and what was a false alarm."""
    console = Screen(width=None if Screen().is_terminal else 200)
    settings = part_loaded(path, NEED)
    console.print(f"All times UTC, as of {cell(datetime.now(UTC))}", highlight=False)
    with ledger(settings) as conn:
        for title, query in _SECTIONS:
            console.print(_queried(conn, title, query))
        spent = budgets(conn, LONGEST_LIST)
        found = falsely_alarmed(conn, settings)
    if spent.worst:
        console.print(_spent(spent))
    _tell(console, found)


def _tell(console: Screen, found: FalselyAlarmed) -> None:
    """The promise against what people marked; silence about outcomes must not look like their absence."""
    console.print("False alarms", style="bold")
    for tally in found.tallies:
        console.print(str(tally), highlight=False)
    shown = found.unmarked[:LONGEST_LIST]
    if not shown:
        return
    console.print(
        "What were these? Say it: tocsin ack INCIDENT --outcome true|false_alarm|expected", highlight=False
    )
    columns = ("incident_id", "severity", "rule", "detected_at", "summary")
    table = grid(f"Unmarked, {len(shown)} of {len(found.unmarked)}", columns)
    for incident in shown:
        table.add_row(*(cell(getattr(incident, column)) for column in columns))
    console.print(table)


def _spent(found: Budgets) -> Table:
    n = len(found.worst)
    title = f"Error budgets, the worst {n} of {n + found.rest}" if found.rest else "Error budgets"
    table = grid(title, ("rule", "stream", "objective", "good", "budget_left"))
    for budget in found.worst:
        table.add_row(budget.rule, budget.stream, budget.aim, budget.share, str(budget))
    return table


def _queried(conn: Connection, title: str, query: str) -> Table | str:
    result = conn.execute(text(query))
    rows = result.all()
    if not rows:
        return f"{title}: {_NOTHING.get(title, 'none')}"
    table = grid(title, tuple(result.keys()))
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    return table
