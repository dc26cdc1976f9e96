"""What alerts.yaml asks of measuring."""

from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.config.loading import load
from monitor.config.model import Config
from monitor.ingest.settings import DEFAULT_FRESH_MS, measure_settings
from monitor.records.settings import MeasureSettings
from monitor.records.signals import ASKED_ONLY, BY_CODE, BY_NAME

Make = Callable[[str], Config]

ALERTS = """
name: test
source: {bootstrap_servers: "k:9092", topic: t, lateness: 5s}
store: {url: "postgresql://u:p@h/d"}
streams: {by: [model, segment.region], max: 7}
receivers: {default: {slack: {url: "http://127.0.0.1:9/"}}}
kill_switches:
  chat:
    webhook: {url: "http://127.0.0.1:9/", secret: "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
    mode: disable
    guard: {fresh: 45s}
rules:
"""
ERRORS = "  - {name: errors, signal: error, above: 10%}\n"
KILL = "  - {name: kill, signal: error, match: {model: chat}, above: {critical: 50%}, kill: chat}\n"
WINDOW = "  - {name: plain, signal: timeout, window: 5s, above: 50%}\n"
INPUT = "  - {name: input, signal: input_language, drift: both, tolerance: 2x}\n"


@pytest.fixture
def config(tmp_path: Path) -> Make:
    def make(rules: str) -> Config:
        path = tmp_path / "alerts.yaml"
        path.write_text(ALERTS + rules)
        return load(path, environ={})

    return make


def test_streams_and_source_reach_measuring(config: Make) -> None:
    settings = measure_settings(config(ERRORS))
    assert settings.by == ("model", "segment.region")
    assert (settings.max_streams, settings.lateness_ms) == (7, 5_000)


def test_without_kills_and_windows_there_are_no_slots(config: Make) -> None:
    settings = measure_settings(config(ERRORS))
    assert settings.window_signals == settings.kill_signals == frozenset()
    assert settings.fresh_ms == DEFAULT_FRESH_MS
    assert not settings.input_language


def test_a_kill_rule_gets_slots_of_kafka_time_as_fresh_as_its_guard_says(config: Make) -> None:
    settings = measure_settings(config(ERRORS + KILL))
    assert settings.kill_signals == {BY_NAME["error"].code}
    assert settings.fresh_ms == 45_000


def test_a_window_rule_gets_slots_of_event_time(config: Make) -> None:
    assert measure_settings(config(WINDOW)).window_signals == {BY_NAME["timeout"].code}


def test_a_rule_on_the_input_language_has_inputs_looked_at(config: Make) -> None:
    assert measure_settings(config(INPUT)).input_language


def asked(settings: MeasureSettings) -> set[str]:
    """What is counted only because a rule asks."""
    return {BY_CODE[code].name for code in settings.asked if code in BY_CODE} & ASKED_ONLY


def test_what_is_counted_only_on_demand_is_asked_for_by_rules(config: Make) -> None:
    assert asked(measure_settings(config(ERRORS))) == set()
    found = measure_settings(config("  - {name: r, signal: [inconsistent, missing.user], above: 2x}\n"))
    assert asked(found) == {"inconsistent", "missing.user"}


@pytest.mark.parametrize(
    ("signal", "beside"),
    [("confidence", "missing.confidence"), ("incorrect", "missing.label"), ("abs_error", "missing.label")],
)
def test_a_rule_on_confidence_or_accuracy_has_its_coverage_counted(
    config: Make, signal: str, beside: str
) -> None:
    rule = f"  - {{name: r, signal: {signal}, drift: both}}\n"
    assert asked(measure_settings(config(rule))) == {beside}
    assert asked(measure_settings(config(rule.replace("drift", "enabled: false, drift")))) == set()


def test_signals_of_the_user_are_counted_whether_or_not_a_rule_reads_them(config: Make) -> None:
    own = "signals: {income: {kind: distribution, field: /features/income}}\n"
    loaded = config(ERRORS + own)
    settings = measure_settings(loaded)
    assert [user.signal.name for user in settings.user_signals] == ["income"]
    assert settings.user_signals[0].missing.code not in settings.asked


def test_a_rule_may_kill_by_a_signal_of_the_user(config: Make) -> None:
    rule = "  - {name: k, signal: bad, match: {model: chat}, above: {critical: 50%}, kill: chat}\n"
    own = "signals: {bad: {kind: rate, field: bad}}\n"
    loaded = config(rule + own)
    assert measure_settings(loaded).kill_signals == {loaded.signals[0].signal.code}
