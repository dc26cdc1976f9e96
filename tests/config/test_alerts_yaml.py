"""The alerts.yaml at the top of the project is the documented example: it must load and mean what it says."""

from pathlib import Path

import pytest

from monitor import config
from monitor.config.rule import LimitKind, RuleKind, Severity
from monitor.records.signals import Side

ALERTS = Path(__file__).parents[2] / "alerts.yaml"
ENVIRON = {
    "DATABASE_URL": "postgresql://tocsin:hunter2@localhost/tocsin",
    "SLACK_URL": "https://hooks.slack.com/services/T0/B0/X",
    "PD_KEY": "0123456789abcdef0123456789abcdef",
    "KILL_URL": "https://gateway.example.com/kill",
    "KILL_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


def test_nothing_is_wrong_with_it_where_no_variable_is_set() -> None:
    assert config.problems(ALERTS, environ={}) == []


def test_replay_loads_it_where_no_variable_is_set() -> None:
    loaded = config.load(ALERTS, environ={}, need=config.REPLAY)
    assert loaded.store_url == ""
    assert len(loaded.rules) == 9


def test_run_names_every_variable_that_is_missing() -> None:
    found = config.problems(ALERTS, environ={}, need=config.RUN)
    assert [p.sentence for p in found] == [f"the variable {name} is not set" for name in ENVIRON]


def test_its_five_detectors_and_the_kill_read_as_documented() -> None:
    rules = {rule.name: rule for rule in config.load(ALERTS, environ=ENVIRON).rules}
    errors = rules["errors"]
    assert (errors.kind, errors.kill, errors.notify.names) == (RuleKind.ABOVE, "chat", ("default", "oncall"))
    assert [(s, limit.kind, limit.value) for s, limit in errors.bounds[0].tiers] == [
        (Severity.WARNING, LimitKind.TIMES, 2.0),
        (Severity.CRITICAL, LimitKind.ABSOLUTE, 0.1),
    ]
    assert errors.match.accepts({"model": "chat-eu"})
    assert not errors.match.accepts({"model": "search"})
    sides = {name: rules[name].bounds[0].side for name in ("length", "language", "confidence", "slow")}
    assert sides == {"length": Side.BOTH, "language": Side.BOTH, "confidence": Side.DOWN, "slow": Side.UP}
    assert rules["slow"].quantile == pytest.approx(0.99)
    assert rules["silence"].absent_ms == 120_000
    assert (rules["outage"].window_ms, rules["outage"].enabled) == (5_000, False)


def test_its_switch_has_the_guard_of_the_contract() -> None:
    switch = config.load(ALERTS, environ=ENVIRON).kill_switches["chat"]
    guard = switch.guard
    assert (guard.at_most, guard.within_ms, guard.min_n, guard.fresh_ms) == (1, 3_600_000, 20, 60_000)
    assert (switch.url, switch.secret, switch.mode) == (
        ENVIRON["KILL_URL"],
        ENVIRON["KILL_SECRET"],
        "disable",
    )


def test_its_defaults_are_those_of_a_file_that_leaves_them_out(tmp_path: Path) -> None:
    short = tmp_path / "alerts.yaml"
    short.write_text(
        "rules: [{name: e, signal: error, above: 2x}]\nreceivers: {default: {slack: {url: 'https://s.example'}}}"
    )
    long, short_one = config.load(ALERTS, environ=ENVIRON), config.load(short, environ={}, need=config.REPLAY)
    assert short_one.streams == long.streams
    assert short_one.learning == long.learning
    assert short_one.false_alarms == long.false_alarms
    assert short_one.fresh_ms == long.fresh_ms
    assert short_one.default_notify == long.default_notify
    assert short_one.source.lateness_ms == long.source.lateness_ms
    assert (short_one.http_host, short_one.http_port) == ("127.0.0.1", 9844)
