"""`tocsin silence add|list|expire`."""

import getpass
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import click
from rich.table import Table
from sqlalchemy import Connection, select

from monitor.cli.options import config_option, ledger, loaded
from monitor.cli.printed import Screen, say
from monitor.config import LEDGER
from monitor.config.model import Config
from monitor.config.mutes import OF_INCIDENT
from monitor.config.never import RESERVED
from monitor.config.problem import meant
from monitor.config.rule import Match, Severity, accepts
from monitor.config.values import milliseconds
from monitor.errors import UsageError
from monitor.judge.ledger_incidents import LedgerIncidents
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
    if not reason.strip():
        raise UsageError("--reason is empty: say why, for those who look later")
    with ledger(settings) as conn:
        made = silences.add(conn, found, for_ms=for_ms, author=by, reason=reason)
        now = _firing(conn, Match(found))
    say(f"{made}: {' '.join(match)} is silent for {length}; to end it: tocsin silence expire {made}")
    say(f"it holds for {now} incident{'' if now == 1 else 's'} that fire{'s' if now == 1 else ''} now")


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
        say("no silence is in force")
        return
    grid = Table("id", "match", "until (UTC)", "by", "reason")
    for row in shown:
        match = " ".join(f"{label}={','.join(globs)}" for label, globs in row.match.items())
        until = row.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        grid.add_row(row.silence_id, match, until, row.author, row.reason)
    Screen(width=None if Screen().is_terminal else 200).print(grid)


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
    say(f"{silence_id} is over")


def _matched(pairs: tuple[str, ...], settings: Config) -> dict[str, tuple[str, ...]]:
    known = (*settings.streams.labels, *OF_INCIDENT)
    found: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        label, equals, globs = pair.partition("=")
        if not equals or not globs:
            raise UsageError(f"{pair} is no label with a value: write {known[0]}=NAME")
        if label not in known:
            raise UsageError(f"{label} is not a label: {meant(label, known)}")
        if label in found:
            raise UsageError(f"{label} is there twice: write {label}={','.join(found[label])},{globs}")
        found[label] = tuple(globs.split(","))
        if not all(found[label]):
            raise UsageError(f"{pair} has an empty value: remove the comma")
    _refuse_unknown("rule", found, {rule.name for rule in settings.rules})
    _refuse_unknown("severity", found, set(Severity))
    return found


def _refuse_unknown(word: str, found: Mapping[str, tuple[str, ...]], known: Collection[str]) -> None:
    """A silence of what there is not would leave the page that it was meant for."""
    globs = found.get(word, ())
    own = any(glob.startswith(RESERVED) for glob in globs)
    if globs and not own and not any(accepts(globs, value) for value in known):
        raise UsageError(
            f"no {word} is called {','.join(globs)}: {meant(globs[0], known) or 'see tocsin check'}"
        )


def _firing(conn: Connection, match: Match) -> int:
    """How many incidents that fire now it holds for."""
    return sum(match.accepts(one.words) for one in LedgerIncidents(conn).firing())


def _length(text: str) -> int:
    try:
        length = milliseconds(text)
    except ValueError:
        raise UsageError(f"--for {text} is not a duration: write 30m, 2h or 3d") from None
    if not 0 < length <= LONGEST_MS:
        raise UsageError(f"--for {text} is out of range: at most 30d, or a mute in alerts.yaml")
    return length
