"""`tocsin reference`."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.table import Table
from sqlalchemy import Connection

from monitor.cli.importing import Imported, import_references, rows_of
from monitor.cli.options import config_option, ledger, loaded
from monitor.cli.printed import Screen, say
from monitor.config import LEDGER
from monitor.config.model import Config
from monitor.errors import UsageError
from monitor.judge.promoting import promotable, promote
from monitor.ledger import references
from monitor.ledger.engine import connect
from monitor.ledger.references import Listed
from monitor.records.signals import Signal

MOMENT = click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])
WEEK = timedelta(days=7)


@click.group()
def reference() -> None:
    """What is normal: list references, import one, or promote a stretch of time."""


@reference.command("list")
@click.option("--stream", help="Of one stream only.")
@config_option
def list_(stream: str | None, path: str | None) -> None:
    """Show every reference with where it comes from, the one in force first."""
    settings = loaded(path, LEDGER)
    with ledger(settings) as conn:
        found = list(references.listed(conn, stream))
    if not found:
        say("no reference yet: `tocsin status` says how far each stream has come")
        return
    Screen(width=120).print(_table(settings, found))


def _table(settings: Config, found: list[Listed]) -> Table:
    table = Table(
        "id", "stream", "signal", "state", "origin", "values", "from", "until", "by", "note", box=None
    )
    for r in sorted(found, key=lambda r: (r.stream, r.signal, -r.reference_id)):
        signal = settings.coded(r.signal)
        span = [f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for at in (r.learned_from, r.learned_until)]
        by = f"{r.hours} hours of the week" if r.hours else ""
        name = signal.name if signal else f"code {r.signal}"
        table.add_row(str(r.reference_id), r.stream, name, r.state, r.origin, f"{r.n:,}", *span, by, r.note)
    return table


@reference.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", help="The model of rows that name none.")
@config_option
def import_(file: Path, model: str | None, path: str | None) -> None:
    """Make FILE the reference: an eval set with one prediction record a line (JSONL), or a CSV with their fields."""
    settings = loaded(path, LEDGER)
    rows = list(rows_of(file, model))
    engine = connect(settings.store_url, name="tocsin import")
    try:
        with ledger(settings) as conn:
            found = import_references(conn, engine, settings, rows, file.name, time.time_ns() // 1_000_000)
    finally:
        engine.dispose()
    for one in found:
        say(_told(one))


def _told(one: Imported) -> str:
    if one.reference_id is None:
        return f"{one.signal}: {one.n} values are too few for a reference, left as it was"
    return f"{one.signal}: reference #{one.reference_id} of {one.n:,} values"


@reference.command("promote")
@click.option("--id", "reference_id", type=int, help="Go back to this earlier reference.")
@click.option("--stream", help="The stream whose panes to take.")
@click.option("--signal", "name", help="One signal (default: all that the stream has).")
@click.option("--since", type=MOMENT, help="From here, in UTC.")
@click.option("--until", type=MOMENT, help="To here, in UTC (default: now).")
@click.option(
    "--by", type=click.Choice(["hour_of_week"]), help="By the hour of the week too: 7 days or more."
)
@config_option
def promote_(
    reference_id: int | None,
    stream: str | None,
    name: str | None,
    since: datetime | None,
    until: datetime | None,
    by: str | None,
    path: str | None,
) -> None:
    """Make a stretch of stored time the reference of a stream, or an earlier reference again."""
    settings = loaded(path, LEDGER)
    with ledger(settings) as conn:
        if reference_id is not None:
            say(_again(conn, reference_id))
        elif stream is None or since is None:
            raise UsageError("name --stream and --since (and --until), or --id of an earlier reference")
        else:
            begin, end = since.replace(tzinfo=UTC), (until or datetime.now(UTC)).replace(tzinfo=UTC)
            if by is not None and end - begin < WEEK:
                raise UsageError("by hour of the week every hour must have come once: name 7 days or more")
            for line in _promoted(conn, settings, stream, name, begin, end, by is not None):
                say(line)


def _again(conn: Connection, reference_id: int) -> str:
    again = references.again(conn, reference_id, f"again #{reference_id}")
    if again is None:
        raise UsageError(f"there is no reference #{reference_id}: `tocsin reference list` shows them")
    return f"reference #{references.add(conn, again)} is #{reference_id} again"


def _promoted(
    conn: Connection,
    settings: Config,
    stream: str,
    name: str | None,
    since: datetime,
    until: datetime,
    by_hour: bool,
) -> Iterator[str]:
    number = references.stream_id(conn, stream)
    if number is None:
        raise UsageError(f"there is no stream {stream}: `tocsin status` lists them")
    note = f"{since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S}"
    for signal in [_signal(settings, name)] if name else promotable(conn, settings, number, since, until):
        try:
            found = promote(conn, number, signal, since, until, "promoted", note, by_hour=by_hour)
        except UsageError as error:
            if name:
                raise
            yield f"{error}; left as it was"
        else:
            yield f"{signal.name}: reference #{found}"


def _signal(settings: Config, name: str) -> Signal:
    try:
        return settings.signal(name)
    except KeyError:
        raise UsageError(f"there is no signal {name}: docs/signals.md lists them") from None
