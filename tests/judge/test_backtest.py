"""`tocsin backtest`: the stored panes come to the verdicts that `run` came to."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench_of_checkpoints import Ledger, prepared, settings_of
from click.testing import CliRunner
from judging import HEAD
from sqlalchemy import Engine

from monitor import cli
from monitor.errors import UsageError
from monitor.ledger.engine import connect

RULES = """
reference: {learn: 1000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: {warning: LIMIT, critical: 30%}}
  - {name: silence, absent: 1m}
"""
STORY = [(100, 1)] * 60 + [(100, 60)] * 60 + [(100, 1)] * 60 + [(0, 0)] * 30 + [(100, 1)] * 20


@pytest.fixture
def engine(ledger_url: str) -> Iterator[Engine]:
    made = connect(ledger_url)
    yield made
    made.dispose()


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
    iso = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    judged = ledger.rows(
        "SELECT rule, stream, signal, severity, "
        f"{iso.format('onset_at')}, {iso.format('detected_at')} FROM tocsin.incidents ORDER BY detected_at, rule"
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
