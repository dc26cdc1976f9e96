"""`check` warns of what can never come to anything, one sentence each, and of nothing that can."""

from pathlib import Path

import pytest

from monitor import config

HEAD = """
streams:
  labels:
    - {match: {model: "search-*"}, set: {team: search}}
    - {match: {model: "chat-*"}, set: {team: chat}}
signals:
  income: {kind: distribution, field: /features/income, range: [10, 5000]}
  odds: {kind: distribution, field: /odds, scale: probability}
receivers: {default: {log: {}}}
"""


def warnings(folder: Path, text: str) -> list[tuple[str, str, str]]:
    path = folder / "alerts.yaml"
    path.write_text(HEAD + text)
    assert config.problems(path, environ={}) == []
    return [(w.path, w.sentence, w.suggestion) for w in config.warnings(path, environ={})]


def of_rule(folder: Path, rule: str) -> list[tuple[str, str, str]]:
    found = warnings(folder, f"rules: [{{name: r, {rule}}}]")
    return [(path.removeprefix("rules[0]"), *said) for path, *said in found]


@pytest.mark.parametrize(
    ("rule", "where", "sentence", "advice"),
    [
        ("signal: income, quantile: p99, above: 5000",
         ".above", "above `5000` can never be: income goes from 10 to 5000", "write a limit within"),
        ("signal: income, quantile: p99, above: {warning: 400, critical: 9000}",
         ".above.critical", "above `9000` can never be: income goes from 10 to 5000", "write a limit within"),
        ("signal: income, quantile: p10, below: 5",
         ".below", "below `5` can never be: income goes from 10 to 5000", "write a limit within"),
        ("signal: income, objective: 99% below 5000",
         ".objective", "income is never above 5000, so all of it is good", "lower it"),
        ("signal: error, above: 2x, match: {model: [chat-eu, '!chat-*']}",
         ".match.model", "these globs leave nothing", "remove the one or the other"),
        ("signal: error, above: 2x, match: {model: '!*'}",
         ".match.model", "these globs leave nothing", "remove the one or the other"),
        ("signal: error, above: 2x, match: {team: serach}",
         ".match.team", "no stream is given this team, see streams.labels", "did you mean search?"),
        ("signal: error, above: 2x, match: {team: [a, b]}",
         ".match.team", "no stream is given this team, see streams.labels", "there is chat and search"),
        ("signal: error, above: 2x, overrides: [{match: {team: serach}, above: 5x}]",
         ".overrides[0].match.team", "no stream is given this team, see streams.labels", "did you mean search?"),
        ("signal: error, window: 5s, above: 50%, min_n: 1000000",
         ".min_n", "this can never fire: 1,000,000 records in 5 s are 200,000 a second", "lower min_n"),
        ("signal: requests, below: 0.5x, min_n: 100000000",
         ".min_n", "this can never fire: 100,000,000 records in 600 s are 166,666 a second", "lower min_n"),
        ("absent: 1h, during: 'Mon-Fri 08:00-09:00'",
         ".absent", "this can never fire: its hours end after 60 minutes", "shorten it, or lengthen during"),
        ("signal: error, above: 2x, for: 2h, during: ['23:00-00:00', '00:00-00:30']",
         ".for", "this can never fire: its hours end after 90 minutes", "shorten it, or lengthen during"),
    ],
)  # fmt: skip
def test_a_rule_that_can_never_fire_is_one_sentence(
    tmp_path: Path, rule: str, where: str, sentence: str, advice: str
) -> None:
    assert of_rule(tmp_path, rule) == [(where, sentence, advice)]


@pytest.mark.parametrize(
    "rule",
    [
        "signal: income, quantile: p99, above: 4999",
        "signal: income, quantile: p10, below: 10",
        "signal: income, quantile: p99, above: 1.5x",
        "signal: latency_ms, objective: 99% below 100ms",
        "signal: error, above: 2x, match: {model: ['chat-*', '!chat-eu']}",
        "signal: error, above: 2x, match: {model: ['chat-*', 'search', '!chat-*']}",
        "signal: error, above: 2x, match: {model: ['a*', '!a?']}",
        "signal: error, above: 2x, match: {team: '!chat'}",
        "signal: error, above: 2x, match: {team: 's*'}",
        "signal: error, window: 5s, above: 50%, min_n: 400000",
        "absent: 59m, during: 'Mon-Fri 08:00-09:00'",
        "absent: 7d, during: '00:00-24:00'",
        "signal: error, above: 2x, for: 1h, during: '08:00-09:00'",
        "signal: income, quantile: p99, above: 9000, enabled: false",
    ],
)
def test_a_rule_that_can_fire_is_none(tmp_path: Path, rule: str) -> None:
    assert of_rule(tmp_path, rule) == []


@pytest.mark.parametrize(
    ("mute", "sentence", "advice"),
    [
        ("match: {rule: eror}, during: '22:00-07:00'",
         "this mutes nothing: no rule has this name", "did you mean error?"),
        ("match: {severity: warn}, during: '22:00-07:00'",
         "this mutes nothing: no rule has this severity", "did you mean warning?"),
        ("match: {rule: error}, during: '00:00-24:00'",
         "this mute never ends: its hours are the whole week", "give its rules dry_run: true instead"),
    ],
)  # fmt: skip
def test_a_mute_of_nothing_or_without_end_is_one_sentence(
    tmp_path: Path, mute: str, sentence: str, advice: str
) -> None:
    rules = "rules: [{name: error, signal: error, above: 2x}]"
    assert warnings(tmp_path, f"{rules}\nmutes: [{{name: m, {mute}}}]") == [("mutes[0]", sentence, advice)]
    good = "match: {rule: 'e*', signal: error, severity: warning}, during: '22:00-07:00'"
    assert warnings(tmp_path, f"{rules}\nmutes: [{{name: m, {good}}}]") == []
    assert (
        warnings(tmp_path, rules + "\nmutes: [{name: m, match: {rule: tocsin.late}, during: '1:00-2:00'}]")
        == []
    )


def test_a_warning_of_an_included_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(
        "rules: [{name: q, signal: error, above: 2x, match: {model: '!*'}}]\n"
    )
    path = tmp_path / "alerts.yaml"
    path.write_text("include: [team.yaml]\nreceivers: {default: {log: {}}}\n")
    [found] = config.warnings(path, environ={})
    assert found.file == str(tmp_path / "team.yaml")


def test_a_label_in_the_name_of_a_switch_and_in_its_per_is_one_too_many(tmp_path: Path) -> None:
    rule = '{name: r, signal: error, above: {critical: 10%}, kill: "{team}-stop"}'
    rules = f"source: {{bootstrap_servers: k, topic: t}}\nrules: [{rule}]\n"
    both = "kill_switches: {chat-stop: {topic: t, per: [team]}, search-stop: {topic: t, per: [model]}}"
    sentence = "chat-stop is of one team by its name, so its per: [team] does nothing"
    assert warnings(tmp_path, rules + both) == [("rules[0].kill", sentence, "remove the one or the other")]
