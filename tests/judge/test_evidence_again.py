"""`explain` recomputes an incident's evidence from stored panes, and says where it does not come to it."""

import re
import struct
from pathlib import Path

import pytest
from bench_of_checkpoints import Ledger, prepared, settings_of
from click.testing import CliRunner, Result
from judging import HEAD
from sqlalchemy import Engine

from monitor import cli, config
from monitor.cli.explain.evidence import Recomputed, recomputed
from monitor.errors import UsageError
from monitor.ledger.moments import millis

RULES = """
reference: {learn: 1000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: {warning: 2x, critical: 40%}}
  - {name: silence, absent: 1m}
"""
STORY = (
    [(100, 1)] * 60 + [(100, 30)] * 30 + [(100, 90)] * 120 + [(100, 1)] * 60 + [(0, 0)] * 30 + [(100, 1)] * 20
)


def alerts(folder: Path, url: str, rules: str = RULES) -> str:
    settings_of(folder, rules, HEAD.replace("postgresql://localhost/none", url))
    return str(folder / "alerts.yaml")


def judged(engine: Engine, url: str, folder: Path, rules: str = RULES) -> Ledger:
    """Judged: calm, an outage that gets worse, calm, silence."""
    head = HEAD.replace("postgresql://localhost/none", url)
    made = prepared(engine, settings_of(folder, rules, head), age_s=7_200)
    for first in range(0, len(STORY), 10):
        if STORY[first][0]:
            made.store_errors(first, STORY[first : first + 10])
    judge = made.session()
    while judge.tick()[1]:
        pass
    return made


@pytest.fixture
def ledger(engine: Engine, ledger_url: str, tmp_path: Path) -> Ledger:
    return judged(engine, ledger_url, tmp_path)


def again(ledger: Ledger, path: str) -> Recomputed:
    with ledger.engine.begin() as conn:
        row = conn.exec_driver_sql("SELECT * FROM tocsin_ledger.incident WHERE rule = 'errors'").one()
        return recomputed(conn, config.load(path), row)


def incident(ledger: Ledger, rule: str = "errors") -> str:
    return str(ledger.rows(f"SELECT incident_id FROM tocsin.incidents WHERE rule = '{rule}'")[0][0])


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(
        cli.cli, ["explain", *arguments], catch_exceptions=False, standalone_mode=False, env={"COLUMNS": "80"}
    )


def test_it_comes_to_the_incident_and_alarms_where_m_reaches_a(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    found = again(ledger, alerts(tmp_path, ledger_url))
    ((onset_at, detected_at),) = ledger.rows(
        "SELECT onset_at, detected_at FROM tocsin.incidents WHERE rule = 'errors'"
    )
    trace = found.trace
    assert found.reproduced
    assert trace is not None
    assert (trace.onset_ms, trace.detected_ms) == (millis(onset_at), millis(detected_at))
    reached = [b.end_ms for b in trace.blocks if b.log_m >= trace.log_a]
    assert reached == [trace.detected_ms]
    after = [b for b in trace.blocks if b.end_ms > trace.detected_ms]
    assert {b.log_m for b in after} == {float("-inf")}
    assert (trace.blocks[0].k, trace.blocks[0].n) == (trace.block_s // 10, 10 * trace.block_s)
    assert trace.blocks[-1].k > 0.3 * trace.blocks[-1].n


def test_every_tier_that_alarmed_is_certain_from_then_on(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    trace = again(ledger, alerts(tmp_path, ledger_url)).trace
    assert trace is not None
    assert [(c.severity, c.text) for c in trace.certified][:1] == [("warning", "2x")]
    assert ("critical", "40%") in [(c.severity, c.text) for c in trace.certified]
    times = [c.at_ms for c in trace.certified]
    assert times == sorted(times)


def test_it_is_drawn_within_80_columns(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    result = explain(incident(ledger), "-c", alerts(tmp_path, ledger_url))
    assert "the evidence comes to this incident" in " ".join(result.output.split())
    drawing = result.output.partition("log10 M after each block")[2]
    assert max(map(len, drawing.splitlines())) <= 80
    assert re.search("\\^ [0-9:]{8} onset", drawing)
    assert re.search("m [0-9.]+% ", drawing)


def test_with_other_rules_it_says_that_it_does_not_come_to_it(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    changed = alerts(tmp_path, ledger_url, RULES.replace("2x", "20%"))
    said = " ".join(explain(incident(ledger), "-c", changed).output.split())
    assert "does NOT come to this incident" in said
    assert "alerts.yaml has changed since" in said
    gone = alerts(tmp_path, ledger_url, RULES.replace("name: errors", "name: other"))
    said = " ".join(explain(incident(ledger), "-c", gone).output.split())
    assert "no rule errors keeps evidence on error now" in said


def test_where_panes_are_gone_it_says_so(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    with ledger.engine.begin() as conn:
        conn.exec_driver_sql(
            "DELETE FROM tocsin_ledger.pane WHERE evidence_start < "
            "(SELECT detected_at - interval '20 s' FROM tocsin_ledger.incident WHERE rule = 'errors')"
        )
    found = again(ledger, alerts(tmp_path, ledger_url))
    assert not found.reproduced
    assert any(doubt.endswith("are no longer kept") for doubt in found.doubts)


def test_silence_has_no_evidence_to_draw(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    path = alerts(tmp_path, ledger_url)
    assert "log10 M" not in explain(incident(ledger, "silence"), "-c", path).output
    with pytest.raises(UsageError, match="no evidence to draw"):
        explain(incident(ledger, "silence"), "-c", path, "--plot", str(tmp_path / "x.png"))


def test_a_chart_is_a_page_that_fetches_nothing_or_a_picture(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    path, page, picture = alerts(tmp_path, ledger_url), tmp_path / "e.html", tmp_path / "e.png"
    explain(incident(ledger), "-c", path, "--plot", str(page))
    html = page.read_text()
    assert "alarm at log10 A" in html
    assert not re.search("""(src|href)=["'](https?:)?//|@import|url\\(["']?https?:""", html)
    explain(incident(ledger), "-c", path, "--plot", str(picture))
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    assert min(struct.unpack(">II", head[16:24])) > 800


def test_a_chart_of_another_kind_is_one_sentence(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"written as \.html or \.png"):
        explain(incident(ledger), "-c", alerts(tmp_path, ledger_url), "--plot", str(tmp_path / "e.pdf"))


def test_an_incident_that_waited_shows_its_alarm_where_it_came(
    engine: Engine, ledger_url: str, tmp_path: Path
) -> None:
    waits = RULES.replace("critical: 40%}", "critical: 40%}, for: 4m")
    found = again(judged(engine, ledger_url, tmp_path, waits), alerts(tmp_path, ledger_url, waits))
    assert found.reproduced
    assert found.trace is not None
    reached = [b.end_ms for b in found.trace.blocks if b.log_m >= found.trace.log_a]
    assert reached == [found.trace.detected_ms - 240_000]
