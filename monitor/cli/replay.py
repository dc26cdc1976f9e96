"""`tocsin replay`."""

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import click

from monitor.cli import found
from monitor.cli.options import config_option, loaded
from monitor.cli.replayer import Outcome, Replay, chunks, lines_of
from monitor.config import REPLAY
from monitor.config.model import Severity


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each incident.")
@click.option("--sort", "in_order", is_flag=True, help="Order the lines by ts first (reads the whole file).")
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "critical"]),
    help="Exit 1 if an incident reached this severity.",
)
@config_option
@click.pass_context
def replay(
    context: click.Context, file: Path, as_json: bool, in_order: bool, fail_on: str | None, path: str | None
) -> None:
    """Show what would have fired on FILE, a prediction log with one JSON record a line."""
    machine = Replay(loaded(path, REPLAY))
    with file.open("rb") as raw:
        _feed(machine, raw, in_order)
    outcome = machine.finish()
    for incident in outcome.found.incidents:
        click.echo(found.as_json(incident) if as_json else found.as_text(incident))
    _tell(outcome)
    if fail_on and any(i.reaches(Severity(fail_on)) for i in outcome.found.incidents):
        context.exit(1)


def _feed(machine: Replay, raw: BinaryIO, in_order: bool) -> None:
    lines = lines_of(raw, machine.outcome.skipped)
    ordered = sorted(lines, key=lambda line: line.ts_ms) if in_order else lines
    numbered = (replace(line, number=i) for i, line in enumerate(ordered))
    for chunk in chunks(numbered if in_order else ordered):
        machine.feed(chunk)


def _tell(outcome: Outcome) -> None:
    """What was read, on stderr: silence must not look like health."""
    click.echo(f"{outcome.counted:,} records counted, {len(outcome.found.incidents)} incidents", err=True)
    for trip in outcome.kills[:1]:
        click.echo(
            f"would have killed {trip.switch} at {found.iso(trip.detected_ms)} by {trip.rule}", err=True
        )
    if outcome.late:
        click.echo(f"{outcome.late:,} records came late (their pane had closed): try --sort", err=True)
    for notice in outcome.notices:
        click.echo(notice, err=True)
    for reason, n in sorted(outcome.skipped.items()):
        click.echo(f"{n:,} lines skipped: {reason}", err=True)
    for stream, (learned, needed) in sorted(outcome.learning.items()):
        click.echo(f"{stream}: still learning, {learned:,} of {needed:,}", err=True)
