"""`tocsin check`."""

from typing import Any, Final

import click
import msgspec

from monitor import config
from monitor.cli import effect
from monitor.cli.options import config_option
from monitor.cli.printed import say
from monitor.config import CHECK
from monitor.config.model import Config, Labels
from monitor.config.objectives import BurnRate, burn_rates
from monitor.config.schema import TITLES, schema
from monitor.ledger.wording import duration, number

MOST_PER_SECOND: Final = 1e6


class Share(click.ParamType[float]):
    """`1%` or `0.01`, between none and half of all."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            found = float("nan")
        if not 0 < found < 0.5:
            self.fail(f"{text} is no share: write 1% or 0.01, less than 50%", param, ctx)
        return found


@click.command()
@click.option(
    "--false-alarms", is_flag=True, help="How the promise is shared, and how soon a change is seen."
)
@click.option("--stream", "given", metavar="K=V", multiple=True, help="The rules in effect for a stream.")
@click.option(
    "--per-second",
    type=click.FloatRange(0, MOST_PER_SECOND, min_open=True),
    default=10.0,
    show_default=True,
    help="With --false-alarms: requests a second of a stream.",
)
@click.option(
    "--rate",
    type=Share(),
    default="1%",
    show_default=True,
    help="With --false-alarms: what rates usually are.",
)
@click.option(
    "--streams",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="With --false-alarms: how many streams share the promise.",
)
@click.option(
    "--block",
    type=click.Choice(["10", "60", "300", "1200"]),
    help="With --false-alarms: seconds of a block, were it chosen; else that before learning.",
)
@click.option(
    "--schema",
    "schema_of",
    type=click.Choice(list(TITLES)),
    is_flag=False,
    flag_value="alerts",
    help="Print the JSON Schema for editors, of alerts.yaml or of a file that it includes.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@config_option
@click.pass_context
def check(
    context: click.Context,
    false_alarms: bool,
    given: tuple[str, ...],
    per_second: float,
    rate: float,
    streams: int,
    block: str | None,
    schema_of: str | None,
    as_json: bool,
    path: str | None,
) -> None:
    """Check alerts.yaml: every mistake at once, with its line and what to do.

    Exits 1 where something is wrong; what is only unwise is a warning. No variable need be set, nothing is
    connected to.
    """
    if schema_of is not None:
        say(msgspec.json.format(msgspec.json.encode(schema(schema_of)), indent=2).decode())
        return
    settings = _good(context, path)
    warnings = [str(warning) for warning in config.warnings(settings.path)]
    found: dict[str, Any] = {}
    only = None
    if given:
        found["stream"] = stream = effect.rules_in_effect(settings, given)
        only = {rule.rule for rule in stream.rules if not rule.idle}
    if false_alarms:
        # Only this needs the judge and what it computes with.
        from monitor.cli.promise.foresight import Volume
        from monitor.cli.promise.report import made

        found["false_alarms"] = made(
            settings, Volume(per_second, rate, streams, int(block) if block else None), only
        )
    if not found:
        found = _summary(settings) | {"warnings": warnings}
    for warning in warnings:
        say(f"warning: {warning}", err=True)
    if as_json:
        say(msgspec.json.encode(found).decode())
    else:
        _tell(found)


def _good(context: click.Context, path: str | None) -> Config:
    """The configuration; exits 1 after all problems were told."""
    found = config.find(path)
    problems = config.problems(found, need=CHECK)
    for problem in problems:
        say(str(problem), err=True)
    if problems:
        say(f"{found}: {len(problems)} problem{'s' if len(problems) > 1 else ''}", err=True)
        context.exit(1)
    return config.load(found, need=CHECK)


def _summary(settings: Config) -> dict[str, Any]:
    enabled = [r for r in settings.rules if r.enabled]
    return {
        "path": settings.path,
        "rules": [r.name for r in enabled],
        "receivers": list(settings.receivers),
        "kill_switches": list(settings.kill_switches),
        "promise": settings.false_alarms.text,
        "per": settings.false_alarms.per,
        "outside": [r.name for r in enabled if r.window_ms or r.total_ms or r.objective],
        "objectives": [
            {"rule": r.name, "burn_rates": [in_words(b) for b in burn_rates(r.objective.over_ms)]}
            for r in enabled
            if r.objective is not None
        ],
        "labels": settings.labels,
        "can_kill": [r.name for r in enabled if r.kill],
    }


def in_words(rate: BurnRate) -> str:
    """`14.4x in 1h/5m pages`."""
    return f"{rate.factor:.3g}x in {rate.windows} {'pages' if rate.pages else 'tickets'}"


def _tell(found: dict[str, Any]) -> None:
    if "rules" in found:
        say(_in_words(found))
    if "stream" in found:
        effect.show(found["stream"])
    if "false_alarms" in found:
        from monitor.cli.promise.show import show

        show(found["false_alarms"])


_COUNTED: Final = {"rules": "rule", "receivers": "receiver", "kill_switches": "kill switch"}


def _in_words(summary: dict[str, Any]) -> str:
    counts = [number(len(summary[key]), what) for key, what in _COUNTED.items()]
    over = "rules and streams" if summary["per"] is None else "rules and streams of it"
    lines = [
        f"{summary['path']}: good, {', '.join(counts)}",
        f"promise: {summary['promise']} expected false alarms over all {over}",
    ]
    if summary["outside"]:
        lines.append(f"outside the promise, plain thresholds and budgets: {', '.join(summary['outside'])}")
    lines += [f"objective {o['rule']}: {', '.join(o['burn_rates'])}" for o in summary["objectives"]]
    if summary["labels"]:
        lines.append(_remembered(summary["labels"]))
    if summary["can_kill"]:
        lines.append(f"can pull a kill switch: {', '.join(summary['can_kill'])}")
    return "\n".join(lines)


def _remembered(labels: Labels) -> str:
    return (
        f"labels: each replica remembers the predictions of its last {duration(labels.join_ms)}, at most "
        f"{labels.most:,}, in memory: a restart forgets them, and a label needs the message key of its prediction"
    )
