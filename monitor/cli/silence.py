"""`tocsin silence add|list|expire`."""

import getpass
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from monitor.cli.options import config_option, ledger, loaded
from monitor.config import LEDGER
from monitor.config.model import Config
from monitor.config.mutes import OF_INCIDENT
from monitor.config.problem import meant
from monitor.config.values import milliseconds
from monitor.errors import UsageError
from monitor.ledger import silences
from monitor.ledger.decided import silence as table

NEED = LEDGER | {"streams"}
LONGEST_MS = 30 * 86_400_000


@click.group()
def silence() -> None:
    """Say for how long nobody is to be told of some incidents."""


@silence.command()
@click.argument("match", nargs=-1, required=True, metavar="LABEL=GLOB...")
@click.option("--for", "length", required=True, help="How long, such as 2h; at most 30d.")
@click.option("--reason", required=True, help="Why; stands in every timeline that it touches.")
@click.option("--by", default=getpass.getuser, help="Who does it (default: your login name).")
@config_option
def add(match: tuple[str, ...], length: str, reason: str, by: str, path: str | None) -> None:
    """Tell nobody of incidents that match all of LABEL=GLOB: a label of the stream, rule, stream, signal or severity.

    Incidents open and are kept. That an incident is over is still told to whoever heard of it, and so is every kill.
    Who still fires when the silence ends is told then.
    """
    settings = loaded(path, NEED)
    found, for_ms = _matched(match, settings), _length(length)
    with ledger(settings) as conn:
        made = silences.add(conn, found, for_ms=for_ms, author=by, reason=reason)
    click.echo(f"{made}: {' '.join(match)} is silent for {length}; to end it: tocsin silence expire {made}")


@silence.command("list")
@click.option("--all", "whole", is_flag=True, help="Those that are over, too.")
@config_option
def list_(whole: bool, path: str | None) -> None:
    """The silences in force: who, why, until when."""
    with ledger(loaded(path, LEDGER)) as conn:
        rows = conn.execute(select(table).order_by(table.c.created_at)).all()
    now = datetime.now(UTC)
    shown = [row for row in rows if whole or row.expires_at > now]
    if not shown:
        click.echo("no silence is in force")
        return
    grid = Table("id", "match", "until (UTC)", "by", "reason")
    for row in shown:
        match = " ".join(f"{label}={','.join(globs)}" for label, globs in row.match.items())
        until = row.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        grid.add_row(row.silence_id, match, until, row.author, row.reason)
    Console(width=None if Console().is_terminal else 200).print(grid)


@silence.command()
@click.argument("silence_id", metavar="ID")
@click.option("--by", default=getpass.getuser, help="Who does it (default: your login name).")
@config_option
def expire(silence_id: str, by: str, path: str | None) -> None:
    """End a silence now."""
    with ledger(loaded(path, LEDGER)) as conn:
        ended = silences.expire(conn, silence_id, by)
    if not ended:
        raise UsageError(f"there is no silence {silence_id} in force: `tocsin silence list` has them")
    click.echo(f"{silence_id} is over")


def _matched(pairs: tuple[str, ...], settings: Config) -> dict[str, tuple[str, ...]]:
    known = (*settings.streams.labels, *OF_INCIDENT)
    found: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        label, equals, globs = pair.partition("=")
        if not equals or not globs:
            raise UsageError(f"{pair} is no label with a value: write {known[0]}=NAME")
        if label not in known:
            raise UsageError(f"{label} is not a label: {meant(label, known)}")
        found[label] = tuple(globs.split(","))
    return found


def _length(text: str) -> int:
    try:
        length = milliseconds(text)
    except ValueError:
        raise UsageError(f"--for {text} is not a duration: write 30m, 2h or 3d") from None
    if not 0 < length <= LONGEST_MS:
        raise UsageError(f"--for {text} is out of range: at most 30d, or a mute in alerts.yaml")
    return length
