"""`source` as a list: topics that are read in different ways, from one cluster or several."""

from pathlib import Path

import pytest

from monitor import config
from monitor.config import connection
from monitor.ingest.service import by_connection
from monitor.ingest.settings import measure_settings

REST = "rules: [{name: r, signal: incorrect, above: 2x}]\nreceivers: {default: {slack: {url: 'https://s.example'}}}\n"
SEVERAL = """
source:
  - {bootstrap_servers: "eu:9092", topics: [chat, search], group: mine, lateness: 5s,
     security_protocol: SSL, ssl_cafile: /ca}
  - {topic: llm-log, format: litellm, start: earliest, max_record_bytes: 5000}
  - {bootstrap_servers: "us:9092", topic: verdicts, type: label, map: {id: request}}
labels: {join: 2h}
"""


def loaded(tmp_path: Path, text: str) -> config.Config:
    file = tmp_path / "alerts.yaml"
    file.write_text(text + REST)
    assert config.problems(file, environ={}) == []
    return config.load(file, environ={}, need=config.CHECK)


def test_each_source_has_its_own_topics_and_its_own_way_of_reading(tmp_path: Path) -> None:
    found = loaded(tmp_path, SEVERAL)
    assert list(found.topics) == ["chat", "search", "llm-log", "verdicts"]
    assert [s.lateness_ms for s in found.sources] == [5_000, 3_000, 3_000]
    assert [s.start for s in found.sources] == ["latest", "earliest", "latest"]
    assert [s.type for s in found.sources] == [None, None, "label"]
    settings = {topic: measure_settings(found, source) for topic, source in found.topics.items()}
    assert settings["chat"].format is None
    assert settings["llm-log"].max_record_bytes == 5_000
    assert {s.labelled_elsewhere for s in settings.values()} == {True}


def test_a_source_that_names_no_servers_is_read_by_the_consumer_of_the_first(tmp_path: Path) -> None:
    found = loaded(tmp_path, SEVERAL)
    first, second, third = found.sources
    assert (second.bootstrap_servers, second.client, second.group) == ("eu:9092", first.client, "mine")
    assert third.client == {}
    assert by_connection(found.sources) == [(first, second), (third,)]


def test_one_source_is_read_as_a_list_of_one(tmp_path: Path) -> None:
    one = "{bootstrap_servers: 'k:9092', topic: chat}"
    alone, listed = (loaded(tmp_path, f"source: {text}\n").sources for text in (one, f"[{one}]"))
    assert alone == listed


def test_labels_that_can_find_no_prediction_are_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(SEVERAL.replace("labels: {join: 2h}\n", "") + REST)
    [warning] = config.warnings(file, environ={})
    assert warning.path == "source"
    assert warning.sentence.startswith("these labels find no predictions")


def test_a_mechanism_without_its_package_is_told_before_the_daemon_dies_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "source: {bootstrap_servers: 'k:9092', topic: t, security_protocol: SASL_SSL, sasl_mechanism: AWS_MSK_IAM}\n"
    file = tmp_path / "alerts.yaml"
    file.write_text(text + REST)
    monkeypatch.setattr(connection, "find_spec", lambda _: None)
    [told] = [p for p in config.problems(file, environ={}, need={"source"}) if "sasl" in p.path]
    assert (
        "AWS_MSK_IAM needs the package botocore, which is not installed here (pip install botocore)"
        in str(told)
    )
    assert config.problems(file, environ={}) == []
    monkeypatch.setattr(connection, "find_spec", lambda name: name)
    assert config.problems(file, environ={}, need={"source"}) == []
