"""`tocsin incidents` on a real ledger: what is left by each filter, the newest first."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text
from stored import Stored

from monitor import cli
from monitor.errors import UsageError
from monitor.ledger.incident_search import COLUMNS, read_since

REST = "rules: [{name: errors, signal: error, above: 2x}]\nreceivers: {default: {log: {}}}\n"
NOW = datetime.now(UTC)
Incidents = Callable[..., Result]


@pytest.fixture
def incidents(engine: Engine, ledger_url: str, tmp_path: Path) -> Incidents:
    """The command on a ledger with four incidents, `i0` the newest."""
    stored = Stored(engine)
    rows = (
        {"severity": "critical", "outcome": "true"},
        {"state": "resolved", "stream": "search", "resolved_at": NOW, "outcome": "false_alarm"},
        {"state": "expired", "rule": "errors_100%", "stream": "my model"},
        {"state": "resolved", "rule": "slow", "severity": "info", "stream": "chat-us", "outcome": "expected"},
    )
    for number, values in enumerate(rows):
        stored.incident(f"i{number}", opened_at=NOW - timedelta(days=3 * number, minutes=1), **values)
    path = tmp_path / "alerts.yaml"
    path.write_text(f'store: {{url: "{ledger_url}"}}\n{REST}')

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli.cli, ["incidents", *arguments, "-c", str(path)])

    return run


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [json.loads(line)["incident_id"] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ([], ["i0", "i1", "i2", "i3"]),
        (["--since", "7d"], ["i0", "i1", "i2"]),
        (["--since", f"{NOW - timedelta(days=4):%Y-%m-%dT%H:%M}"], ["i0", "i1"]),
        (["--stream", "my model"], ["i2"]),
        (["--stream", "chat-*"], ["i0", "i3"]),
        (["--stream", "chat"], []),
        (["--rule", "errors"], ["i0", "i1"]),
        (["--rule", "errors_*%"], ["i2"]),
        (["--rule", "error_*"], []),
        (["--severity", "info"], ["i3"]),
        (["--state", "firing"], ["i0"]),
        (["--state", "resolved", "--outcome", "false_alarm"], ["i1"]),
        (["--outcome", "none"], ["i2"]),
        (["--limit", "2"], ["i0", "i1"]),
    ],
)
def test_filters_leave_what_they_say(incidents: Incidents, arguments: list[str], left: list[str]) -> None:
    assert ids(incidents("--json", *arguments)) == left


def test_a_line_of_json_has_the_columns_of_the_view(incidents: Incidents, engine: Engine) -> None:
    line = json.loads(incidents("--json", "--limit", "1").stdout)
    with engine.begin() as conn:
        view = tuple(conn.execute(text("SELECT * FROM tocsin.incidents LIMIT 0")).keys())
    assert tuple(line) == COLUMNS == view
    assert (line["labels"], line["resolved_at"], line["onset_at"]) == ({}, None, "2026-11-14T02:51:20Z")


def test_the_table_is_for_people_and_says_that_there_is_more(incidents: Incidents) -> None:
    shown = incidents("--limit", "1")
    [row] = [line for line in shown.stdout.splitlines() if "i0" in line]
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        "i0", "critical", "firing", "errors", "chat-eu", "2026-11-14 02:51:20", "-", "true", "summary of i0",
    ]  # fmt: skip
    assert shown.stderr == "these are the newest 1: --limit shows more\n"
    assert incidents().stderr == ""


def test_where_nothing_matches_it_says_what_was_asked(incidents: Incidents, engine: Engine) -> None:
    said = incidents("--stream", "nosuch", "--outcome", "none").output
    assert said == "no incident has --stream nosuch --outcome none\n"
    with engine.begin() as conn:
        conn.execute(text("DELETE FROM tocsin_ledger.incident"))
    assert incidents().output == "no incident was ever opened\n"
    assert incidents("--json").output == ""


def test_a_time_that_is_none_is_one_sentence(incidents: Incidents) -> None:
    result = incidents("--since", "soon")
    sentence = "--since soon is no time: write 24h, 7d or 2026-11-14"
    assert (type(result.exception), str(result.exception)) == (UsageError, sentence)


def test_a_time_may_say_its_zone_and_is_of_utc_where_it_does_not() -> None:
    assert read_since("2026-11-14T10:00+02:00") == datetime(2026, 11, 14, 8, tzinfo=UTC)
    assert read_since("2026-11-14") == datetime(2026, 11, 14, tzinfo=UTC)
    assert abs(read_since("36h") - (datetime.now(UTC) - timedelta(hours=36))) < timedelta(minutes=1)
