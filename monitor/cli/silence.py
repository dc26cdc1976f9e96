"""`tocsin silence add|list|expire`."""

import getpass
from datetime import UTC, datetime

import click
from rich.table import Table
from sqlalchemy import select

from monitor.cli.options import config_option, ledger, part_loaded
from monitor.cli.printed import Screen, say
from monitor.config import LEDGER
from monitor.config.matchers import written
from monitor.errors import UsageError
from monitor.judge import silencing
from monitor.ledger import silences
from monitor.ledger.decided import silence as table

NEED = LEDGER | {"streams"}


@click.group()
def silence() -> None:
    """Say for how long nobody is to be told of some incidents."""


@silence.command()
@click.argument("match", nargs=-1, required=True, metavar="LABEL=GLOB...")
@click.option("--for", "length", required=True, help="How long, such as 2h; at most 30d.")
@click.option("--reason", default="", help="Why; stands in every timeline that it touches.")
@click.option("--by", default=getpass.getuser, help="Who does it (default: your login name).")
@config_option
def add(match: tuple[str, ...], length: str, reason: str, by: str, path: str | None) -> None:
    """Tell nobody of incidents that match all of LABEL=GLOB: a label of the stream, rule, stream, signal or severity.

    Several globs are apart by commas: model=chat-*,search. What is special stands in brackets where it is meant as it
    is: [,] [*] [?] [[].

    Incidents open and are kept. That an incident is over is still told to whoever heard of it, and so is every kill.
    Who still fires when the silence ends is told then.
    """
    settings = part_loaded(path, NEED)
    found, for_ms = silencing.matched(match, settings), _length_ms(length)
    with ledger(settings) as conn:
        begun = silencing.begin(conn, found, for_ms=for_ms, author=by, reason=reason.strip())
    made, now = begun.silence_id, begun.holds_for
    say(f"{made}: {written(found)} is silent for {length}; to end it: tocsin silence expire {made}")
    say(f"it holds for {now} incident{'' if now == 1 else 's'} that fire{'s' if now == 1 else ''} now")


@silence.command("list")
@click.option("--all", "whole", is_flag=True, help="Those that are over, too.")
@config_option
def list_(whole: bool, path: str | None) -> None:
    """The silences in force: who, why, until when."""
    with ledger(part_loaded(path, LEDGER)) as conn:
        rows = conn.execute(select(table).order_by(table.c.created_at)).all()
    now = datetime.now(UTC)
    shown = [row for row in rows if whole or row.expires_at > now]
    if not shown:
        say("no silence is in force")
        return
    grid = Table("id", "match", "until (UTC)", "by", "reason")
    for row in shown:
        until = row.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        grid.add_row(row.silence_id, written(row.match), until, row.author, row.reason or "-")
    Screen(width=None if Screen().is_terminal else 200).print(grid)


@silence.command()
@click.argument("silence_id", metavar="ID")
@click.option("--by", default=getpass.getuser, help="Who does it (default: your login name).")
@config_option
def expire(silence_id: str, by: str, path: str | None) -> None:
    """End a silence now."""
    with ledger(part_loaded(path, LEDGER)) as conn:
        ended = silences.expire(conn, silence_id, by)
    if not ended:
        raise UsageError(f"there is no silence {silence_id} in force: `tocsin silence list` has them")
    say(f"{silence_id} is over")


def _length_ms(text: str) -> int:
    try:
        return silencing.length_ms(text)
    except UsageError as wrong:
        raise UsageError(f"--for {wrong}") from None
