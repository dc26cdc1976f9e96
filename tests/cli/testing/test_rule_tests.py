"""`tocsin test`: what a test file says of inputs and expectations is held against the real rules, in virtual time."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor import cli
from monitor.cli import main
from monitor.cli.testing import traffic
from monitor.cli.testing.reading import read_suite
from monitor.errors import ConfigError, UsageError

ALERTS = """
streams: {by: [model], labels: [{match: {model: "ads-*"}, set: {team: ads}}]}
reference: {learn: 5000, at_least: 0s}
defaults: {min_n: 50, notify: [default]}
rules:
  - {name: errors, signal: error, above: {warning: 2x, critical: 20%}, notify: {warning: [default], critical: [oncall]}}
  - {name: length, signal: output_tokens, drift: both, tolerance: 1.5x}
  - {name: quick, signal: error, window: 60s, above: 50%, for: 2m, clear_for: 1m}
  - {name: ads, signal: error, match: {team: ads}, above: 10%, notify: ["{team}-mail"], dry_run: false}
  - {name: trial, signal: timeout, above: 5%, dry_run: true}
  - {name: silence, absent: 5m, severity: critical}
mutes:
  - {name: night, match: {rule: length}, during: "22:00-06:00"}
receivers:
  default:  {log: {}}
  oncall:   {pagerduty: {routing_key: "${PD}"}}
  ads-mail: {log: {}}
"""
CALM = "{stream: {model: chat}, learned: 5000, for: 20m, requests: 5/s, error: 1%, output_tokens: 200 +- 40%}"


def run(tmp_path: Path, tests: str, alerts: str = ALERTS, *options: str) -> Result:
    (tmp_path / "alerts.yaml").write_text(alerts)
    file = tmp_path / "rules.test.yaml"
    file.write_text(f"config: alerts.yaml\ntests:\n{tests}")
    return CliRunner().invoke(cli.cli, ["test", *options, str(file)], catch_exceptions=False)


def one(inputs: list[str], expected: list[str], name: str = "it", start: str = "") -> str:
    lines = [f"  - name: {name}", *([f"    start: {start}"] if start else []), "    input:"]
    lines += [f"      - {line}" for line in inputs]
    return "\n".join([*lines, "    expect:", *(f"      - {line}" for line in expected), ""])


def test_what_is_as_expected_is_one_line_a_test(tmp_path: Path) -> None:
    quiet = one([CALM], ["{at: 20m, firing: [], told: []}"], "a quiet time")
    result = run(tmp_path, quiet)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "ok   a quiet time\n", "1 passed\n")


def test_incidents_and_messages_are_found_where_they_are_expected(tmp_path: Path) -> None:
    outage = one(
        [CALM, "{for: 10m, error: 60%}", "{for: 40m, error: 1%}"],
        [
            "{at: 20m, firing: [], told: []}",
            "{at: 22m, firing: [{rule: errors, severity: warning}], told: [default: opened]}",
            "{at: 25m, not_firing: [length], told: [default: opened, default: escalated, oncall: escalated]}",
            "{at: 26m, firing: [{rule: errors, severity: critical}, {rule: quick, stream: chat, signal: error}]}",
            "{at: 70m, firing: [], told: [default: resolved, oncall: resolved]}",
        ],
    )
    result = run(tmp_path, outage)
    assert (result.exit_code, result.stdout) == (0, "ok   it\n")


def test_a_difference_is_told_with_line_time_and_what_was_found(tmp_path: Path) -> None:
    expected = ["{at: 5m, firing: [length], told: []}", "{at: 25m, firing: [], told: [default: opened]}"]
    result = run(tmp_path, one([CALM, "{for: 10m, error: 60%}"], expected))
    file = tmp_path / "rules.test.yaml"
    assert result.exit_code == 1
    first, *rest = result.stdout.splitlines()
    assert first == "FAIL it"
    assert rest[0] == f"     {file}:8: at 5 min (Mon 08:05:00): length should fire; it never fires"
    assert rest[1].startswith(
        f"     {file}:9: at 25 min (Mon 08:25:00): nothing else should fire, but errors on chat"
    )
    assert "60% of requests fail" in rest[1] or "% of requests fail, was 1" in rest[1]
    assert any(
        "nothing else should be told, but oncall: escalated by errors at 08:2" in line for line in rest
    )
    assert result.stderr == "1 test, 1 failed\n"


def test_the_message_is_production_s_own(tmp_path: Path) -> None:
    told = '{receiver: default, event: opened, rule: errors, text: "chat: * of requests fail, was *tocsin ack *"}'
    result = run(tmp_path, one([CALM, "{for: 5m, error: 60%}"], [f"{{at: 21m, told: [{told}]}}"]))
    assert result.stdout == "ok   it\n"


def test_labels_and_templates_decide_who_is_told(tmp_path: Path) -> None:
    ads = CALM.replace("chat", "ads-1")
    expected = [
        "{at: 21m, firing: [errors], told: [default: opened]}",
        "{at: 22m, firing: [errors, ads], told: [ads-mail: opened]}",
    ]
    assert run(tmp_path, one([ads, "{for: 5m, error: 60%}"], expected)).stdout == "ok   it\n"


def test_a_dry_run_fires_and_nobody_is_told(tmp_path: Path) -> None:
    expected = ["{at: 30m, firing: [trial, errors], told: [default: opened]}"]
    result = run(tmp_path, one([CALM, "{for: 10m, timeout: 10%, error: 10%}"], expected))
    assert result.stdout == "ok   it\n"


def test_silence_is_heard_and_ends_with_the_first_record(tmp_path: Path) -> None:
    expected = [
        "{at: 24m, firing: []}",
        "{at: 26m, firing: [{rule: silence, severity: critical, summary: 'chat: no records for 5*'}]}",
        "{at: 31m, firing: [], told: [default: resolved]}",
    ]
    result = run(tmp_path, one([CALM, "{for: 10m, requests: 0}", "{for: 5m, requests: 5/s}"], expected))
    assert result.stdout == "ok   it\n"


def test_a_mute_holds_back_until_it_is_over(tmp_path: Path) -> None:
    expected = [
        "{at: 60m, firing: [length], told: []}",
        "{at: 85m, firing: [length], told: [default: opened]}",
    ]
    night = one([CALM, "{for: 90m, output_tokens: 700 +- 40%}"], expected, start="2026-01-05T04:40:00Z")
    assert run(tmp_path, night).stdout == "ok   it\n"


def test_streams_run_beside_each_other(tmp_path: Path) -> None:
    other = CALM.replace("chat", "search").replace("error: 1%", "error: 80%").replace("learned: 5000, ", "")
    expected = ["{at: 20m, firing: [{rule: errors, stream: search}, {rule: quick, stream: search}]}"]
    assert run(tmp_path, one([CALM, other], expected)).stdout == "ok   it\n"


def test_records_of_a_file_are_played_at_their_own_times(tmp_path: Path) -> None:
    times = [1_767_600_000_000 + 200 * i for i in range(3_000)]
    log = [{"model": "chat", "ts": ts, "status": "error" if i % 5 else "ok"} for i, ts in enumerate(times)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, log)))
    result = run(tmp_path, one(["{records: log.jsonl}"], ["{at: 5m, firing: [quick]}"]))
    assert result.stdout == "ok   it\n"


def test_a_test_finds_what_replay_finds_in_the_same_records(tmp_path: Path) -> None:
    same = one(
        [CALM.replace("learned: 5000, ", ""), "{for: 10m, error: 60%}", "{for: 30m, error: 1%}"],
        ["{at: 60m, firing: []}"],
    )
    shown = run(tmp_path, same, ALERTS, "--verbose").stdout
    suite = read_suite(str(tmp_path / "rules.test.yaml"))
    drawn = traffic.drawn(suite.cases[0], suite.config)
    assert drawn.records is not None
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(drawn.records.values))
    replayed = CliRunner().invoke(
        cli.cli, ["replay", "--json", str(log), "-c", str(tmp_path / "alerts.yaml")], catch_exceptions=False
    )
    found = [json.loads(line) for line in replayed.stdout.splitlines()]
    assert {i["rule"] for i in found} == {"errors", "quick"}
    for incident in found:
        at = incident["detected_at"][11:19]
        assert f"Mon {at} {incident['rule']} on chat (error) fires, " in shown


def test_a_test_is_the_same_each_time(tmp_path: Path) -> None:
    case = one([CALM, "{for: 5m, error: 10%}"], ["{at: 25m, firing: [errors]}"])
    first, second = (run(tmp_path, case, ALERTS, "-v").stdout for _ in range(2))
    assert first == second
    assert "errors on chat" in first


def test_only_the_tests_that_are_asked_for_run(tmp_path: Path) -> None:
    both = one([CALM], ["{at: 1m30s, firing: []}"], "first") + one(
        [CALM], ["{at: 1m, firing: [errors]}"], "second"
    )
    assert run(tmp_path, both, ALERTS, "-k", "first").stdout == "ok   first\n"


WRONG_TESTS = {
    "tests: []": "tests: this must be a list with at least one item",
    "tests: [7]": "tests[0]: this must be keys with values",
    "test: []\ntests: [7]": "`test` is not a key here (did you mean tests?)",
}
WRONG_INPUT = {
    "{for: 1h}": "tests[0].input[0]: the first line needs a stream (such as stream: {model: chat-eu})",
    "{stream: {modell: m}, for: 1h, requests: 2/s}": "`modell` tells no stream",
    "{stream: {model: m}, for: 1h, requests: 2}": "`2` is no rate of requests (write 2/s, 30/m, 100/h, or 0)",
    "{stream: {model: m}, for: 1h, requests: 0}": "there is not one record in this (give it requests)",
    "{records: none.jsonl}": "there is no file `none.jsonl` (name it as seen from this file)",
}
WRONG_SHAPE = {
    "latency: 8": "`latency` is not a key here (did you mean latency_ms?)",
    "error: 120%": "`120%` is no share (write one from 0% to 100%)",
    "latency_ms: 8 +- x": "`8 +- x` is no range of numbers (write 200, 200 +- 40%, 200 +- 80 or 10..30)",
    "confidence: 8": "`8`: a probability is at most 1",
    "confidence: 0.5 +- 100%": "a probability cannot spread so far",
    "version: {a: 5%}": "these shares come to 0.05, not to 1",
    "inconsistent: 5%": "`inconsistent` is not a key here",
}
WRONG_EXPECTATION = {
    "at: 1h": "nothing is expected (add firing, not_firing, told or kill)",
    "at: 1h, firing: errors": "this must be a list (an empty one, [], means nothing at all)",
    "at: 1h, firing: [erors]": "(did you mean errors?)",
    "at: 1h, firing: [{rule: errors, severity: bad}]": "`bad` is not info, warning or critical",
    "at: 1h, told: [slack: opened]": "slack is not a receiver of",
    "at: 1h, told: [default: paged]": "`paged` is not acknowledged, escalated, opened,",
    "at: 1h, kill: {chat: tripped}": "chat is not a kill switch of",
}
GOOD_INPUT = "{stream: {model: m}, for: 1h, requests: 2/s}"


def case_of(given: str = GOOD_INPUT, expected: str = "at: 1h, firing: []") -> str:
    return f"tests: [{{name: a, input: [{given}], expect: [{{{expected}}}]}}]"


MISTAKES = {
    **WRONG_TESTS,
    **{case_of(given): sentence for given, sentence in WRONG_INPUT.items()},
    **{case_of(f"{GOOD_INPUT[:-1]}, {shape}}}"): sentence for shape, sentence in WRONG_SHAPE.items()},
    **{case_of(expected=expected): sentence for expected, sentence in WRONG_EXPECTATION.items()},
}


@pytest.mark.parametrize(("tests", "sentence"), MISTAKES.items(), ids=MISTAKES.values())
def test_a_mistake_is_a_sentence_with_its_line(tmp_path: Path, tests: str, sentence: str) -> None:
    (tmp_path / "alerts.yaml").write_text(ALERTS)
    file = tmp_path / "rules.test.yaml"
    file.write_text(f"config: alerts.yaml\n{tests}\n")
    with pytest.raises(ConfigError) as caught:
        read_suite(str(file))
    first = caught.value.problems[0]
    assert first.startswith(f"{file}:2:")
    assert sentence in first
    assert len(caught.value.problems) == tests.count("tests") + tests.count("test: ")


def test_a_file_without_its_alerts_yaml_says_so(tmp_path: Path) -> None:
    file = tmp_path / "rules.test.yaml"
    file.write_text("config: none.yaml\ntests: [{}]\n")
    with pytest.raises(UsageError) as caught:
        read_suite(str(file))
    assert str(caught.value) == f"{file}:1: there is no file {tmp_path}/none.yaml"


def test_wrong_use_ends_in_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alerts.yaml").write_text(ALERTS)
    file = tmp_path / "rules.test.yaml"
    file.write_text("config: alerts.yaml\ntests: [7]\n")
    monkeypatch.setattr(sys, "argv", ["tocsin", "test", str(file)])
    with pytest.raises(SystemExit) as exited:
        main()
    assert exited.value.code == 2


def test_a_drift_that_turns_to_its_other_side_is_told_once_more(tmp_path: Path) -> None:
    """Who was told that answers are short would look for that, while they are long by now."""
    alerts = """
reference: {learn: 5000, at_least: 0s}
rules: [{name: length, signal: output_tokens, drift: both, tolerance: 1.5x}]
receivers: {default: {log: {}}}
"""
    told = [
        '{receiver: default, event: opened, text: "chat: *"}',
        '{receiver: default, event: opened, text: "TURNED chat: *"}',
    ]
    story = [CALM, "{for: 20m, output_tokens: 50 +- 40%}", "{for: 15m, output_tokens: 900 +- 40%}"]
    wanted = one(
        story, [f"{{at: 40m, firing: [length], told: [{told[0]}]}}", f"{{at: 55m, told: [{told[1]}]}}"]
    )
    assert run(tmp_path, wanted, alerts).stdout == "ok   it\n"
