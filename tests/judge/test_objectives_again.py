"""An objective comes to the same incident by `run`, by `backtest` of its panes, and by `replay` of the same records."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bench_of_checkpoints import Ledger, prepared, settings_of
from click.testing import CliRunner
from judging import HEAD
from sqlalchemy import Engine

from monitor import cli
from monitor.ledger.engine import connect

RULES = """
rules:
  - {name: slo, signal: error, objective: 99%, min_n: 200}
"""
STORY = [(20, 0)] * 180 + [(20, 5)] * 60 + [(20, 0)] * 60
"""Half an hour that is good, ten minutes in which a quarter fails, ten that are good: records and failures by pane."""


@pytest.fixture
def ledger(ledger_url: str, tmp_path: Path) -> Iterator[Ledger]:
    engine: Engine = connect(ledger_url)
    yield prepared(engine, settings_of(tmp_path, RULES, head(ledger_url)), age_s=7_200)
    engine.dispose()


def head(url: str) -> str:
    return HEAD.replace("postgresql://localhost/none", url)


def told(*arguments: str) -> list[dict[str, Any]]:
    run = CliRunner().invoke(cli.cli, [*arguments, "--json"], catch_exceptions=False)
    return [json.loads(line) for line in run.stdout.splitlines()]


def log_of(ledger: Ledger, path: Path) -> str:
    """The same records one a line, the failures of a pane first."""
    lines = []
    for i, (n, k) in enumerate(STORY):
        for j in range(n):
            ts = ledger.start_ms + 10_000 * i + j * 10_000 // n
            lines.append(json.dumps({"model": "chat-eu", "ts": ts, "status": "error" if j < k else "ok"}))
    path.write_text("\n".join(lines))
    return str(path)


def test_run_backtest_and_replay_agree_on_what_burns(ledger: Ledger, tmp_path: Path) -> None:
    judge = ledger.session()
    for first in range(0, len(STORY), 30):
        ledger.store_errors(first, STORY[first : first + 30])
        while judge.tick()[1]:
            pass
    at = "(1000 * extract(epoch FROM {}))::bigint"
    columns = ", ".join(at.format(name) for name in ("onset_at", "detected_at"))
    [(rule, severity, onset, detected)] = ledger.rows(
        f"SELECT rule, severity, {columns} FROM tocsin.incidents"
    )
    [[backtested], [replayed]] = (
        told("backtest", "-c", str(tmp_path / "alerts.yaml")),
        told("replay", log_of(ledger, tmp_path / "log.jsonl"), "-c", str(tmp_path / "alerts.yaml")),
    )
    assert backtested == replayed
    assert (backtested["rule"], backtested["severity"]) == (rule, severity) == ("slo", "critical")
    assert [iso_ms(backtested[name]) for name in ("onset_at", "detected_at")] == [onset, detected]
    began = ledger.start_ms + 180 * 10_000
    # To the minute: one that begins with the burn may seem to begin with the next.
    assert began - 60_000 < int(str(onset)) <= began + 60_000
    # In a young log the slowest windows (3d and 6h, factor 1) hold all of it: they fire past 1% of all so far.
    bad = next(i for i in range(60) if 5 * i > 0.01 * 20 * (180 + i))
    assert detected == began + bad * 10_000
    assert "error budget burns" in backtested["summary"]


def iso_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
