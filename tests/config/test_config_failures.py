"""One file for each mistake: it begins with the problems it has, word for word, and has no others."""

from pathlib import Path

import pytest

from monitor import config
from monitor.errors import ConfigError, UsageError

FAILURES = sorted((Path(__file__).parent / "failures").glob("*.yaml"))
HEAD = "# problem: "


def expected(file: Path) -> list[str]:
    lines = file.read_text().splitlines()
    return [f"{file}:{line.removeprefix(HEAD)}" for line in lines if line.startswith(HEAD)]


@pytest.mark.parametrize("file", FAILURES, ids=lambda file: file.stem)
def test_a_mistake_is_told_with_line_path_and_suggestion(file: Path) -> None:
    assert [str(problem) for problem in config.problems(file, environ={})] == expected(file)


@pytest.mark.parametrize("file", FAILURES, ids=lambda file: file.stem)
def test_nothing_wrong_is_loaded(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(file, environ={}, need=config.CHECK)
    assert caught.value.problems == expected(file)


def test_every_file_says_what_is_wrong_with_it() -> None:
    assert len(FAILURES) > 150
    assert [file.stem for file in FAILURES if not expected(file)] == []


def test_a_line_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_bytes(b"name: prod\nrules: [\xff]\n")
    [problem] = config.problems(file, environ={})
    assert str(problem) == f"{file}:2:1: this line is not UTF-8 (save the file as UTF-8)"


def test_a_file_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text("a: 1\n" * 200_001)
    assert [p.sentence for p in config.problems(file, environ={})] == [
        "the file is larger than 1,000,000 characters"
    ]


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    [problem] = config.problems(tmp_path, environ={})
    assert problem.sentence == "the file cannot be read: is a directory"


def test_aliases_that_grow_without_bound_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9)]
    file.write_text("\n".join(["l0: &l0 [lol]", *levels]))
    assert [p.sentence for p in config.problems(file, environ={})] == ["aliases make the file too large"]


def test_an_alias_to_itself_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text("rules: &r [*r]\n")
    assert [p.sentence for p in config.problems(file, environ={})] == ["aliases make the file too large"]


def test_an_alias_may_share_a_match(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(
        "rules:\n"
        "  - {name: a, signal: error, above: 2x, match: &chat {model: chat-*}}\n"
        "  - {name: b, signal: timeout, above: 2x, match: *chat}\n"
        "receivers: {default: {slack: {url: 'https://s.example'}}}\n"
    )
    a, b = config.load(file, environ={}, need=config.CHECK).rules
    assert a.match == b.match


OVER_TLS = """
source: {{bootstrap_servers: "k:9092", topic: t, security_protocol: SSL, ssl_cafile: "{}"}}
rules: [{{name: errors, signal: error, above: 10%}}]
receivers: {{default: {{log: {{}}}}}}
"""


@pytest.mark.parametrize("name", ["é" * 200, "a/" * 900, "~nobody-of-this-name/ca.pem"])
def test_a_name_that_no_file_can_have_is_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(OVER_TLS.format(name))
    with pytest.raises(ConfigError) as caught:
        config.load(file, environ={}, need={"source"})
    [problem] = caught.value.problems
    assert "source.ssl_cafile: there is no file `" in problem
    with pytest.raises(UsageError, match="there is no file"):
        config.find(name)


def test_a_file_at_home_is_given_to_kafka_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ca.pem").touch()
    file = tmp_path / "alerts.yaml"
    file.write_text(OVER_TLS.format("~/ca.pem"))
    loaded = config.load(file, environ={}, need={"source"})
    assert loaded.source.client["ssl_cafile"] == str(tmp_path / "ca.pem")
