"""`tocsin backtest`: the stored panes come to the verdicts that `run` came to."""

import json
from pathlib import Path

import pytest
from bench_of_checkpoints import Ledger, prepared, settings_of
from click.testing import CliRunner
from judging import HEAD
from sqlalchemy import Engine

from monitor import cli
from monitor.errors import UsageError
from monitor.judge.promoting import promote
from monitor.ledger.moments import moment
from monitor.records.signals import BY_NAME

RULES = """
reference: {learn: 1000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: {warning: LIMIT, critical: 30%}}
  - {name: silence, absent: 1m}
"""
STORY = [(100, 1)] * 60 + [(100, 60)] * 60 + [(100, 1)] * 60 + [(0, 0)] * 30 + [(100, 1)] * 20

ISO = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"


def alerts(folder: Path, url: str, limit: str) -> str:
    head = HEAD.replace("postgresql://localhost/none", url)
    settings_of(folder, RULES.replace("LIMIT", limit), head)
    return str(folder / "alerts.yaml")


@pytest.fixture
def ledger(engine: Engine, ledger_url: str, tmp_path: Path) -> Ledger:
    """Judged: calm, an outage, calm, five minutes of silence, calm."""
    alerts(tmp_path, ledger_url, "2x")
    made = prepared(engine, settings_of(tmp_path, RULES.replace("LIMIT", "2x")), age_s=7_200)
    for first in range(0, len(STORY), 10):
        some = STORY[first : first + 10]
        if some[0][0]:
            made.store_errors(first, some)
    judge = made.session()
    while judge.tick()[1]:
        pass
    return made


def backtested(path: str, *arguments: str) -> list[dict[str, object]]:
    run = CliRunner().invoke(
        cli.cli, ["backtest", "--json", "-c", path, *arguments], catch_exceptions=False, standalone_mode=False
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_it_comes_to_the_verdicts_of_run(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    columns = "rule, stream, signal, severity, onset_at, detected_at"
    judged = ledger.rows(
        "SELECT rule, stream, signal, severity, "
        f"{ISO.format('onset_at')}, {ISO.format('detected_at')} FROM tocsin.incidents ORDER BY detected_at, rule"
    )
    found = backtested(alerts(tmp_path, ledger_url, "2x"))
    assert [tuple(i[c.strip()] for c in columns.split(",")) for i in found] == judged
    assert [row[0] for row in judged] == ["errors", "silence"]


def test_other_limits_come_to_other_verdicts(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    found = backtested(alerts(tmp_path, ledger_url, "10%"))
    assert [i["rule"] for i in found] == ["errors", "silence"]
    assert found[0]["detected_at"] > backtested(alerts(tmp_path, ledger_url, "2x"))[0]["detected_at"]  # type: ignore[operator]


def test_an_empty_ledger_is_one_sentence(engine: Engine, ledger_url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pane is stored yet"):
        backtested(alerts(tmp_path, ledger_url, "2x"))


def pane_text(ledger: Ledger, pane: int) -> str:
    return f"{moment(ledger.start_ms + pane * 10_000):%Y-%m-%dT%H:%M:%S}"


def test_an_accepted_reference_comes_in_where_run_took_it_up(
    engine: Engine, ledger_url: str, tmp_path: Path
) -> None:
    ledger = prepared(engine, settings_of(tmp_path, RULES.replace("LIMIT", "2x")), age_s=7_200)
    path = alerts(tmp_path, ledger_url, "2x")
    judge = ledger.session()

    def judged(first: int, panes: list[tuple[int, int]]) -> None:
        ledger.store_errors(first, panes)
        while judge.tick()[1]:
            pass

    judged(0, [(100, 1)] * 60)
    judged(60, [(100, 20)] * 60)
    with engine.begin() as conn:
        times = (moment(ledger.start_ms + first * 10_000) for first in (80, 120))
        promote(conn, 1, BY_NAME["error"], *times, "accepted", "")
    judged(120, [(100, 20)] * 60)
    judged(180, [(100, 90)] * 120)
    found = backtested(path)
    assert [(i["onset_at"], i["severity"]) for i in found] == ledger.rows(
        f"SELECT {ISO.format('onset_at')}, severity FROM tocsin.incidents ORDER BY detected_at"
    )
    assert len(found) == 2
    (held_from,) = ledger.rows("SELECT held_from FROM tocsin_ledger.reference WHERE origin = 'accepted'")
    assert held_from == (moment(ledger.start_ms + 119 * 10_000),)


def test_from_later_on_it_begins_with_the_references_that_held_then(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    path = alerts(tmp_path, ledger_url, "2x")
    run = CliRunner().invoke(cli.cli, ["backtest", "-c", path, "--since", pane_text(ledger, 50)])
    assert "with 1 reference that held then" in run.stderr
    assert "evidence, totals and incidents begin afresh" in run.stderr
    since = backtested(path, "--since", pane_text(ledger, 50))
    assert [i["rule"] for i in since] == ["errors", "silence"]
    assert since[1] == backtested(path)[1]
    assert backtested(path, "--since", pane_text(ledger, 130), "--until", pane_text(ledger, 170)) == []


def test_a_time_without_panes_is_one_sentence(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pane is kept from then to then: there are panes from 20"):
        backtested(alerts(tmp_path, ledger_url, "2x"), "--until", pane_text(ledger, -5))


def test_it_says_which_rules_it_cannot_judge(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    path = Path(alerts(tmp_path, ledger_url, "2x"))
    rules = path.read_text() + "  - {name: quick, signal: error, window: 5s, above: 50%, min_n: 20}\n"
    path.write_text(
        rules.replace("signal: error, above", "signal: error, match: {model: chat-eu}, kill: chat, above")
    )
    run = CliRunner().invoke(cli.cli, ["backtest", "-c", str(path)])
    assert "not judged: quick: a plain window rests on single seconds, which are not kept" in run.stderr
    assert "judged without their kills: errors (chat)" in run.stderr
