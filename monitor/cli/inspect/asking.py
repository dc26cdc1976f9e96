"""The options that say which messages to study."""

from dataclasses import replace
from typing import Final

import click

from monitor.cli.inspect.taking import Taken, from_file
from monitor.cli.options import Command, loaded
from monitor.config.source import NOTHING
from monitor.errors import UsageError

MOST: Final = 100_000
MOST_OF_TOPIC: Final = 5_000
FROM_CONFIG: Final = ""
"""`--topic` without a name: the one of alerts.yaml."""

_OPTIONS: Final = (
    click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True)),
    click.option(
        "--topic",
        is_flag=False,
        flag_value=FROM_CONFIG,
        metavar="[NAME]",
        help="The newest records of a topic instead of FILE; without a name, of the one in alerts.yaml.",
    ),
    click.option(
        "--bootstrap-servers",
        "servers",
        metavar="HOST:PORT",
        help="Where Kafka is, with --topic NAME; else as source in alerts.yaml says.",
    ),
    click.option(
        "--records",
        type=click.IntRange(1, 1_000_000),
        help=f"How many at most.  [default: the first {MOST:,} of a file, the newest {MOST_OF_TOPIC:,} of a topic]",
    ),
)


def what_options(command: Command) -> Command:
    """FILE, `--topic`, `--bootstrap-servers` and `--records`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def taken_from(
    file: str | None, topic: str | None, servers: str | None, records: int | None, config: str | None
) -> Taken:
    """The messages; raises UsageError, or KafkaUnavailable for a topic."""
    if (file is None) == (topic is None):
        raise UsageError("give a FILE, - for stdin, or --topic")
    if file is not None:
        return from_file(file, records or MOST)
    # Only this needs a client of Kafka.
    from monitor.cli.inspect.topic import from_topic

    if servers is not None:
        if topic == FROM_CONFIG:
            raise UsageError("--bootstrap-servers needs the name of a topic: --topic NAME")
        source = replace(NOTHING, bootstrap_servers=servers)
    else:
        settings = loaded(config, {"source"})
        source = settings.topics.get(topic or "", settings.source)
    return from_topic(source, topic or source.topics[0], records or MOST_OF_TOPIC)
