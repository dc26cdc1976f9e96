"""`tocsin check`."""

import click

from monitor import config
from monitor.cli.options import config_option
from monitor.config import CHECK
from monitor.config.model import Config


@click.command()
@config_option
@click.pass_context
def check(context: click.Context, path: str | None) -> None:
    """Check alerts.yaml: every mistake at once, with its line and what to do.

    Exits 1 where something is wrong. No variable need be set, nothing is connected to.
    """
    found = config.find(path)
    problems = config.problems(found, need=CHECK)
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        click.echo(f"{found}: {len(problems)} problem{'s' if len(problems) > 1 else ''}", err=True)
        context.exit(1)
    click.echo(_summary(config.load(found, need=CHECK)))


def _summary(settings: Config) -> str:
    enabled = [r for r in settings.rules if r.enabled]
    killing = [r.name for r in enabled if r.kill]
    plain = [r.name for r in enabled if r.window_ms]
    lines = [
        f"{settings.path}: good, {len(enabled)} rules, {len(settings.receivers)} receivers, "
        f"{len(settings.kill_switches)} kill switches",
        f"promise: {settings.false_alarms.text} expected false alarms over all rules and streams",
    ]
    if plain:
        lines.append(f"outside the promise, plain thresholds: {', '.join(plain)}")
    if killing:
        lines.append(f"can pull a kill switch: {', '.join(killing)}")
    return "\n".join(lines)
