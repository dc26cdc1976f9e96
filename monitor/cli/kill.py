"""`tocsin kill status|trip|release`."""

import getpass
from datetime import UTC, datetime

import click

from monitor.cli.options import config_option, ledger, loaded
from monitor.config import RUN
from monitor.config.model import Config, KillSwitch
from monitor.config.problem import meant
from monitor.errors import UsageError
from monitor.killswitch import switches
from monitor.killswitch.switches import KillAction, KillOutcome, SwitchState

NEED = RUN & {"kill_switches", "store", "name"}


@click.group()
def kill() -> None:
    """Look at, pull and release kill switches."""


@kill.command("status")
@config_option
def kill_status(path: str | None) -> None:
    """The state of every kill switch."""
    settings = loaded(path, NEED)
    with ledger(settings) as conn:
        states = switches.state(conn)
    for name in sorted(settings.kill_switches.keys() | states.keys()):
        click.echo(_line(name, states.get(name)))


def _line(name: str, state: SwitchState | None) -> str:
    if state is None:
        return f"{name}: serving, never tripped"
    since = datetime.fromtimestamp(state.since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    confirmed = "confirmed" if state.confirmed_ms else "NOT confirmed yet"
    doing = f"tripped: {state.mode} {state.target or ''}".rstrip() if state.tripped else "serving, released"
    return f"{name}: {doing} since {since} UTC, {confirmed} (sequence {state.sequence}; {state.reason})"


@kill.command()
@click.argument("switch")
@click.option("--reason", required=True, help="Why; goes to the service, the timeline and the audit.")
@click.option("--by", default=getpass.getuser, help="Who does it (default: your login name).")
@config_option
def trip(switch: str, reason: str, by: str, path: str | None) -> None:
    """Pull SWITCH by hand."""
    settings = loaded(path, NEED)
    with ledger(settings) as conn:
        outcome = switches.trip(conn, _switch(settings, switch), stream="", reason=reason, actor=by)
    _tell(switch, outcome, KillAction.TRIPPED)


@kill.command()
@click.argument("switch")
@click.option("--reason", required=True, help="Why; goes to the service, the timeline and the audit.")
@click.option("--by", default=getpass.getuser, help="Who does it (default: your login name).")
@config_option
def release(switch: str, reason: str, by: str, path: str | None) -> None:
    """Release SWITCH: the service may serve again, and kill evidence begins afresh."""
    settings = loaded(path, NEED)
    with ledger(settings) as conn:
        outcome = switches.release(conn, _switch(settings, switch), reason=reason, actor=by)
    _tell(switch, outcome, KillAction.RELEASED)


def _switch(settings: Config, name: str) -> KillSwitch:
    if name not in settings.kill_switches:
        raise UsageError(f"there is no kill switch {name}: {meant(name, settings.kill_switches)}")
    return settings.kill_switches[name]


def _tell(switch: str, outcome: KillOutcome, wanted: KillAction) -> None:
    if outcome.new:
        click.echo(
            f"{switch} {wanted}, sequence {outcome.sequence}; a running `tocsin run` sends its webhook"
        )
    else:
        click.echo(
            f"{switch} was {wanted} already" if wanted is KillAction.TRIPPED else f"{switch} is not tripped"
        )
