"""Every signal that a test can name is measured as the test says it is."""

from pathlib import Path

import pytest

from monitor.cli.replayer import Replay
from monitor.cli.testing import traffic
from monitor.cli.testing.reading import read_suite
from monitor.config import REPLAY, load
from monitor.records.signals import BY_NAME, MISSING, SIGNALS, Kind

ALERTS = """
reference: {learn: 100000, at_least: 0s}
labels: {join: 2h}
signals:
  declined: {kind: rate, field: prediction, when: [DECLINE]}
  income:   {kind: distribution, field: /features/income, scale: log}
  job:      {kind: category, field: /features/job}
rules:
  - {name: all, signal: SIGNAL, LIMIT}
receivers: {default: {log: {}}}
"""
START = "{stream: {model: m, version: v1}, for: 10m, requests: 5/s"
NOT_DRAWN = {"requests", "late", "inconsistent"}
RATES = [s.name for s in SIGNALS if s.kind is Kind.RATE and s.name not in NOT_DRAWN]
DRIFTING = [s.name for s in SIGNALS if s.kind in (Kind.DISTRIBUTION, Kind.CATEGORY)]
BESIDE = {
    "missing.error_type": "error: 100%, error_type: E, ",
    "missing.cached_version": "stale_cache: 0%, ",
    "missing.input_language": "input_language: en, ",
    "error_type": "error: 100%, ",
    "missing.output": "output_chars: 9, ",
    "missing.input": "input_chars: 9, ",
    "missing.abstained": "abstained: 0%, ",
}


def counted(tmp_path: Path, signal: str, said: str, limit: str = "drift: both") -> tuple[float, int]:
    """The share of buckets over 0 that a test's records come to, and how many were counted."""
    (tmp_path / "alerts.yaml").write_text(ALERTS.replace("SIGNAL", signal).replace("LIMIT", limit))
    file = tmp_path / "a.test.yaml"
    file.write_text(
        f"config: alerts.yaml\ntests:\n  - {{name: a, input: [{START}, {said}}}], expect: [{{at: 1m, firing: []}}]}}"
    )
    suite = read_suite(str(file))
    drawn = traffic.drawn(suite.cases[0], suite.config)
    assert drawn.records is not None
    replay = Replay(load(tmp_path / "alerts.yaml", need=REPLAY))
    replay.feed(drawn.records)
    replay.finish()
    code = suite.config.signal(signal).code
    buckets, counts = replay._history.counts(1, code, 0, drawn.start_ms, drawn.end_ms + 10_000)
    return float(counts[buckets > 0].sum() / max(counts.sum(), 1)), int(counts.sum())


@pytest.mark.parametrize("signal", [*(r for r in RATES if not r.startswith(MISSING)), "declined"])
def test_a_rate_is_as_often_true_as_it_says(tmp_path: Path, signal: str) -> None:
    share, n = counted(tmp_path, signal, f"{signal}: 30%", "above: 5%")
    assert n >= 300
    assert share == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize(
    "field", ["output_tokens", "confidence", "latency_ms", "finish_reason", "score", "cost_usd"]
)
def test_what_is_missing_is_missing_so_often(tmp_path: Path, field: str) -> None:
    value = "stop" if BY_NAME[field].kind is Kind.CATEGORY else "0.5"
    share, n = counted(tmp_path, f"missing.{field}", f"{field}: {value}, missing.{field}: 30%", "above: 5%")
    assert n == 3_000
    assert share == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("signal", [*DRIFTING, "income", "job"])
def test_a_distribution_and_a_category_are_counted(tmp_path: Path, signal: str) -> None:
    category = signal == "job" or (signal in BY_NAME and BY_NAME[signal].kind is Kind.CATEGORY)
    value = "{aa: 70%, bb: 30%}" if category else "0.4 +- 20%"
    value = "{en: 70%, de: 30%}" if "language" in signal else value
    _, n = counted(tmp_path, signal, f"{BESIDE.get(signal, '')}{signal}: {value}")
    assert n >= 1_000


def test_labels_that_come_later_are_joined(tmp_path: Path) -> None:
    share, n = counted(tmp_path, "incorrect", "incorrect: 20%, labels_after: 5m", "above: 5%")
    assert share == pytest.approx(0.2, abs=0.05)
    assert n >= 1_000
