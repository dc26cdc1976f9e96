"""`tocsin accept`."""

import getpass
from datetime import UTC, datetime

import click
from sqlalchemy import Connection, select

from monitor.cli.options import config_option, ledger, loaded
from monitor.cli.printed import say
from monitor.config import LEDGER
from monitor.config.model import Config
from monitor.errors import UsageError
from monitor.judge.promoting import promote
from monitor.ledger import references
from monitor.ledger.decided import incident
from monitor.ledger.incidents import acknowledge, note
from monitor.records.signals import Kind, Signal


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
        reference_id, signal = _accepted(conn, settings, incident_id)
        acknowledge(conn, incident_id, by, "expected")
        note(conn, incident_id, "accepted", f"reference #{reference_id}")
    say(f"{incident_id} accepted: {signal} is judged by reference #{reference_id} from now on")


def _accepted(conn: Connection, settings: Config, incident_id: str) -> tuple[int, str]:
    row = conn.execute(select(incident).where(incident.c.incident_id == incident_id)).first()
    if row is None:
        raise UsageError(f"there is no incident {incident_id}: `tocsin status` lists those that are firing")
    stream = references.stream_id(conn, row.stream)
    signal = _referenced(settings, row.signal)
    if stream is None or signal is None:
        raise UsageError(
            f"{incident_id} is about {row.signal or 'silence'}, which is not judged by a reference"
        )
    origin, text = "accepted", f"incident {incident_id}"
    now = datetime.now(UTC)
    return promote(conn, stream, signal, row.detected_at, now, origin, text), signal.name


def _referenced(settings: Config, name: str | None) -> Signal | None:
    """The signal called `name` where it is judged by a reference."""
    try:
        signal = settings.signal(name or "")
    except KeyError:
        return None
    return None if signal.kind is Kind.TRAFFIC else signal
