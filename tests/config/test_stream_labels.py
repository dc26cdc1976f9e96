"""`streams.labels` gives streams further labels; rules match on them, and the promise is kept within them."""

from pathlib import Path

import pytest

from monitor import config
from monitor.config.model import Config
from monitor.config.rule import labelled

LABELS = """
streams:
  by: [model]
  labels:
    - {set: {team: rest}}
    - {match: {model: chat-*}, set: {team: chat, tier: 1}}
    - {match: {model: chat-lab}, set: {tier: 9}}
"""
REST = """
rules: [{name: e, signal: error, above: 2x, match: {team: chat, model: "!chat-old"}}]
receivers: {default: {slack: {url: "https://s.example"}}}
"""


def loaded(folder: Path, text: str) -> Config:
    path = folder / "alerts.yaml"
    path.write_text(text + REST)
    return config.load(path, environ={}, need=config.REPLAY)


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    return loaded(tmp_path, LABELS + "false_alarms: {warning: 1 per 7d, per: team}")


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("search", {"team": "rest"}),
        ("chat-eu", {"team": "chat", "tier": "1"}),
        ("chat-lab", {"team": "chat", "tier": "9"}),
    ],
)
def test_later_lines_win(settings: Config, model: str, given: dict[str, str]) -> None:
    assert labelled({"model": model}, settings.streams.namings) == {"model": model, **given}


def test_a_rule_matches_on_labels_that_streams_are_given(settings: Config) -> None:
    (rule,) = settings.rules
    accepted = [m for m in ("chat-eu", "chat-old", "search") if rule.match.accepts({"model": m})]
    assert accepted == ["chat-eu"]


def test_the_promise_may_hold_within_each_value_of_such_a_label(settings: Config) -> None:
    promise = settings.false_alarms
    assert (promise.per, promise.text) == ("team", "warning 1 per 7d, within each team")
    assert promise.rates == {"warning": pytest.approx(1 / (7 * 86_400_000))}


def test_per_alone_keeps_the_usual_promise_within_each_value(tmp_path: Path) -> None:
    promise = loaded(tmp_path, LABELS + "false_alarms: {per: model}").false_alarms
    assert (promise.per, promise.text) == ("model", "1 per 30d, within each model")
    assert promise.rates == {"any": pytest.approx(1 / (30 * 86_400_000))}
