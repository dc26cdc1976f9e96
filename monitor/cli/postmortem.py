"""`tocsin postmortem`."""

from pathlib import Path

import click

from monitor.cli.options import config_option, ledger, part_loaded
from monitor.cli.printed import say
from monitor.config import LEDGER
from monitor.errors import UsageError, unknown_incident
from monitor.postmortem.page import page
from monitor.postmortem.queries import QUERIES, answer


@click.command()
@click.argument("incident")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the page (.html).",
)
@config_option
def postmortem(incident: str, output: Path, path: str | None) -> None:
    """Write a page about INCIDENT for the day after.

    What happened, who was told, what it cost: one file that holds all it needs, to send or to print. It draws the
    signal with the extra `plot`.
    """
    if output.suffix.lower() == ".pdf":
        raise UsageError(f"-o {output}: the page is HTML: write it as .html and print it to PDF in a browser")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"-o {output}: there is no directory {output.absolute().parent}")
    with ledger(part_loaded(path, LEDGER), reading=True) as conn:
        answers = {query.name: answer(conn, query, incident) for query in QUERIES}
    if not answers["fired"].rows:
        raise unknown_incident(incident)
    output.write_text(page(incident, answers), "utf-8")
    say(f"wrote {output}", err=True)
