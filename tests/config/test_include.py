"""`include`: rules, receivers and labels from files of their own, whose mistakes are told with their places."""

from pathlib import Path

from monitor import config

MAIN = """
include: ["teams/*.yaml"]
streams: {labels: [{match: {model: "*"}, set: {team: platform}}]}
rules: [{name: errors, signal: error, above: 2x}]
receivers: {default: {slack: {url: "https://s.example/secret-1"}}}
"""
TEAM = """
streams: {labels: [{match: {model: "ads-*"}, set: {team: ads}}]}
rules: [{name: ads-errors, signal: error, match: {team: ads}, above: 5%, notify: [ads]}]
receivers: {ads: {slack: {url: "https://hooks.slack.com/services/secret-2"}}}
"""


def written(folder: Path, team: str, main: str = MAIN) -> Path:
    (folder / "teams").mkdir(exist_ok=True)
    (folder / "teams" / "ads.yaml").write_text(team)
    file = folder / "alerts.yaml"
    file.write_text(main)
    return file


def test_what_is_included_counts_as_if_it_stood_there(tmp_path: Path) -> None:
    loaded = config.load(written(tmp_path, TEAM), environ={}, need=config.REPLAY)
    assert [(r.name, Path(r.file).name, r.line) for r in loaded.rules] == [
        ("errors", "", 4),
        ("ads-errors", "ads.yaml", 3),
    ]
    assert loaded.rules[1].match.accepts({"model": "ads-1"})
    assert set(loaded.receivers) == {"default", "ads"}
    assert "secret" not in loaded.redacted
    assert "ads-errors" in loaded.redacted


def test_a_change_in_an_included_file_is_another_configuration(tmp_path: Path) -> None:
    before = config.load(written(tmp_path, TEAM), environ={}, need=config.REPLAY).config_hash
    after = config.load(written(tmp_path, TEAM.replace("5%", "6%")), environ={}, need=config.REPLAY)
    assert after.config_hash != before


def test_a_mistake_is_told_with_its_own_file_and_line(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """store: {url: "postgresql://x@y/z"}
rules:
  - {name: errors, signal: error, above: 2x}
  - {name: own, signal: eror, above: 2x}
receivers: {default: {slack: {url: "https://s.example/x"}}}
streams: {by: [model]}
""",
    )
    team = tmp_path / "teams" / "ads.yaml"
    assert [str(p) for p in config.problems(file, environ={})] == [
        f"{team}:1:1: store: `store` cannot be in an included file (rules, receivers and streams.labels can)",
        f"{team}:3:5: rules[0].name: the rule on line 4 has the same name (a rule is its name: choose another)",
        f"{team}:4:25: rules[1].signal: `eror` is not a signal (did you mean error?)",
        f"{team}:5:13: receivers.default: `default` is a receiver already (rename it)",
        f"{team}:6:11: streams.by: streams.by cannot be in an included file (rules, receivers and streams.labels can)",
    ]


def test_text_that_is_no_yaml_is_told_with_its_own_file(tmp_path: Path) -> None:
    file = written(tmp_path, "rules: [")
    [problem] = config.problems(file, environ={})
    assert (Path(problem.file).name, problem.sentence) == (
        "ads.yaml",
        "a bracket that was opened is not closed",
    )


def test_a_pattern_that_finds_nothing_is_a_mistake(tmp_path: Path) -> None:
    file = written(tmp_path, TEAM, MAIN.replace("teams/*.yaml", "team/*.yaml"))
    assert [p.sentence for p in config.problems(file, environ={})] == ["there is no file `team/*.yaml`"]
