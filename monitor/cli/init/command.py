"""`tocsin init`."""

import shlex
from pathlib import Path

import click

from monitor.cli.init.proposing import proposal
from monitor.cli.init.writing import written
from monitor.cli.inspect.asking import taken_from, what_options
from monitor.cli.inspect.study import study
from monitor.cli.options import config_option
from monitor.cli.printed import say
from monitor.errors import UsageError


@click.command()
@what_options
@click.option(
    "-o", "--output", default="alerts.yaml", show_default=True, help="The file to write; - is stdout."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@config_option
def init(
    file: str | None,
    topic: str | None,
    servers: str | None,
    records: int | None,
    output: str,
    force: bool,
    path: str | None,
) -> None:
    """Write a complete alerts.yaml for FILE, a prediction log with one JSON object a line, or for --topic.

    Rules for what the log feeds, with limits out of its own rates and percentiles. What was guessed is marked.
    """
    if output != "-" and Path(output).exists() and not force:
        raise UsageError(f"{output} is there already: give another name by -o, or --force to write over it")
    found = proposal(study(taken_from(file, topic, servers, records, path)))
    made = written(found)
    if output == "-":
        click.echo(made, nl=False)
        return
    Path(output).write_text(made, encoding="utf-8")
    beside = "" if output == "alerts.yaml" else f" -c {shlex.quote(output)}"
    for concern in found.concerns:
        if concern.kind == "no_time":
            say(f"warning: {concern.sentence}", err=True)
    guessed = made.count("GUESSED")
    lines = "line" if guessed == 1 else f"{guessed} lines"
    look = f"; look at its {lines} with GUESSED" if guessed else ""
    say(f"{output} is written{look}", err=True)
    if file is not None:
        say(f"next: tocsin replay{beside} {shlex.quote(file)}", err=True)
