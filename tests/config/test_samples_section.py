"""`samples` of alerts.yaml: which records are kept, how much of them, for how long."""

from pathlib import Path

import pytest

from monitor import config
from monitor.config.model import Samples
from monitor.ingest.settings import measure_settings
from monitor.records.settings import SampleSettings

RULES = "rules: [{name: r, signal: error, above: 2x}]\nreceivers: {default: {slack: {url: 'https://s.example'}}}\n"
DAY_MS = 86_400_000


def loaded(tmp_path: Path, samples: str) -> config.Config:
    file = tmp_path / "alerts.yaml"
    file.write_text(samples + RULES)
    assert config.problems(file, environ={}) == []
    return config.load(file, environ={}, need=config.CHECK)


def test_unless_asked_for_no_texts_are_kept_and_the_rest_for_a_month(tmp_path: Path) -> None:
    for samples in ("", "samples: {}\n"):
        assert loaded(tmp_path, samples).samples == Samples(SampleSettings(text=False), 30 * DAY_MS)


def test_what_is_asked_for_reaches_the_measuring(tmp_path: Path) -> None:
    found = loaded(
        tmp_path, "samples: {text: true, drop: [user, /a~1b/*], share: 0.5%, first: 0, retain: 7d}\n"
    )
    assert measure_settings(found).samples == SampleSettings(True, (("user",), ("a/b", "*")), 0.005, 0)
    assert found.samples.retain_ms == 7 * DAY_MS


@pytest.mark.parametrize(("share", "meant"), [("1%", 0.01), ("0.2", 0.2), ("100 %", 1.0), ("0", 0.0)])
def test_a_share_is_a_percentage_or_a_fraction(tmp_path: Path, share: str, meant: float) -> None:
    assert loaded(tmp_path, f"samples: {{share: {share}}}\n").samples.settings.share == pytest.approx(meant)
