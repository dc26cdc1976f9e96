"""`tocsin incidents`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
import msgspec
from sqlalchemy import Row

from monitor.cli.options import Command, config_option, ledger, part_loaded
from monitor.cli.printed import Screen, cell, grid, say
from monitor.config import LEDGER
from monitor.errors import UsageError
from monitor.ledger.incident_search import COLUMNS, OUTCOMES, SEVERITIES, STATES, Wanted

MOST: Final = 50
SHOWN: Final = (
    "incident_id", "severity", "state", "rule", "stream", "onset_at", "ended_at", "outcome", "summary",
)  # fmt: skip


def _filters(command: Command) -> Command:
    """Options that say which incidents are meant."""
    options = (
        click.option("--since", metavar="TIME", help="Opened since: 24h, 7d or 2026-11-14, in UTC."),
        click.option("--stream", help="Of this stream; * stands for anything."),
        click.option("--rule", help="By this rule; * stands for anything."),
        click.option("--severity", type=click.Choice(SEVERITIES), help="Of this severity."),
        click.option("--state", type=click.Choice(STATES), help="In this state."),
        click.option(
            "--outcome", type=click.Choice(OUTCOMES), help="That turned out so; none: not said yet."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_filters
@click.option("--limit", default=MOST, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, as the view tocsin.incidents.")
@config_option
def incidents(path: str | None, limit: int, as_json: bool, **filters: str | None) -> None:
    """Find incidents, also those that are over: the newest first."""
    wanted = _wanted(filters)
    with ledger(part_loaded(path, LEDGER)) as conn:
        found = wanted.newest(conn, limit)
    if as_json:
        for row in found.rows:
            say(msgspec.json.encode({name: getattr(row, name) for name in COLUMNS}).decode())
    elif found.rows:
        _show(found.rows)
    else:
        say(_none(filters))
    if found.more:
        say(f"these are the newest {limit:,}: --limit shows more", err=True)


def _wanted(filters: Mapping[str, str | None]) -> Wanted:
    try:
        return Wanted.of(filters)
    except UsageError as wrong:
        raise UsageError(f"--{wrong}") from None


def _show(rows: Sequence[Row[Any]]) -> None:
    table = grid(None, SHOWN)
    for row in rows:
        table.add_row(*(cell(getattr(row, name)) for name in SHOWN))
    Screen(width=None if Screen().is_terminal else 200).print(table)


def _none(filters: Mapping[str, str | None]) -> str:
    given = " ".join(f"--{name} {value}" for name, value in filters.items() if value)
    return f"no incident has {given}" if given else "no incident was ever opened"
