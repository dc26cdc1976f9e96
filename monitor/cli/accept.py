"""`tocsin accept`."""

import getpass

import click

from monitor.cli.options import config_option, ledger, loaded
from monitor.cli.printed import say
from monitor.config import LEDGER
from monitor.judge import accepting


@click.command()
@click.argument("incident_id", metavar="INCIDENT")
@click.option("--by", default=getpass.getuser, help="Who says so (default: your login name).")
@config_option
def accept(incident_id: str, by: str, path: str | None) -> None:
    """Say that it is meant to be so: what INCIDENT's signal has been since is the new normal.

    The reference is made of what was counted after the incident was detected. The incident then resolves.
    """
    settings = loaded(path, LEDGER)
    with ledger(settings) as conn:
        accepted = accepting.accept(conn, settings, incident_id, by)
    say(f"{incident_id} accepted: {accepted.sentence}")
