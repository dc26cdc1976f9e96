"""The demo's configuration is the documented one, changed only where it says so."""

from pathlib import Path

import pytest

from monitor.cli.demo.config import OVERRIDES, Places, top_level
from monitor.config.loading import load
from monitor.local.receiver import Receiver

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://u:p@h/d",
    "SLACK_URL": "https://hooks.example/s",
    "PD_KEY": "0" * 32,
    "KILL_URL": "https://gateway.example/kill",
    "KILL_SECRET": "whsec_" + "A" * 43 + "=",
}


@pytest.fixture
def places() -> Places:
    receiver = Receiver("http://127.0.0.1:9")
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    return Places("127.0.0.1:19092", "postgresql+psycopg2://t:p@127.0.0.1:5433/tocsin", receiver, secret)


@pytest.fixture
def written(places: Places, tmp_path: Path) -> Path:
    path = tmp_path / "alerts.yaml"
    path.write_text(places.alerts_yaml(19844), "utf-8")
    return path


def test_it_needs_no_variable_and_loads_with_the_daemons_own_loader(written: Path):
    config = load(written, environ={})
    assert (config.learning.learn, config.learning.at_least_ms, config.fresh_ms) == (10_000, 0, 86_400_000)
    assert (config.source.start, config.http_port) == ("earliest", 19844)
    assert config.receivers["default"].settings["url"] == "http://127.0.0.1:9/slack"
    assert config.receivers["oncall"].settings["url"] == "http://127.0.0.1:9/v2/enqueue"
    assert config.kill_switches["chat"].url == "http://127.0.0.1:9/kill"


def test_rules_switches_and_the_promise_are_the_documented_ones(written: Path):
    ours, documented = load(written, environ={}), load(top_level(), environ=ENVIRONMENT)
    assert [(r.name, r.bounds, r.min_n, r.kill) for r in ours.rules] == [
        (r.name, r.bounds, r.min_n, r.kill) for r in documented.rules
    ]
    assert ours.false_alarms == documented.false_alarms
    assert ours.kill_switches["chat"].guard == documented.kill_switches["chat"].guard


def test_what_is_changed_is_told():
    told = " ".join(OVERRIDES)
    for change in ("reference: {at_least: 0s}", "defaults: {fresh: 1d}", "receivers", "kill_switches"):
        assert change in told


def test_the_comments_that_document_it_stay(places: Places):
    assert "# What Tocsin watches" in places.alerts_yaml(1)
