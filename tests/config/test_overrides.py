"""`overrides`: later lines win, key by key, and every stream has just one variant of a rule."""

from pathlib import Path

import pytest

from monitor import config
from monitor.config.model import Config
from monitor.config.rule import Rule, Severity

HEAD = """
streams:
  labels:
    - {match: {model: "*"}, set: {team: platform, tier: 2}}
    - {match: {model: "search-*"}, set: {team: search, tier: 1}}
    - {match: {model: "*-batch"}, set: {tier: 3}}
receivers:
  default: {slack: {url: "https://s.example/x"}}
  platform-slack: {slack: {url: "https://s.example/p"}}
  search-slack: {slack: {url: "https://s.example/s"}}
  search-pager: {slack: {url: "https://s.example/g"}}
"""


def loaded(folder: Path, rules: str, head: str = HEAD) -> Config:
    file = folder / "alerts.yaml"
    file.write_text(head + rules)
    return config.load(file, environ={}, need=config.REPLAY)


def of_stream(settings: Config, model: str, name: str = "errors") -> Rule:
    [found] = [r for r in settings.rules if r.name == name and r.match.accepts({"model": model})]
    return found


def limit(rule: Rule) -> str:
    return rule.bounds[0].tiers[0][1].text


def test_later_lines_win_key_by_key(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        """
rules:
  - name: errors
    signal: error
    above: 2x
    min_n: 100
    overrides:
      - {match: {model: "search-*"}, above: 3x, min_n: 10}
      - {match: {tier: 3}, above: 5x}
""",
    )
    found = {m: of_stream(settings, m) for m in ("chat", "search-a", "chat-batch", "search-b-batch")}
    assert {m: (limit(r), r.min_n) for m, r in found.items()} == {
        "chat": ("2x", 100),
        "search-a": ("3x", 10),
        "chat-batch": ("5x", 100),
        "search-b-batch": ("5x", 10),
    }
    assert {m: r.overridden for m, r in found.items()} == {
        "chat": (),
        "search-a": (19,),
        "chat-batch": (20,),
        "search-b-batch": (19, 20),
    }


def test_an_override_can_take_a_rule_from_some_streams(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        'rules: [{name: errors, signal: error, above: 2x, overrides: [{match: {model: "*-embed"}, enabled: false}]}]',
    )
    assert not of_stream(settings, "a-embed").enabled
    assert of_stream(settings, "chat").enabled


def test_many_lines_of_the_same_keys_are_few_variants(tmp_path: Path) -> None:
    lines = ", ".join(f"{{match: {{model: m{i}}}, above: {i + 3}x}}" for i in range(40))
    settings = loaded(tmp_path, f"rules: [{{name: errors, signal: error, above: 2x, overrides: [{lines}]}}]")
    assert len(settings.rules) == 41
    assert limit(of_stream(settings, "m7")) == "10x"


def test_lines_that_combine_in_too_many_ways_are_refused(tmp_path: Path) -> None:
    keys = (
        "above: 3x",
        "min_n: 5",
        "clear_for: 1m",
        "title: x",
        "severity: info",
        "enabled: true",
        "dry_run: true",
    )
    lines = ", ".join(f'{{match: {{model: "m{i}*"}}, {key}}}' for i, key in enumerate(keys))
    file = tmp_path / "alerts.yaml"
    file.write_text(f"{HEAD}rules: [{{name: errors, signal: error, above: 2x, overrides: [{lines}]}}]")
    assert [p.sentence for p in config.problems(file, environ={})] == [
        "these overrides can combine in more than 64 ways"
    ]


def test_a_variant_keeps_its_name_when_its_limit_changes(tmp_path: Path) -> None:
    rules = "rules: [{{name: errors, signal: error, above: 2x, overrides: [{{match: {{model: chat}}, above: {}}}]}}]"
    before, after = (of_stream(loaded(tmp_path, rules.format(x)), "chat") for x in ("3x", "4x"))
    assert before.variant == after.variant != ""


def test_who_is_told_depends_on_severity_and_labels(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        """
defaults: {notify: {warning: ["{team}-slack"], critical: ["{team}-slack", search-pager]}}
rules: [{name: errors, signal: error, above: 2x}]
""",
    )
    notify = of_stream(settings, "chat").notify
    assert notify.at(Severity.WARNING) == notify.at(Severity.INFO) == ("{team}-slack",)
    assert notify.at(Severity.CRITICAL) == ("{team}-slack", "search-pager")


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ("[default]", ("default",)),
        ('["{team}-slack"]', ("default",)),
        ('{warning: ["{team}-slack"], critical: [search-pager]}', ("search-pager",)),
    ],
)
def test_tocsins_own_incidents_have_no_labels_and_are_told_all_the_same(
    tmp_path: Path, notify: str, told: tuple[str, ...]
) -> None:
    settings = loaded(
        tmp_path, f"defaults: {{notify: {notify}}}\nrules: [{{name: errors, signal: error, above: 2x}}]"
    )
    assert settings.default_notify == told
