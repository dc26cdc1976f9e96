"""The command line: `tocsin COMMAND`. Every command is one file and one row of the registry."""

import sys

import click

from monitor import __version__
from monitor.cli.printed import say
from monitor.cli.registry import COMMANDS, Registry
from monitor.errors import TocsinError

__all__ = ["COMMANDS", "cli", "main"]


@click.group(cls=Registry, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tocsin")
def cli() -> None:
    """Watch the prediction log of an ML or LLM service: drift, silent failure, and a kill switch.

    To begin with a log of yours: tocsin inspect FILE, tocsin init FILE, tocsin replay FILE.

    Exit codes: 0 good, 1 the check or test says no, 2 wrong use, 3 a dependency refuses or cannot be reached.
    """


def main() -> None:
    """Run a command; an error of ours is one sentence on stderr and its exit code."""
    try:
        # Without its own error handling click returns what a command exits with.
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except TocsinError as error:
        say(f"tocsin: {error}", err=True)
        sys.exit(error.exit_code)
    if isinstance(code, int) and code:
        sys.exit(code)
