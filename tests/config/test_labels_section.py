"""`labels` of alerts.yaml: whether predictions are remembered for labels that come later."""

from pathlib import Path

from monitor import config
from monitor.config.model import Labels
from monitor.ingest.settings import measure_settings

RULES = "rules: [{name: r, signal: incorrect, above: 2x}]\nreceivers: {default: {slack: {url: 'https://s.example'}}}\n"


def loaded(tmp_path: Path, labels: str) -> config.Config:
    file = tmp_path / "alerts.yaml"
    file.write_text(labels + RULES)
    assert config.problems(file, environ={}) == []
    return config.load(file, environ={}, need=config.CHECK)


def test_unless_asked_for_nothing_is_remembered(tmp_path: Path) -> None:
    found = loaded(tmp_path, "")
    assert found.labels is None
    assert measure_settings(found).join_ms is None


def test_a_join_has_a_time_and_a_number(tmp_path: Path) -> None:
    assert loaded(tmp_path, "labels: {join: 2h}\n").labels == Labels(7_200_000, 1_000_000)
    settings = measure_settings(loaded(tmp_path, "labels: {join: 90s, max: 5000}\n"))
    assert (settings.join_ms, settings.join_most) == (90_000, 5_000)
