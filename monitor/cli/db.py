"""`tocsin db upgrade`."""

import click

from monitor.cli.options import config_option, part_loaded
from monitor.cli.printed import say
from monitor.config import LEDGER
from monitor.ledger.engine import redacted
from monitor.ledger.migrate import Upgraded
from monitor.ledger.migrate import upgrade as migrate


@click.group()
def db() -> None:
    """Look after the ledger's database."""


@db.command()
@config_option
def upgrade(path: str | None) -> None:
    """Make or migrate Tocsin's schema in the database of `store.url`."""
    settings = part_loaded(path, LEDGER)
    done = migrate(settings.store_url)
    say(f"{redacted(settings.store_url)} {_said(done)}")


def _said(done: Upgraded) -> str:
    if done.before == done.now:
        return "is up to date"
    how = (
        "has Tocsin's schema now" if done.before is None else f"was migrated from {done.before} to {done.now}"
    )
    return f"{how} and is up to date"
