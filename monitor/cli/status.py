"""`tocsin status`."""

from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from monitor.cli.options import config_option, ledger, loaded
from monitor.config import LEDGER

_SECTIONS: Final = (
    (
        "Partitions",
        "SELECT topic, partition, next_offset, judged_offset, counted, skipped, lag, watermark, updated_at "
        "FROM tocsin.progress ORDER BY 1, 2",
    ),
    (
        "Streams",
        "SELECT stream, state, learned, needed, reference_id, last_seen FROM tocsin.streams ORDER BY 1 LIMIT 50",
    ),
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


@click.command()
@config_option
def status(path: str | None) -> None:
    """What is watched, how far it has come, what fires, and what could not be told."""
    console = Console(width=None if Console().is_terminal else 200)
    with ledger(loaded(path, LEDGER)) as conn:
        for title, query in _SECTIONS:
            console.print(_table(conn, title, query))


def _table(conn: Connection, title: str, query: str) -> Table | str:
    result = conn.execute(text(query))
    rows = result.all()
    if not rows:
        return f"{title}: none"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in list(result.keys()):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_shown(value) for value in row))
    return table


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return value.strftime("%Y-%m-%d %H:%M:%S") if hasattr(value, "strftime") else str(value)
