"""`tocsin samples list|export|mark`."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec
from rich.table import Table

from monitor.cli.options import Command, config_option, ledger, part_loaded
from monitor.cli.printed import Screen, say
from monitor.cli.reference import MOMENT
from monitor.config import LEDGER
from monitor.config.model import Config
from monitor.errors import UsageError
from monitor.ledger.reviewing import VERDICTS, Mark, Outcome, Verdict, mark_samples
from monitor.ledger.samples import Wanted, as_object
from monitor.records.allowance import WHYS

MOST_LISTED: Final = 50
AT_ONCE: Final = 500
RECORD_CHARS: Final = 80


def _wanted(command: Command) -> Command:
    """Options that say which samples are meant."""
    options = (
        click.option("--stream", help="Of this stream."),
        click.option("--incident", metavar="INCIDENT", help="That show this incident."),
        click.option("--why", type=click.Choice(WHYS), help="Why they were kept."),
        click.option("--since", type=MOMENT, help="From here, in UTC."),
        click.option("--until", type=MOMENT, help="To here, in UTC."),
        click.option("--marked/--unmarked", default=None, help="Only those that are marked, or are not."),
        config_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def samples() -> None:
    """Look at the records that are kept, and mark them good or bad."""


@samples.command("list")
@_wanted
@click.option(
    "--limit", default=MOST_LISTED, show_default=True, type=click.IntRange(1), help="At most so many."
)
def list_(path: str | None, limit: int, **wanted: Any) -> None:
    """The newest samples: why each was kept, what it shows, and its mark."""
    with ledger(part_loaded(path, LEDGER)) as conn:
        rows = conn.execute(_asked(wanted).newest_first().limit(limit)).all()
    if not rows:
        say("there are no such samples: `tocsin run` keeps some of every stream")
        return
    grid = Table("id", "at (UTC)", "stream", "version", "why", "signal", "incident", "mark", "record")
    for row in rows:
        at = row.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        what = (row.stream, row.version, row.why, row.signal, row.incident_id, row.mark)
        grid.add_row(row.sample_id, at, *(value or "" for value in what), row.record[:RECORD_CHARS])
    Screen(width=None if Screen().is_terminal else 250).print(grid)


@samples.command()
@_wanted
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file (default: stdout)."
)
def export(path: str | None, output: Path | None, **wanted: Any) -> None:
    """Write samples as JSON lines, the oldest first: one object each, with the mark it has."""
    asked = _asked(wanted).oldest_first()
    with ledger(part_loaded(path, LEDGER), reading=True) as conn, _opened(output) as lines:
        n = 0
        for row in conn.execution_options(yield_per=AT_ONCE).execute(asked):
            lines.write(msgspec.json.encode(as_object(row)) + b"\n")
            n += 1
    say(f"{n:,} samples", err=True)


@samples.command()
@click.argument("verdict", type=click.Choice(VERDICTS))
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--note", default="", help="Why, for those who look later.")
@click.option("--by", default=getpass.getuser, help="Who says so (default: your login name).")
@config_option
def mark(verdict: Verdict, ids: tuple[str, ...], note: str, by: str, path: str | None) -> None:
    """Mark samples good or bad.

    The first mark of a sample counts once as a label that came later: `incorrect` of its stream and version. Later ones
    change what is shown, and all of them are kept (`tocsin.marks`).
    """
    settings = part_loaded(path, LEDGER)
    for first in range(0, len(ids), AT_ONCE):
        outcome = _marked(settings, ids[first : first + AT_ONCE], Mark(verdict, note, by))
        for line in _told(outcome, verdict):
            say(line)
        if outcome.unknown:
            raise UsageError(f"there is no sample {outcome.unknown[0]}: `tocsin samples list` has them")


def _marked(settings: Config, ids: tuple[str, ...], said: Mark) -> Outcome:
    with ledger(settings, reading=True) as conn:
        return mark_samples(conn.engine, ids, said)


def _told(outcome: Outcome, verdict: Verdict) -> Iterator[str]:
    if outcome.counted:
        yield f"{len(outcome.counted):,} marked {verdict}"
    if outcome.changed:
        yield f"{len(outcome.changed):,} changed to {verdict}: their first mark stays what was counted"
    if outcome.same:
        yield f"{len(outcome.same):,} had this mark already"


def _asked(wanted: dict[str, Any]) -> Wanted:
    times = {name: at.replace(tzinfo=UTC) for name in ("since", "until") if (at := wanted[name]) is not None}
    return Wanted(**wanted | times)


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        return
    try:
        with output.open("wb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from None
