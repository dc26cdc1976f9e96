"""`explain`: an incident from the ledger alone, in words, and what was counted around its onset."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine
from stored import PANE, T0, Stored

from detectors.buckets import LOG
from monitor import cli
from monitor.errors import UsageError

YAML = """
rules:
  - name: errors
    signal: error
    above: {warning: 2x, critical: 10%}
    match: {model: chat-eu}
"""
FACTS = {
    "env": "t",
    "rule": "errors",
    "severity": "warning",
    "stream": "chat-eu",
    "onset_ms": 0,
    "detected_ms": 0,
}


@pytest.fixture
def stored(engine: Engine) -> Stored:
    return Stored(engine)


def explain(folder: Path, engine: Engine, *arguments: str) -> Result:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    path = folder / "alerts.yaml"
    rules = "rules: [{name: e, signal: error, above: 2x}]\nreceivers: {default: {slack: {url: 'https://s.example'}}}"
    path.write_text(f'store: {{url: "{url}"}}\n{rules}')
    arguments = ("explain", *arguments, "-c", str(path))
    return CliRunner(env={"COLUMNS": "100"}).invoke(cli.cli, arguments)


def told(result: Result) -> dict[str, str]:
    """What stands beside each heading, on one line each."""
    assert result.exit_code == 0, result.exception
    found: dict[str, str] = {}
    heading = ""
    for line in re.split("Around the onset|The panes around", result.output)[0].splitlines():
        begins = re.match(r"([A-Z][a-z]+(?: [a-z]+)?) {2,}(.*)", line)
        heading, text = begins.groups() if begins else (heading, line)
        found[heading] = f"{found.get(heading, '')} {text.strip()}".strip()
    return found


def rows(result: Result) -> list[list[str]]:
    """The cells of each pane: time, k, n, rate, limit, then what the bar shows."""
    lines = result.output.partition("Around the onset")[2].splitlines()
    return [line.split() for line in lines if line.strip()[:1].isdigit() and ":" in line]


@pytest.fixture
def failing(stored: Stored) -> Stored:
    """1% of 100 requests a pane fail, from `T0` on 20%; detected after three panes."""
    stored.add("config", config_hash="c0", host="h", yaml_redacted=YAML)
    stored.reference(7, "error", {0: 9_900, 1: 100})
    stored.incident(
        "k3v9q2m7ab", facts={**FACTS, "kind": "rate", "signal": "error", "quantity": "rate", "unit": "share"},
        summary="chat-eu: 20% of requests fail, was 1%", observed=0.2, reference=0.01, tolerance="2x", at_least=0.024,
        affected=60, total=300, reference_id=7, version="v42", version_seen_at=T0 - timedelta(seconds=40),
    )  # fmt: skip
    for number in range(-12, 8):
        k = 20 if number >= 0 else 1
        stored.pane("error", number, {0: 100 - k, 1: k})
    return stored


def test_of_a_reference_by_the_hour_it_counts_that_hour(
    tmp_path: Path, engine: Engine, stored: Stored
) -> None:
    stored.reference(11, "error", {0: 9_900, 1: 100})
    for hour, failures in ((2, 10), (3, 50)):
        stored.add(
            "reference_hour", reference_id=11, hour=hour, buckets=[0, 1], counts=[1_000 - failures, failures],
            pane_rates=[1.0, 0.0], panes=1.0, panes_inverse=0.001,
        )  # fmt: skip
    stored.incident(
        "night1", observed=0.2, reference=0.05, tolerance="1.5x", at_least=0.08, affected=60, total=300,
        reference_id=11,
        facts={**FACTS, "kind": "rate", "signal": "error", "quantity": "rate", "unit": "share", "reference_hours": [3]},
    )  # fmt: skip
    assert "Mondays 03:00-04:00 UTC" in (said := told(explain(tmp_path, engine, "night1"))["Reference"])
    assert "(50 of 1,000)" in said


def test_a_rate_in_plain_words(tmp_path: Path, engine: Engine, failing: Stored) -> None:
    assert told(explain(tmp_path, engine, "k3v9q2m7ab")) == {
        "Incident": "k3v9q2m7ab, warning, firing: chat-eu: 20% of requests fail, was 1%",
        "Began": "2026-11-14 02:51:20 UTC by its evidence, detected 2026-11-14 02:51:50, 30 s later",
        "Rule": "{name: errors, signal: error, above: {warning: 2x, critical: 10%}, match: {model: chat-eu}}",
        "Reference": "#7, learned from 10,000 records, 12-13 Nov: 1% of requests fail (100 of 10,000)",
        "Limit": "2x: at most 2.4% of requests fail",
        "Observed": "20% of requests fail since the onset (60 of 300)",
        "Promise": "covered: were this a false alarm, it would count against `false_alarms`",
        "Came with": "version v42, first seen 40 s before the onset",
        "Outcome": "taken by nobody, not marked: tocsin ack k3v9q2m7ab --outcome true|false_alarm|expected",
    }


def test_the_panes_around_the_onset_with_their_rates_against_the_limit(
    tmp_path: Path, engine: Engine, failing: Stored
) -> None:
    result = explain(tmp_path, engine, "k3v9q2m7ab")
    assert max(len(line) for line in result.output.splitlines()) <= 100
    found = rows(result)
    assert [row[:5] for row in found[:2]] == [
        ["02:49:40", "1", "100", "1%", "2.4%"],
        ["02:49:50", "1", "100", "1%", "2.4%"],
    ]
    assert len(found) == 10 + 3 + 6 - 1
    onset, detected = (next(row for row in found if row[-1] == mark) for mark in ("onset", "detected"))
    assert onset[:5] == ["02:51:20", "20", "100", "20%", "2.4%"]
    assert detected[0] == "02:51:40"
    assert onset[5].startswith("████|█")
    assert found[0][5:7] == ["██", "|"]


def test_many_panes_are_added_up(tmp_path: Path, engine: Engine, failing: Stored) -> None:
    result = explain(tmp_path, engine, "k3v9q2m7ab", "--rows", "5")
    found = rows(result)
    assert "each 40 s" in result.output
    assert found[0][1:4] == ["4", "400", "1%"]
    assert len(found) == 5


def test_a_percentile_is_a_share_beyond_its_edge(tmp_path: Path, engine: Engine, stored: Stored) -> None:
    fast, slow, edge = (int(LOG.bucket([v])[0]) for v in (500.0, 9_000.0, 3_000.0))
    limit = float(LOG.upper([edge])[0])
    stored.reference(8, "latency_ms", {fast: 9_950, slow: 50})
    stored.incident(
        "slow1", rule="slow", signal="latency_ms", quantity="p99", unit="ms", observed=9_000.0, reference=2_000.0,
        tolerance="1.5x", at_least=limit, affected=30, total=300, reference_id=8, guaranteed=False,
        facts={**FACTS, "kind": "distribution", "signal": "latency_ms", "quantity": "p99", "unit": "ms"},
    )  # fmt: skip
    for number in range(-2, 4):
        stored.pane(
            "latency_ms", number, {fast: 90, edge: 5, slow: 5} if number >= 0 else {fast: 95, edge: 5}
        )
    result = explain(tmp_path, engine, "slow1")
    words = told(result)
    assert words["Reference"].endswith("p99 2 s; 0.5% of latency_ms is above 3 s (50 of 10,000)")
    assert words["Limit"] == "1.5x: at most about 1% of latency_ms is above 3 s"
    assert words["Observed"] == "p99 9 s since the onset; 10% of latency_ms is above 3 s (30 of 300)"
    assert words["Rule"] == "slow on latency_ms"
    assert words["Promise"].startswith("outside: no block length was found")
    assert [row[1:5] for row in rows(result)][1:3] == [["0", "100", "0%", "1%"], ["5", "100", "5%", "1%"]]


def test_a_category_is_a_share_of_the_known_ones(tmp_path: Path, engine: Engine, stored: Stored) -> None:
    stored.add("category", stream_id=1, signal=65, category_id=2, name="en")
    stored.add("category", stream_id=1, signal=65, category_id=3, name="de")
    stored.reference(9, "output_language", {0: 500, 2: 9_800, 3: 200})
    stored.incident(
        "lang1", rule="language", signal="output_language", quantity="share:de", observed=0.5, reference=0.02,
        tolerance="2x", at_least=0.041, affected=50, total=110, reference_id=9,
        facts={**FACTS, "kind": "category", "signal": "output_language", "quantity": "share:de", "unit": "share"},
    )  # fmt: skip
    stored.pane("output_language", 0, {0: 10, 2: 50, 3: 50})
    result = explain(tmp_path, engine, "lang1")
    assert told(result)["Reference"].endswith("2% of answers are German (200 of 10,000)")
    assert told(result)["Limit"] == "2x: at most 4.1% of answers are German"
    assert rows(result)[0][1:5] == ["50", "100", "50%", "4.1%"]


def test_silence_shows_the_traffic_that_ended(tmp_path: Path, engine: Engine, stored: Stored) -> None:
    stored.incident(
        "still", rule="silence", signal=None, quantity=None, unit="ms", observed=120_000.0, guaranteed=False,
        detected_at=T0 + 12 * PANE, facts={**FACTS, "kind": "absent"},
    )  # fmt: skip
    for number in range(-3, 1):
        stored.pane("requests", number, {0: 50})
    result = explain(tmp_path, engine, "still")
    assert told(result)["Observed"] == "nothing for 2 min"
    assert told(result)["Promise"] == "outside: silence is a fact, not evidence"
    assert [row[:2] for row in rows(result)] == [[f"02:5{m}", "50"] for m in ("0:50", "1:00", "1:10", "1:20")]


def test_traffic_and_what_was_seen_while_learning_say_why_they_are_outside(
    tmp_path: Path, engine: Engine, stored: Stored
) -> None:
    stored.incident(
        "half", rule="traffic", signal="requests", quantity="count", unit="requests", observed=300.0, tolerance="0.5x",
        reference=900.0, guaranteed=False, facts={**FACTS, "kind": "traffic", "quantity": "count"},
    )  # fmt: skip
    stored.incident(
        "young", guaranteed=False, facts={**FACTS, "kind": "rate", "found_by": ["ADWIN", "Page-Hinkley"]}
    )
    stored.pane("requests", 0, {0: 50})
    half, young = explain(tmp_path, engine, "half"), explain(tmp_path, engine, "young")
    assert told(half)["Promise"] == "outside: requests are compared with last week, without statistics"
    assert told(half)["Limit"] == "0.5x"
    assert [row[:2] for row in rows(half)] == [["02:51:20", "50"]]
    assert told(young)["Promise"] == "outside: seen by ADWIN and Page-Hinkley while the stream was learning"


def test_of_a_kill_it_says_that_seconds_are_not_kept(tmp_path: Path, engine: Engine, failing: Stored) -> None:
    failing.incident(
        "kill1", rule="e", severity="critical", kill_switch="chat", detected_at=T0 + PANE, observed=0.2, reference=0.01,
        at_least=0.1, affected=20, total=100, reference_id=7,
        facts={**FACTS, "kind": "rate", "signal": "error", "quantity": "rate", "unit": "share"},
    )  # fmt: skip
    said = " ".join(explain(tmp_path, engine, "kill1").output.split())
    assert "opened by its kill, which rests on single seconds, and these are not kept" in said


def test_tocsin_s_own_incidents_and_lost_panes_are_told_too(
    tmp_path: Path, engine: Engine, stored: Stored
) -> None:
    stored.incident(
        "own", rule="tocsin.late", stream="(tocsin)", signal=None, quantity=None, guaranteed=False,
        outcome="expected", acknowledged_by="ann", facts={**FACTS, "kind": "internal"},
    )  # fmt: skip
    result = explain(tmp_path, engine, "own")
    assert list(told(result)) == ["Incident", "Began", "Rule", "Outcome"]
    assert "taken by ann, marked expected" in result.output
    assert "The panes around its onset are no longer, or were never, in the ledger." in result.output


def test_an_incident_that_is_not_there_is_one_sentence(tmp_path: Path, engine: Engine) -> None:
    result = explain(tmp_path, engine, "nosuch")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "there is no incident nosuch: `tocsin incidents` lists them"
