"""`tocsin send-test`."""

import os
import time
from dataclasses import replace
from typing import Final

import click

from monitor.cli.log import configure_log
from monitor.cli.options import config_option, loaded
from monitor.cli.printed import say
from monitor.config.model import Config, Receiver
from monitor.config.problem import meant
from monitor.errors import DeliveryError, UsageError
from monitor.notify.senders import Senders
from monitor.notify.trial import EVENTS, trial

NEED: Final = frozenset({"name", "receivers"})


@click.command()
@click.argument("receiver")
@click.option("--event", type=click.Choice(tuple(EVENTS)), default="opened", show_default=True)
@config_option
@click.pass_context
def send_test(context: click.Context, receiver: str, event: str, path: str | None) -> None:
    """Send RECEIVER a message that is marked as a test, and show what it answers.

    `--event resolved` ends what a test before it opened. Nothing is stored; neither Kafka nor Postgres is needed,
    unless the receiver is a topic. Exits 1 where the receiver refuses it, 3 where it cannot be reached.
    """
    configure_log(os.environ)
    settings, chosen = _chosen(path, receiver)
    senders = Senders(replace(settings, receivers={receiver: chosen}, kill_switches={}))
    try:
        taken = senders.send(trial(settings.name, chosen, event, time.time_ns() // 1_000_000))
    except DeliveryError as refused:
        say(f"{receiver} ({chosen.kind}) did not take it: {refused}", err=True)
        context.exit(1 if refused.response or refused.permanent else 3)
    finally:
        senders.close()
    say(f"{receiver} ({chosen.kind}) took it: {taken.response}")


def _chosen(path: str | None, name: str) -> tuple[Config, Receiver]:
    """The receiver; a topic on the source's own Kafka needs what `source` says too."""
    settings = loaded(path, NEED)
    if name not in settings.receivers:
        raise UsageError(f"there is no receiver {name}: {meant(name, settings.receivers)}")
    if settings.receivers[name].kind == "kafka":
        settings = loaded(path, NEED | {"source"})
    return settings, settings.receivers[name]
