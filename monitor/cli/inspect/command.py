"""`tocsin inspect`."""

import click
import msgspec

from monitor.cli.inspect.asking import taken_from, what_options
from monitor.cli.inspect.concerns import concerns
from monitor.cli.inspect.show import show
from monitor.cli.inspect.study import study
from monitor.cli.inspect.told import as_object
from monitor.cli.options import config_option
from monitor.cli.printed import say


@click.command()
@what_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@config_option
def inspect(
    file: str | None,
    topic: str | None,
    servers: str | None,
    records: int | None,
    as_json: bool,
    path: str | None,
) -> None:
    """Show what is in FILE, a prediction log with one JSON object a line, plain or gzip; - is stdin.

    Fields and the signals they feed, the format that fits, ranges and times, and what is likely to go wrong. A topic is
    only read: no group is joined and nothing is committed.
    """
    found = study(taken_from(file, topic, servers, records, path))
    worries = concerns(found)
    if as_json:
        say(msgspec.json.encode(as_object(found, worries)).decode())
    else:
        show(found, worries)
