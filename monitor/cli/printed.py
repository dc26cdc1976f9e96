"""What commands print: nothing that came from outside can steer a terminal, or be taken for markup."""

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

# C0 and C1 but for tab and newline, lone surrogates, line separators, and what turns the direction of a line.
_STEERING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(text: str) -> str:
    r"""`text` with every character that steers a terminal written as an escape, which JSON takes too.

    >>> print(plain("chat\x1b[2J"))
    chat\u001b[2J
    """
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(text: str, *, err: bool = False) -> None:
    """Print a line on stdout, or on stderr."""
    click.echo(plain(text), err=err)


def cell(value: Any) -> str:
    """A value of SQL in a table: times to the second, `-` for none."""
    if value is None:
        return "-"
    return value.strftime("%Y-%m-%d %H:%M:%S") if hasattr(value, "strftime") else str(value)


def grid(title: str | None, columns: Iterable[str]) -> Table:
    """An empty table whose cells show all that they hold."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def busy(what: str) -> AbstractContextManager[object]:
    """A sign of work on a terminal, on stderr; nothing elsewhere."""
    terminal = Console(stderr=True)
    return terminal.status(what) if terminal.is_terminal else nullcontext()


class Screen(Console):
    """rich's console for texts and tables of ours: without markup, without emoji codes, without control characters."""

    def __init__(self, *, width: int | None = None, highlight: bool = True) -> None:
        super().__init__(width=width, highlight=highlight, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(plain(text), **options)
