"""`tocsin run`: the daemon."""

import os
import signal
import threading
from types import FrameType

import click

from monitor import crash_points
from monitor.cli.daemon import Daemon
from monitor.cli.log import configure_log
from monitor.cli.options import config_option, loaded
from monitor.config import RUN

STOP_WITHIN_S = 10.0


@click.command()
@config_option
@click.option("--accept-new-topic", is_flag=True, help="Read a topic that was made anew from its beginning.")
def run(path: str | None, accept_new_topic: bool) -> None:
    """Watch the topic until stopped; SIGTERM and Ctrl-C finish the checkpoint and leave the group.

    SIGHUP reads alerts.yaml again; one that is wrong changes nothing.
    """
    configure_log(os.environ)
    crash_points.arm(os.environ)
    settings = loaded(path, RUN)
    stopping, reloading = threading.Event(), threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    def reload(number: int, frame: FrameType | None) -> None:
        reloading.set()

    signal.signal(signal.SIGHUP, reload)
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, stop)
    daemon = Daemon(settings, instance=os.environ.get("TOCSIN_INSTANCE"), accept_new_topic=accept_new_topic)
    try:
        daemon.run(stopping, reloading)
    finally:
        daemon.stop(STOP_WITHIN_S)
