"""`tocsin replay`."""

import shlex
from collections.abc import Collection

import click

from monitor.cli import found, lines
from monitor.cli.inspect.guessing import YEAR_2001_S
from monitor.cli.options import config_option, loaded, source_of
from monitor.cli.printed import busy, say
from monitor.cli.reaching import LEAST_LEARNED, PART, reached_by
from monitor.cli.replayer import Learning, Outcome, Replay
from monitor.config import REPLAY
from monitor.config.problem import listed
from monitor.config.rule import Severity
from monitor.ledger.wording import duration, number


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each incident.")
@click.option(
    "--sort", "in_order", is_flag=True, help="Order the lines by ts first (holds the whole file in memory)."
)
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "critical"]),
    help="Exit 1 if an incident reached this severity, or if nothing could be judged.",
)
@click.option(
    "--source", "topic", metavar="TOPIC", help="Whose messages FILE has, where sources differ in format."
)
@config_option
@click.pass_context
def replay(
    context: click.Context,
    file: str,
    as_json: bool,
    in_order: bool,
    fail_on: str | None,
    topic: str | None,
    path: str | None,
) -> None:
    """Show what would have fired on FILE, a prediction log with one JSON record a line, plain or gzip; - is stdin.

    Incidents go to stdout, everything else to stderr.
    """
    config = loaded(path, REPLAY)
    source = source_of(config, topic)
    machine = Replay(config, source)
    with lines.opened(file) as raw, busy("judging"):
        some = lines.read(raw, machine.outcome.skipped, lines.times_of(config, source))
        for part in lines.in_order(some) if in_order else some:
            machine.feed(part)
    outcome = machine.finish()
    for incident in outcome.found.incidents:
        say(found.as_json(incident) if as_json else found.as_text(incident))
    _tell(outcome, file)
    if fail_on and (
        not outcome.counted or any(i.reaches(Severity(fail_on)) for i in outcome.found.incidents)
    ):
        context.exit(1)


def _tell(outcome: Outcome, file: str) -> None:
    """What was read, on stderr: silence must not look like health."""
    several = outcome.requests > outcome.counted
    counted = f"{outcome.counted:,} lines with {outcome.requests:,}" if several else f"{outcome.counted:,}"
    say(f"{counted} records counted, {number(len(outcome.found.incidents), 'incident')}", err=True)
    for trip in outcome.kills[:1]:
        say(f"would have killed {trip.switch} at {found.iso(trip.detected_ms)} by {trip.rule}", err=True)
    if outcome.late:
        say(f"{outcome.late:,} records came late (their pane had closed): try --sort", err=True)
    for notice in outcome.notices:
        say(notice, err=True)
    if outcome.ignored:
        say(
            f"{outcome.ignored:,} lines ignored: they are none that `where` names, of source or of its format",
            err=True,
        )
    for reason, n in sorted(outcome.skipped.items()):
        say(f"{n:,} lines skipped: {reason}", err=True)
    if not outcome.counted:
        say(f"nothing could be judged: tocsin inspect {shlex.quote(file)} says what is in the log", err=True)
    elif outcome.newest_ms < YEAR_2001_S * 1_000:
        say(
            f"times end at {found.iso(outcome.newest_ms)}: if they are dates, look at the unit of ts",
            err=True,
        )
    _tell_of_references(outcome)


def _tell_of_references(outcome: Outcome) -> None:
    """What had a reference to be held against, and what waits for one."""
    for stream, learning in sorted(outcome.learning.items()):
        say(f"{stream}: {_how_far(learning)}", err=True)
    if outcome.learning:
        say(_sooner(outcome.learning.values()), err=True)
    if outcome.watched and not outcome.found.incidents:
        streams = "1 stream" if outcome.watched == 1 else f"{outcome.watched:,} streams"
        say(f"nothing fired on {streams} with a reference", err=True)
    if outcome.counted and outcome.unseen:
        say(f"not one record had what is counted by {listed(outcome.unseen)}", err=True)


def _how_far(learning: Learning) -> str:
    """`still learning, 800 of 10,000`, and the time where that is what is missing."""
    said = f"still learning, {min(learning.requests, learning.learn):,} of {learning.learn:,}"
    if learning.lasted_ms < learning.at_least_ms:
        said += f" and {duration(learning.lasted_ms)} of {duration(learning.at_least_ms)}"
    return said + ("; provisional: three times the tolerance" if learning.provisional else "")


def _sooner(learning: Collection[Learning]) -> str:
    """What would let the largest of these streams come to a verdict on this very log."""
    largest = max(learning, key=lambda stream: stream.requests)
    within = reached_by(largest.requests, largest.lasted_ms)
    if largest.requests < PART * LEAST_LEARNED:
        return f"a verdict takes {PART * LEAST_LEARNED} records of a stream or more: give a longer log"
    return f"for a verdict on this log: reference: {within} in alerts.yaml, or a longer log"
