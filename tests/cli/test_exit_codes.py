"""What the program itself exits with, and not only what click's own runner says of it."""

import sys
from pathlib import Path

import pytest

from monitor import cli

GOOD = """
name: prod
rules: [{name: errors, signal: error, above: 2x, notify: [default]}]
receivers: {default: {slack: {url: "http://127.0.0.1:9/x"}}}
"""


def exit_code(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["tocsin", *arguments])
    try:
        cli.main()
    except SystemExit as left:
        return left.code
    return 0


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "alerts.yaml"
    path.write_text(GOOD)
    return str(path)


def test_a_good_file_is_0_and_a_wrong_one_is_1(
    good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong.yaml").write_text("rules: x")
    assert exit_code(monkeypatch, "check", "-c", good) == 0
    assert exit_code(monkeypatch, "check", "-c", str(tmp_path / "wrong.yaml")) == 1


def test_wrong_use_is_2(good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code(monkeypatch, "chek") == 2
    assert exit_code(monkeypatch, "send-test", "nobody", "-c", good) == 2


def test_what_cannot_be_reached_is_3(good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code(monkeypatch, "send-test", "default", "-c", good) == 3


def test_help_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code(monkeypatch, "--help") == 0
