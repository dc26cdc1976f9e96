"""Commands are listed without being imported, and what the list says of them is what they say themselves."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor import cli
from monitor.cli.registry import COMMANDS, Listed

FOLDER = Path(cli.__file__).parent
ONLY_RUN_AND_REPLAY = {
    "kafka",
    "river",
    "fasttext",
    "uvicorn",
    "starlette",
    "httpx",
    "apscheduler",
    "scipy",
    "alembic",
}


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_a_row_is_how_the_command_s_own_help_begins(row: Listed) -> None:
    command = row.command()
    assert command.name == row.name
    assert (command.help or "").startswith(row.line)


def test_every_command_is_in_the_registry() -> None:
    named = {f"{row.at.partition(':')[0]}" for row in COMMANDS}
    files = [
        path
        for path in FOLDER.rglob("*.py")
        if re.search(r"^@click\.(command|group)\(\)", path.read_text(), re.M)
    ]
    modules = {".".join(path.with_suffix("").relative_to(FOLDER.parents[1]).parts) for path in files}
    assert modules == named


def test_help_lists_every_command_in_its_order() -> None:
    shown = CliRunner().invoke(cli.cli, ["--help"]).output.partition("Commands:\n")[2]
    assert re.findall(r"^  ([\w-]+)", shown, re.M) == [row.name for row in COMMANDS]
    for row in COMMANDS:
        assert row.line in shown


def test_a_command_that_is_not_there_is_told_with_the_nearest() -> None:
    result = CliRunner().invoke(cli.cli, ["stauts"])
    assert result.exit_code == 2
    assert "No such command 'stauts'. Did you mean 'status'?" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["ack", "--help"], ["status", "--help"], ["check", "--help"]]
)
def test_what_only_run_and_replay_need_is_not_imported_by_others(arguments: list[str]) -> None:
    program = (
        "import sys; from monitor.cli import cli; cli.main(sys.argv[1:], standalone_mode=False); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert loaded & ONLY_RUN_AND_REPLAY == set()
    assert "numpy" not in loaded or arguments != ["--help"]
