"""What commands print goes through one door, so that no text from outside steers a terminal."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.table import Table

from monitor.cli.printed import Screen, plain

FOLDER = Path(__file__).parents[2] / "monitor" / "cli"


@pytest.mark.parametrize(
    "steering", ["\x1b[2J", "\x07", "\r", "\x08", "\x7f", "\x9b31m", "\u202e", "\u2066", "\u2028"]
)
def test_what_steers_a_terminal_is_written_as_an_escape_that_json_reads_back(steering: str) -> None:
    shown = plain(f"a{steering}b")
    assert all(c.isprintable() for c in shown)
    assert json.loads(f'"{shown}"') == f"a{steering}b"


def test_lines_tabs_and_the_worlds_scripts_stay_as_they_are() -> None:
    text = "a\n\tb 日本語 naïve \U0001f680 مرحبا"
    assert plain(text) == text


def test_markup_emoji_codes_and_escapes_in_a_cell_are_text() -> None:
    screen, cell = Screen(width=80), "[red]x[/] [/b] :boom: \x1b[2J"
    table = Table("name", title=cell)
    table.add_row(cell)
    screen.file = StringIO()
    screen.print(table)
    screen.print(cell)
    assert screen.file.getvalue().count(r"[red]x[/] [/b] :boom: \u001b[2J") == 3


def test_there_is_no_other_door() -> None:
    own_data = {"printed.py", *(f.name for f in (FOLDER / "demo").glob("*.py"))}
    for file in FOLDER.rglob("*.py"):
        if file.name not in own_data:
            assert not re.search(r"click\.echo\(|\bConsole\(", file.read_text()), file
