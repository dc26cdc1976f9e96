"""Prometheus loads the rules, they ask for metrics that there are, and fire when they must."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from monitor.cli.registry import COMMANDS
from monitor.web.metrics import METRICS

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def promtool():
    """Run promtool in a folder."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: make test-parties installs Debian's")

    def run(folder, *arguments):
        return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def rules(deploy):
    groups = YAML(typ="safe").load(deploy / "prometheus/tocsin.rules.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_the_rules_fire_when_they_must_and_not_before(promtool, deploy, tmp_path):
    for source in (deploy / "prometheus/tocsin.rules.yml", HERE / "tocsin.rules.test.yml"):
        shutil.copy(source, tmp_path)
    outcome = promtool(tmp_path, "test", "rules", "tocsin.rules.test.yml")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_every_rule_is_tested(rules):
    tested = YAML(typ="safe").load(HERE / "tocsin.rules.test.yml")["tests"]
    fired = {case["alertname"] for test in tested for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules}


def test_prometheus_takes_the_configuration(promtool, deploy, tmp_path):
    text = (deploy / "prometheus/prometheus.yml").read_text()
    token = tmp_path / "token"
    token.write_text("secret")
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets/tocsin_token", str(token)))
    shutil.copy(deploy / "prometheus/tocsin.rules.yml", tmp_path)
    outcome = promtool(tmp_path, "check", "config", "prometheus.yml")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_the_rules_ask_for_metrics_that_there_are(rules):
    asked = {name for rule in rules for name in re.findall(r"\btocsin_\w+", rule["expr"])}
    assert asked <= {row.name for row in METRICS}


def test_the_rules_name_commands_that_there_are(rules):
    named = [
        words
        for rule in rules
        for words in re.findall(r"`tocsin ([\w-]+)", rule["annotations"]["description"])
    ]
    assert set(named) <= {command.name for command in COMMANDS}
    assert named
