"""`tocsin test`."""

from datetime import UTC, datetime

import click

from monitor.cli.printed import say
from monitor.cli.testing.expecting import differences
from monitor.cli.testing.play import played
from monitor.cli.testing.reading import read_suite
from monitor.cli.testing.story import Story
from monitor.cli.testing.suite import Suite


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False)
)
@click.option("-v", "--verbose", is_flag=True, help="Show all that happens in each test, with its time.")
@click.option("-k", "only", metavar="TEXT", default="", help="Only tests with this in their name.")
@click.pass_context
def test(context: click.Context, files: tuple[str, ...], verbose: bool, only: str) -> None:
    """Test rules in virtual time: inputs and what must fire, from FILE, through what `run` measures and judges with.

    Neither Kafka nor Postgres, and nobody is told anything. Exits 1 where something is not as expected.
    """
    suites = [read_suite(file) for file in files]
    failed = sum(_run(suite, only, verbose=verbose) for suite in suites)
    ran = sum(only in case.name for suite in suites for case in suite.cases)
    say(f"{ran} test{'s' if ran != 1 else ''}, {failed} failed" if failed else f"{ran} passed", err=True)
    if failed:
        context.exit(1)


def _run(suite: Suite, only: str, *, verbose: bool) -> int:
    """How many tests of the suite fail; each is one line, and one more for each difference."""
    failed = 0
    for case in (case for case in suite.cases if only in case.name):
        story, start_ms = played(case, suite.config)
        wrong = differences(case, story, start_ms)
        failed += bool(wrong)
        say(f"{'FAIL' if wrong else 'ok  '} {case.name}")
        for why in wrong:
            say(f"     {suite.path}:{why}")
        if verbose:
            _tell(story)
    return failed


def _tell(story: Story) -> None:
    for at_ms, what in story.lines():
        say(f"     {datetime.fromtimestamp(at_ms / 1000, UTC):%a %H:%M:%S} {what}")
