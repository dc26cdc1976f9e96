"""`tocsin ack`."""

import getpass

import click

from monitor.cli.options import config_option, ledger, part_loaded
from monitor.cli.printed import say
from monitor.config import LEDGER
from monitor.errors import unknown_incident
from monitor.ledger import announcements
from monitor.ledger.incidents import Acknowledgement


@click.command()
@click.argument("incident")
@click.option(
    "--outcome", type=click.Choice(["true", "false_alarm", "expected"]), help="What it turned out to be."
)
@click.option("--by", default=getpass.getuser, help="Who takes it (default: your login name).")
@config_option
def ack(incident: str, outcome: str | None, by: str, path: str | None) -> None:
    """Say that you have INCIDENT, and later what it turned out to be."""
    with ledger(part_loaded(path, LEDGER)) as conn:
        done = announcements.acknowledge(conn, incident, by, outcome)
        if done is Acknowledgement.UNKNOWN:
            raise unknown_incident(incident)
    say(_told(incident, done, by, outcome))


def _told(incident: str, done: Acknowledgement, by: str, outcome: str | None) -> str:
    if done is Acknowledgement.DONE:
        return f"{incident} acknowledged by {by}"
    return f"{incident} was acknowledged before" + (f"; its outcome is {outcome} now" if outcome else "")
