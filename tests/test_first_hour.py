"""The first hour as docs/first-hour.md tells it: its commands print what it shows, on the log that it names."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from doc_pages import ROOT, blocks

from monitor.cli import cli

DOCS = ROOT / "docs"
PAGE = DOCS / "first-hour.md"


def in_order(shown: list[str], printed: list[str]) -> bool:
    """Whether all lines shown are among those printed, in their order; where it shows `...` some may be left out."""
    rest, gap = printed, False
    for line in shown:
        if line == "...":
            gap = True
            continue
        if line not in (rest if gap else rest[:1]):
            return False
        rest, gap = rest[rest.index(line) + 1 :], False
    return gap or not rest


def test_the_example_comes_to_the_verdict_that_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(DOCS / "examples" / "credit.jsonl.gz", tmp_path)
    monkeypatch.chdir(tmp_path)
    (console,) = blocks(PAGE, "console")
    steps = console.split("$ tocsin ")[1:]
    assert [step.split()[0] for step in steps] == ["inspect", "init", "replay"]
    for step in steps:
        command, *shown = step.rstrip("\n").split("\n")
        result = CliRunner().invoke(cli, command.split(), env={}, catch_exceptions=False)
        assert result.exit_code == 0
        printed = [line.rstrip() for line in result.output.splitlines()]
        assert in_order(shown, printed), result.output
    written = Path("alerts.yaml").read_text().splitlines()
    (part,) = blocks(PAGE, "yaml")
    assert [line for line in part.splitlines() if line not in written] == []


def test_a_step_that_prints_something_else_would_be_seen() -> None:
    assert in_order(["a", "...", "d"], ["a", "b", "c", "d"])
    assert not in_order(["a", "d"], ["a", "b", "c", "d"])
    assert not in_order(["a", "...", "x"], ["a", "b"])
    assert not in_order(["a"], ["a", "b"])
