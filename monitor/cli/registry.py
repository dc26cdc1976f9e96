"""All commands of `tocsin`: where each one is, and what it does in a line.

Commands are imported when they are called, so that `tocsin ack` does not wait for what only `run` needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import click


@dataclass(frozen=True, slots=True)
class Listed:
    """A command: `at` is `module:attribute`, `line` how its own help begins."""

    name: str
    at: str
    line: str

    def command(self) -> click.Command:
        """The command itself, imported now; raises TypeError where `at` holds something else."""
        module, _, attribute = self.at.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{self.at} is no command")
        return found


COMMANDS: Final[tuple[Listed, ...]] = (
    Listed("run", "monitor.cli.run:run", "Watch the topic until stopped"),
    Listed(
        "demo", "monitor.cli.demo.command:demo", "Show the whole way: a quiet service, four drifts, an outage"
    ),
    Listed("inspect", "monitor.cli.inspect.command:inspect", "Show what is in FILE, a prediction log"),
    Listed(
        "init",
        "monitor.cli.init.command:init",
        "Write a complete alerts.yaml for FILE, a prediction log",
    ),
    Listed("check", "monitor.cli.check:check", "Check alerts.yaml: every mistake at once"),
    Listed("replay", "monitor.cli.replay:replay", "Show what would have fired on FILE, a prediction log"),
    Listed(
        "test", "monitor.cli.testing.command:test", "Test rules in virtual time: inputs and what must fire"
    ),
    Listed(
        "backtest",
        "monitor.cli.backtest:backtest",
        "Judge the stored panes again by the rules in alerts.yaml",
    ),
    Listed("status", "monitor.cli.status:status", "What is watched, how far it has come, what fires"),
    Listed("incidents", "monitor.cli.incidents:incidents", "Find incidents, also those that are over"),
    Listed("explain", "monitor.cli.explain.command:explain", "Show why INCIDENT was opened"),
    Listed(
        "postmortem",
        "monitor.cli.postmortem:postmortem",
        "Write a page about INCIDENT for the day after",
    ),
    Listed("ack", "monitor.cli.ack:ack", "Say that you have INCIDENT, and later what it turned out to be"),
    Listed(
        "accept",
        "monitor.cli.accept:accept",
        "Say that it is meant to be so: what INCIDENT's signal has been",
    ),
    Listed("reference", "monitor.cli.reference:reference", "What is normal: list references, import one"),
    Listed("kill", "monitor.cli.kill:kill", "Look at, pull and release kill switches"),
    Listed(
        "send-test", "monitor.cli.send_test:send_test", "Send RECEIVER a message that is marked as a test"
    ),
    Listed(
        "silence", "monitor.cli.silence:silence", "Say for how long nobody is to be told of some incidents"
    ),
    Listed(
        "samples",
        "monitor.cli.samples:samples",
        "Look at the records that are kept, and mark them good or bad",
    ),
    Listed("db", "monitor.cli.db:db", "Look after the ledger's database"),
)


class Registry(click.Group):
    """A group whose commands are `listed`; none is imported to list them."""

    def __init__(self, *args: object, listed: Sequence[Listed] = COMMANDS, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self._listed = {row.name: row for row in listed}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._listed)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = self._listed.get(cmd_name)
        return None if row is None else row.command()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as unknown:
            raise click.NoSuchCommand(unknown.command_name, possibilities=self._listed, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(row.name, row.line) for row in self._listed.values()])
