"""`tocsin kill status|trip|release`."""

import getpass
from datetime import UTC, datetime

import click

from monitor.cli.options import Command, config_option, ledger, part_loaded
from monitor.cli.printed import say
from monitor.config import RUN
from monitor.config.model import Config, KillSwitch
from monitor.config.problem import meant
from monitor.errors import UsageError
from monitor.killswitch import states, switches
from monitor.killswitch.change import KillOutcome
from monitor.killswitch.deciding import KillAction, State
from monitor.killswitch.states import SwitchState
from monitor.ledger.wording import percent

NEED = RUN & {"kill_switches", "store", "name"}


@click.group()
def kill() -> None:
    """Look at, pull and release kill switches."""


@kill.command("status")
@config_option
def kill_status(path: str | None) -> None:
    """The state of every kill switch."""
    settings = part_loaded(path, NEED)
    with ledger(settings) as conn:
        known = states.state(conn)
    changed = {name for name, _ in known}
    for name in sorted(settings.kill_switches.keys() - changed):
        say(f"{name}: serving, never tripped")
    for key in sorted(known):
        configured = settings.kill_switches.get(key[0])
        say(_line(known[key], by_topic=configured is not None and configured.url is None))


def _line(now: SwitchState, *, by_topic: bool) -> str:
    name = f"{now.switch} --stream {now.value}" if now.value else now.switch
    since = datetime.fromtimestamp(now.since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    waits = "never confirmed: it has a topic and no webhook" if by_topic else "NOT confirmed yet"
    confirmed = "confirmed" if now.confirmed_ms else waits
    reason = " ".join(now.reason.split())
    return f"{name}: {_doing(now)} since {since} UTC, {confirmed} (sequence {now.sequence}; {reason})"


def _doing(now: SwitchState) -> str:
    match now.state:
        case State.TRIPPED:
            return f"tripped: {now.mode} {now.target or ''}".rstrip()
        case State.PROBING:
            return f"probing: {percent(now.share or 0.0)} let through"
        case State.RELEASED:
            return "serving, released"


def _who_and_why(command: Command) -> Command:
    """What a change by hand must say."""
    options = (
        click.option(
            "--stream", help="Which of its states, for a switch with `per`: the value of its labels."
        ),
        click.option("--reason", required=True, help="Why; goes to the service, the timeline and the audit."),
        click.option("--by", default=getpass.getuser, help="Who does it (default: your login name)."),
        config_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@kill.command()
@click.argument("switch")
@_who_and_why
def trip(switch: str, stream: str | None, reason: str, by: str, path: str | None) -> None:
    """Pull SWITCH by hand."""
    settings = part_loaded(path, NEED)
    known = _switch(settings, switch, stream)
    with ledger(settings) as conn:
        outcome = switches.trip(conn, known, stream=stream or "", reason=reason, actor=by)
    _tell(switch, outcome, KillAction.TRIPPED)


@kill.command()
@click.argument("switch")
@_who_and_why
def release(switch: str, stream: str | None, reason: str, by: str, path: str | None) -> None:
    """Release SWITCH: the service may serve again, and kill evidence begins afresh."""
    settings = part_loaded(path, NEED)
    known = _switch(settings, switch, stream)
    with ledger(settings) as conn:
        outcome = switches.release(conn, known, stream=stream, reason=reason, actor=by)
    _tell(switch, outcome, KillAction.RELEASED)


def _switch(settings: Config, name: str, stream: str | None) -> KillSwitch:
    if name not in settings.kill_switches:
        raise UsageError(f"there is no kill switch {name}: {meant(name, settings.kill_switches)}")
    switch = settings.kill_switches[name]
    if switch.per and not stream:
        raise UsageError(f"{name} has a state for each {' and '.join(switch.per)}: say which with --stream")
    return switch


def _tell(switch: str, outcome: KillOutcome, wanted: KillAction) -> None:
    if outcome.new:
        say(f"{switch} {wanted}, sequence {outcome.sequence}; a running `tocsin run` sends it")
    else:
        say(f"{switch} was {wanted} already" if wanted is KillAction.TRIPPED else f"{switch} is not tripped")
