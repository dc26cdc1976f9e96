"""LIMITs: what each form of the contract means, and on which signal."""

from pathlib import Path

import pytest

from monitor import config
from monitor.config.rule import Limit, LimitKind, Rule, Severity
from monitor.records.signals import SIGNALS, Kind, Side

RECEIVERS = "receivers: {default: {slack: {url: 'https://s.example'}}}\n"
SWITCH = "kill_switches: {chat: {webhook: {url: 'https://k.example', secret: '${S}'}}}\n"
ABSOLUTE, POINTS, TIMES, DEFAULT = LimitKind.ABSOLUTE, LimitKind.POINTS, LimitKind.TIMES, LimitKind.DEFAULT


def rule(tmp_path: Path, text: str) -> Rule:
    file = tmp_path / "alerts.yaml"
    file.write_text(f"rules: [{{name: r, {text}}}]\n{RECEIVERS}{SWITCH}")
    [loaded] = config.load(file, environ={}, need=config.CHECK).rules
    return loaded


def limit(tmp_path: Path, text: str) -> Limit:
    [bound] = rule(tmp_path, text).bounds
    [(_, found)] = bound.tiers
    return found


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("signal: error, above: 5%", ABSOLUTE, 0.05),
        ("signal: error, above: 0.05", ABSOLUTE, 0.05),
        ("signal: error, above: 50%", ABSOLUTE, 0.5),
        ("signal: error, above: 5pp", POINTS, 0.05),
        ("signal: error, above: +5pp", POINTS, 0.05),
        ("signal: error, above: 0.5 pp", POINTS, 0.005),
        ("signal: error, above: 2x", TIMES, 2.0),
        ("signal: error, above: 1.25x", TIMES, 1.25),
        ("signal: error, above: ", DEFAULT, 0.0),
        ("signal: error, above: reference", DEFAULT, 0.0),
        ("signal: error, above: reference, tolerance: 3x", TIMES, 3.0),
        ("signal: error, below: 80%", ABSOLUTE, 0.8),
        ("signal: error, below: 0.5x", TIMES, 0.5),
        ("signal: error, below: -5pp", POINTS, 0.05),
        ("signal: error, drift: up", DEFAULT, 0.0),
        ("signal: error, drift: up, tolerance: 2pp", POINTS, 0.02),
        ("signal: error, window: 5s, above: 90%", ABSOLUTE, 0.9),
        ("signal: error, window: 5s, below: 1%", ABSOLUTE, 0.01),
        ("signal: latency_ms, quantile: p99, above: 800ms", ABSOLUTE, 800.0),
        ("signal: latency_ms, quantile: p99, above: 2s", ABSOLUTE, 2000.0),
        ("signal: latency_ms, quantile: p99, above: 1.5 s", ABSOLUTE, 1500.0),
        ("signal: latency_ms, quantile: p99, above: 800", ABSOLUTE, 800.0),
        ("signal: latency_ms, quantile: p99, above: ", DEFAULT, 0.0),
        ("signal: latency_ms, quantile: p99, above: +2pp", POINTS, 0.02),
        ("signal: output_tokens, quantile: p95, above: 4096", ABSOLUTE, 4096.0),
        ("signal: cost_usd, quantile: p99, above: .25", ABSOLUTE, 0.25),
        ("signal: memory_bytes, quantile: p99, above: 8e9", ABSOLUTE, 8e9),
        ("signal: confidence, quantile: p50, below: 60%", ABSOLUTE, 0.6),
        ("signal: confidence, quantile: p10, below: 0.2", ABSOLUTE, 0.2),
        ("signal: confidence, drift: down, tolerance: 10pp", POINTS, 0.1),
        ("signal: output_tokens, drift: both, tolerance: 1.5x", TIMES, 1.5),
        ("signal: output_language, drift: both, tolerance: 2x", TIMES, 2.0),
        ("signal: output_language, drift: both, tolerance: 3pp", POINTS, 0.03),
    ],
)
def test_a_limit_means(tmp_path: Path, text: str, kind: LimitKind, value: float) -> None:
    found = limit(tmp_path, text)
    assert found.kind is kind
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("signal", "bad"),
    [
        (
            "signal: error",
            [
                "5 percent",
                "5p",
                "x2",
                "2xx",
                "5%%",
                "1e999",
                "nan",
                "inf",
                "-5%",
                "800us",
                "2 x 3",
                "٥%",
            ],
        ),
        (
            "signal: latency_ms, quantile: p99",
            ["0ms", "-1s", "5%", "2m", "1h", "800 milliseconds", "1,000ms"],
        ),
        ("signal: output_tokens, quantile: p99", ["800ms", "2s", "5%", "0"]),
        ("signal: confidence, quantile: p50", ["1", "1.2", "800ms", "2x"]),
    ],
)
def test_what_is_no_limit_here_is_refused(tmp_path: Path, signal: str, bad: list[str]) -> None:
    file = tmp_path / "alerts.yaml"
    for text in bad:
        file.write_text(f"rules: [{{name: r, {signal}, above: '{text}'}}]\n{RECEIVERS}")
        found = config.problems(file, environ={})
        assert [(p.line, p.path) for p in found] == [(1, "rules[0].above")], text


def test_tiers_stand_mildest_first(tmp_path: Path) -> None:
    [bound] = rule(tmp_path, "signal: error, above: {critical: 10%, info: 1%, warning: 5%}").bounds
    assert [severity for severity, _ in bound.tiers] == [Severity.INFO, Severity.WARNING, Severity.CRITICAL]


def test_a_limit_keeps_the_words_of_its_user(tmp_path: Path) -> None:
    assert limit(tmp_path, "signal: error, above: +5.0pp").text == "+5.0pp"


def test_a_single_limit_takes_the_severity_of_its_rule(tmp_path: Path) -> None:
    critical = rule(tmp_path, "signal: error, above: 2x, severity: critical")
    assert critical.bounds[0].tiers[0][0] is Severity.CRITICAL
    assert critical.severity is Severity.CRITICAL


def test_above_and_below_are_two_bounds_of_one_rule(tmp_path: Path) -> None:
    loaded = rule(tmp_path, "signal: latency_ms, quantile: p50, above: 2x, below: 0.5x")
    assert [bound.side for bound in loaded.bounds] == [Side.UP, Side.DOWN]


def test_a_limit_that_kills_may_lie_over_half_since_kill_evidence_stops_there(tmp_path: Path) -> None:
    loaded = rule(tmp_path, "signal: error, above: {critical: 90%}, kill: chat, match: {model: a}")
    assert loaded.bounds[0].tiers[0][1].value == pytest.approx(0.9)


@pytest.mark.parametrize("signal", [s for s in SIGNALS if s.kind is not Kind.TRAFFIC], ids=lambda s: s.name)
def test_a_drift_without_a_side_watches_the_side_that_is_bad(tmp_path: Path, signal: object) -> None:
    found = next(s for s in SIGNALS if s is signal)
    assert rule(tmp_path, f"signal: {found.name}, drift: ").bounds[0].side is found.bad


def test_a_glob_stands_for_all_its_signals(tmp_path: Path) -> None:
    assert rule(tmp_path, 'signal: "*_tokens", drift: both').signals == ("input_tokens", "output_tokens")


def test_a_list_names_each_signal_once(tmp_path: Path) -> None:
    loaded = rule(tmp_path, 'signal: [output_tokens, "*_tokens", latency_ms], drift: both')
    assert loaded.signals == ("output_tokens", "input_tokens", "latency_ms")


@pytest.mark.parametrize(
    ("text", "value"), [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)]
)
def test_a_percentile_is_a_quantile(tmp_path: Path, text: str, value: float) -> None:
    assert rule(tmp_path, f"signal: latency_ms, quantile: {text}, above: 2x").quantile == value
