"""`status`: what people marked as false alarms against what was promised, and what nobody has marked."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine
from stored import Stored

from monitor import cli

REST = """
rules: [{name: errors, signal: error, above: {warning: 2x, critical: 10%}}]
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
"""
TEAMS = """
streams:
  labels: [{match: {model: chat-*}, set: {team: chat}}, {match: {model: s*}, set: {team: s}}]
false_alarms: {per: team}
"""


@pytest.fixture
def stored(engine: Engine) -> Stored:
    return Stored(engine)


def status(folder: Path, engine: Engine, head: str = "") -> list[str]:
    """The lines that `tocsin status` prints."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    path = folder / "alerts.yaml"
    path.write_text(f'{head}\nstore: {{url: "{url}"}}\n{REST}')
    result = CliRunner().invoke(cli.cli, ["status", "-c", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    return [line.rstrip() for line in result.output.splitlines()]


def after(lines: list[str]) -> list[str]:
    """What stands under "False alarms", up to the table."""
    told = lines[lines.index("False alarms") + 1 :]
    return told[
        : next((i for i, line in enumerate(told) if line.startswith(("What", "Unmarked"))), len(told))
    ]


def test_marked_false_alarms_stand_against_the_promise(
    tmp_path: Path, engine: Engine, stored: Stored
) -> None:
    for i, outcome in enumerate(["false_alarm", "false_alarm", "true", "expected", None]):
        stored.incident(f"i{i}", outcome=outcome)
    lines = status(tmp_path, engine)
    assert after(lines) == [
        "all severities: promised at most 1.0 in 30 d, marked false: 2 of 5 incidents in 30 d, 1 unmarked, "
        "more than promised"
    ]
    assert "What were these? Say it: tocsin ack INCIDENT --outcome true|false_alarm|expected" in lines
    (row,) = [line for line in lines[lines.index("Unmarked, 1 of 1") :] if "i4" in line]
    assert "summary of i4" in row


def test_what_carries_no_guarantee_and_what_is_tocsin_s_own_is_no_part_of_the_promise(
    tmp_path: Path, engine: Engine, stored: Stored
) -> None:
    stored.incident("i0", outcome="true")
    stored.incident("i1", guaranteed=False, outcome="false_alarm")
    stored.incident("i2", rule="tocsin.late", guaranteed=False, stream="(tocsin)")
    stored.incident("i3", opened_at=datetime.now(UTC) - timedelta(days=31))
    assert after(status(tmp_path, engine)) == [
        "all severities: promised at most 1.0 in 30 d, marked false: 0 of 1 incident in 30 d",
        "without guarantee: marked false: 1 of 1 incident in 30 d",
    ]


def test_each_severity_of_a_map_has_its_own_line(tmp_path: Path, engine: Engine, stored: Stored) -> None:
    stored.incident("i0", outcome="false_alarm")
    stored.incident("i1", severity="critical")
    assert after(status(tmp_path, engine, "false_alarms: {warning: 1 per 7d, critical: 1 per 90d}")) == [
        "warning: promised at most 4.3 in 30 d, marked false: 1 of 1 incident in 30 d",
        "critical: promised at most 0.3 in 30 d, marked false: 0 of 1 incident in 30 d, 1 unmarked",
    ]


def test_per_label_each_value_has_a_promise_of_its_own(
    tmp_path: Path, engine: Engine, stored: Stored
) -> None:
    for i, (stream, outcome) in enumerate(
        [("chat-eu", "false_alarm"), ("chat-eu", "false_alarm"), ("search", "true")]
    ):
        stored.incident(f"i{i}", stream=stream, outcome=outcome)
    assert after(status(tmp_path, engine, TEAMS)) == [
        "team=chat: promised at most 1.0 in 30 d, marked false: 2 of 2 incidents in 30 d, more than promised",
        "team=s: promised at most 1.0 in 30 d, marked false: 0 of 1 incident in 30 d",
    ]


def test_kills_that_turned_out_false_are_counted_by_themselves(
    tmp_path: Path, engine: Engine, stored: Stored
) -> None:
    stored.incident("i0", severity="critical", outcome="false_alarm", kill_switch="chat")
    for action in ("tripped", "released"):
        stored.add(
            "kill_event", kill_id=action, switch="chat", stream="chat-eu", action=action, mode="disable",
            sequence=1, reason="errors", incident_id="i0", actor="rule errors",
        )  # fmt: skip
    assert after(status(tmp_path, engine))[-1] == (
        "kills: promised at most 0.026 in 30 d, marked false: 1 of 1 incident in 30 d, more than promised"
    )


def test_a_ledger_without_incidents_says_so(tmp_path: Path, engine: Engine, stored: Stored) -> None:
    assert after(status(tmp_path, engine)) == [
        "all severities: promised at most 1.0 in 30 d, marked false: 0 of 0 incidents in 30 d"
    ]


def test_it_says_nothing_of_what_never_was_and_in_which_zone_times_are(
    tmp_path: Path, engine: Engine, stored: Stored
) -> None:
    lines = status(tmp_path, engine)
    assert re.fullmatch(r"All times UTC, as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", lines[0])
    assert "Kill switches: none was ever pulled" in lines
    assert not [line for line in lines if "(other)" in line]


def test_signals_outside_the_promise_are_named_before_anything_fires(
    tmp_path: Path, engine: Engine, stored: Stored
) -> None:
    assert "Watched without guarantee: none" in status(tmp_path, engine)
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE tocsin_ledger.stream SET state = 'watched' WHERE key = 'chat-eu'")
    stored.reference(1, "output_language", {2: 500})
    stored.reference(2, "error", {0: 500})
    stored.reference(3, "latency_ms", {7: 500}, block_s=10)
    stored.reference(4, "confidence", {7: 500}, provisional=True)
    stored.reference(5, "output_tokens", {7: 500}, retired_at=datetime.now(UTC))
    lines = status(tmp_path, engine)
    under = lines[lines.index("Watched without guarantee") + 1 :]
    (row,) = [line for line in under[: under.index("Incidents that fire: none")] if "chat-eu" in line]
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == ["chat-eu", "error, output_language"]
