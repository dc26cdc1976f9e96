"""What a running daemon takes of an alerts.yaml that is read again."""

from pathlib import Path

import pytest

from monitor import config
from monitor.cli.reloading import taken
from monitor.config.model import Config

TEXT = """
name: prod
source: {bootstrap_servers: "k:9092", topic: t}
store: {url: "postgresql://u@h/d"}
streams: {by: [model], max: 1000}
rules: [{name: errors, signal: error, above: 10%}]
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
"""


def loaded(folder: Path, text: str) -> Config:
    path = folder / "alerts.yaml"
    path.write_text(text)
    return config.load(path, environ={})


@pytest.mark.parametrize(
    ("old", "new", "section"),
    [
        ("name: prod", "name: test", "name"),
        ("topic: t", "topic: other", "source"),
        ("h/d", "h/other", "store"),
        ("streams: {by: [model],", "streams: {by: [model, prompt_version],", "streams.by"),
        ("max: 1000", "max: 10", "streams.max"),
        ("store:", "http: {port: 1234}\nstore:", "http"),
        ("store:", "labels: {join: 2h}\nstore:", "labels"),
    ],
)
def test_what_needs_a_restart_stays_as_it_is_and_is_named(
    tmp_path: Path, old: str, new: str, section: str
) -> None:
    now = loaded(tmp_path, TEXT)
    fresh = loaded(tmp_path, TEXT.replace(old, new))
    running, waiting = taken(now, fresh)
    assert waiting == [section]
    assert (running.name, running.sources, running.store_url) == (now.name, now.sources, now.store_url)
    assert (running.streams, running.labels, running.http_port) == (now.streams, now.labels, now.http_port)
    assert running.config_hash == fresh.config_hash


@pytest.mark.parametrize(
    "new",
    [
        "above: 20%",
        "above: 10%, for: 2m",
        "drift: up",
    ],
)
def test_rules_take_effect_at_once(tmp_path: Path, new: str) -> None:
    now = loaded(tmp_path, TEXT)
    fresh = loaded(tmp_path, TEXT.replace("above: 10%", new))
    assert taken(now, fresh) == (fresh, [])


@pytest.mark.parametrize(
    "more",
    [
        "signals: {declined: {kind: rate, field: prediction, when: [NO]}}",
        "feedback: {bad_below: 0.5}",
        "heartbeat: {url: 'https://watch.example/x', every: 60s}",
        "links: {dashboard: 'https://grafana.example'}",
        "false_alarms: 1 per 7d",
    ],
)
def test_so_do_other_sections(tmp_path: Path, more: str) -> None:
    now, fresh = loaded(tmp_path, TEXT), loaded(tmp_path, TEXT + more)
    assert taken(now, fresh) == (fresh, [])
