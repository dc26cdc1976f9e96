"""The commands as their users call them: output, exit codes, and one sentence for each mistake."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from monitor import cli, config
from monitor.cli import COMMANDS, main
from monitor.errors import TocsinError
from monitor.ledger.announcements import open_internal
from monitor.ledger.engine import connect

ALERTS = Path(__file__).parents[2] / "alerts.yaml"
START = 1_763_000_000.0


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli.cli, list(arguments), env=env)


def alerts(folder: Path, text_: str) -> str:
    path = folder / "alerts.yaml"
    path.write_text(text_)
    return str(path)


QUIET = """
reference: {learn: 2000, at_least: 0s}
defaults: {min_n: 20}
rules:
  - {name: errors, signal: error, above: {warning: 2x, critical: 10%}}
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
"""


def log_of(folder: Path, rates: list[float], each: int = 9_000) -> Path:
    """A log at 30 records/s whose share of errors takes the values of `rates` in turn."""
    draws = np.random.default_rng(4).random(each * len(rates)) < np.repeat(rates, each)
    path = folder / "log.jsonl"
    with path.open("w") as out:
        for i, failed in enumerate(draws):
            record = {"model": "chat-eu", "ts": START + i / 30, "status": "error" if failed else "ok"}
            out.write(json.dumps(record) + "\n")
    return path


def test_the_example_at_the_top_is_good_without_any_variable_set() -> None:
    result = run("check", "-c", str(ALERTS), env={})
    assert result.exit_code == 0
    assert "promise: 1 per 30d expected false alarms" in result.output


def test_check_tells_every_mistake_with_its_line_and_exits_1(tmp_path: Path) -> None:
    path = alerts(tmp_path, QUIET.replace("signal: error", "signal: eror").replace("min_n: 20", "minn: 20"))
    result = run("check", "-c", path)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith(f"{path}:3:")
    assert "did you mean min_n?" in lines[0]
    assert lines[1].startswith(f"{path}:5:")
    assert "did you mean error?" in lines[1]
    assert lines[2] == f"{path}: 2 problems"


def test_replay_shows_what_would_have_fired(tmp_path: Path) -> None:
    path, log = alerts(tmp_path, QUIET), log_of(tmp_path, [0.01, 0.5])
    result = run("replay", str(log), "-c", path, "--json")
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(i["rule"], i["stream"], i["signal"], i["severity"]) for i in found] == [
        ("errors", "chat-eu", "error", "critical")
    ]
    assert list(found[0]) == [
        "rule",
        "stream",
        "labels",
        "signal",
        "quantity",
        "unit",
        "severity",
        "onset_at",
        "detected_at",
        "observed",
        "reference",
        "summary",
    ]
    assert found[0]["onset_at"] < found[0]["detected_at"]
    assert "18,000 records counted, 1 incident" in result.stderr


def test_replay_exits_0_whatever_fired_and_1_with_fail_on(tmp_path: Path) -> None:
    path, log = alerts(tmp_path, QUIET), log_of(tmp_path, [0.01, 0.5])
    assert run("replay", str(log), "-c", path).exit_code == 0
    assert run("replay", str(log), "-c", path, "--fail-on", "critical").exit_code == 1


def test_replay_of_a_quiet_log_fires_nothing_and_says_what_is_still_learning(tmp_path: Path) -> None:
    path = alerts(tmp_path, QUIET.replace("learn: 2000", "learn: 20000"))
    result = run("replay", str(log_of(tmp_path, [0.01])), "-c", path, "--fail-on", "warning")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "chat-eu: still learning, 9,000 of 20,000" in result.stderr


def test_replay_counts_what_it_skips_and_what_came_late(tmp_path: Path) -> None:
    log = log_of(tmp_path, [0.01], each=1_800)
    with log.open("a") as out:
        out.write(f'not json\n{{"model": "x"}}\n{{"model": "chat-eu", "ts": {START}}}\n')
    result = run("replay", str(log), "-c", alerts(tmp_path, QUIET))
    assert "1 lines skipped: no_ts" in result.stderr
    assert "1 lines skipped: not_json" in result.stderr
    assert "1 records came late" in result.stderr


@pytest.fixture
def store(ledger_url: str, tmp_path: Path) -> Iterator[tuple[Engine, str]]:
    engine = connect(ledger_url)
    kill = """
name: test
source: {bootstrap_servers: "localhost:9092", topic: predictions}
kill_switches:
  chat: {webhook: {url: "https://kill.example/x", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}, mode: disable}
"""
    yield engine, alerts(tmp_path, QUIET + kill + f'store: {{url: "{ledger_url}"}}\n')
    engine.dispose()


def test_a_switch_is_tripped_and_released_by_hand(store: tuple[Engine, str]) -> None:
    engine, path = store
    assert "chat: serving, never tripped" in run("kill", "status", "-c", path).output
    assert "tripped, sequence" in run("kill", "trip", "chat", "--reason", "try", "-c", path).output
    assert "was tripped already" in run("kill", "trip", "chat", "--reason", "again", "-c", path).output
    assert "tripped: disable" in run("kill", "status", "-c", path).output
    assert "released, sequence" in run("kill", "release", "chat", "--reason", "done", "-c", path).output
    with engine.begin() as conn:
        actions = (
            conn.execute(text("SELECT action FROM tocsin.kill_events ORDER BY sequence")).scalars().all()
        )
    assert actions == ["tripped", "released"]


def test_an_incident_is_acknowledged_once_and_its_outcome_may_follow(store: tuple[Engine, str]) -> None:
    engine, path = store
    settings = config.load(path)
    with engine.begin() as conn:
        found = open_internal(
            conn, settings, rule="tocsin.late", key="all", summary="late", detail="", at_ms=1_763_000_000_000
        )
    assert run("ack", found, "--by", "ann", "-c", path).output == f"{found} acknowledged by ann\n"
    again = run("ack", found, "--by", "bob", "--outcome", "false_alarm", "-c", path).output
    assert again == f"{found} was acknowledged before; its outcome is false_alarm now\n"
    assert found in run("status", "-c", path).output


def test_wrong_use_is_one_sentence_and_exit_2(
    store: tuple[Engine, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments, sentence in (
        (
            ["kill", "trip", "chta", "--reason", "x"],
            "tocsin: there is no kill switch chta: did you mean chat?",
        ),
        (
            ["ack", "nosuch"],
            "tocsin: there is no incident nosuch: `tocsin incidents` lists them",
        ),
    ):
        monkeypatch.setattr(sys, "argv", ["tocsin", *arguments, "-c", store[1]])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        assert capsys.readouterr().err.strip() == sentence


def test_a_database_that_does_not_answer_is_one_sentence_and_exit_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = alerts(tmp_path, QUIET + 'store: {url: "postgresql://tocsin:hidden@127.0.0.1:1/tocsin"}\n')
    monkeypatch.setattr(sys, "argv", ["tocsin", "status", "-c", path])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr().err
    assert left.value.code == 3
    assert "127.0.0.1:1" in said
    assert "hidden" not in said
    assert len(said.strip().splitlines()) == 1


def test_db_upgrade_makes_an_empty_database_ready(database_url: str, tmp_path: Path) -> None:
    path = alerts(tmp_path, QUIET + f'store: {{url: "{database_url}"}}\n')
    with pytest.raises(TocsinError, match="run `tocsin db upgrade`"):
        CliRunner().invoke(cli.cli, ["status", "-c", path], catch_exceptions=False)
    assert run("db", "upgrade", "-c", path).output.endswith(" has Tocsin's schema now and is up to date\n")
    assert run("db", "upgrade", "-c", path).output.endswith(
        "/" + database_url.rpartition("/")[2] + " is up to date\n"
    )
    assert run("status", "-c", path).exit_code == 0


@pytest.mark.parametrize("command", [c.name for c in COMMANDS])
def test_every_command_says_what_it_does(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4
