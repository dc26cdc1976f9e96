"""At night a mistake in a rule must not stand between people and their kill switch."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from monitor import config
from monitor.cli import cli
from monitor.errors import ConfigError
from monitor.killswitch import switches
from monitor.ledger.engine import connect

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ALERTS = """
name: prod
source: {{bootstrap_servers: "k:9092", topic: predictions}}
store: {{url: "{url}"}}
rules:
  - {{name: errors, signal: eror, above: 2x}}
receivers: {{default: {{slack: {{url: "https://hooks.example.com/x"}}}}}}
kill_switches:
  chat: {{webhook: {{url: "https://gateway.example.com/kill", secret: {secret}}}, mode: {mode}}}
"""


@pytest.fixture
def path(ledger_url: str, tmp_path: Path) -> Path:
    """An alerts.yaml whose only rule is misspelt."""
    file = tmp_path / "alerts.yaml"
    file.write_text(ALERTS.format(url=ledger_url, secret=SECRET, mode="disable"))
    return file


def tocsin(path: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "-c", str(path)])


def test_a_tripped_switch_is_released_and_the_mistake_is_told_of(path: Path, ledger_url: str) -> None:
    settings, _ = config.load_part(path, frozenset({"kill_switches"}))
    engine = connect(ledger_url)
    with engine.begin() as conn:
        switches.trip(conn, settings.kill_switches["chat"], stream="", reason="it fails", actor="ann")
    released = tocsin(path, "kill", "release", "chat", "--reason", "rolled back")
    assert released.exit_code == 0, released.output
    assert f"{path} has 1 mistake that does not matter here: tocsin check names it" in released.stderr
    with engine.begin() as conn:
        assert conn.execute(text("SELECT state FROM tocsin.kill_switches")).scalar_one() == "released"
    engine.dispose()


@pytest.mark.parametrize("words", [["status"], ["kill", "status"], ["silence", "list"], ["samples", "list"]])
def test_what_asks_the_ledger_alone_answers(path: Path, words: list[str]) -> None:
    assert tocsin(path, *words).exit_code == 0


def test_what_needs_the_rules_refuses(path: Path) -> None:
    assert "eror" in str(tocsin(path, "replay", str(path)).exception)


def test_a_mistake_in_the_switches_themselves_is_refused(path: Path) -> None:
    path.write_text(path.read_text().replace("mode: disable", "mode: disabel"))
    refused = tocsin(path, "kill", "status").exception
    assert isinstance(refused, ConfigError)
    assert "disabel" in str(refused)
    assert "eror" not in str(refused)
