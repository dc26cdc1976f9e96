"""Kill switches in rule tests: they trip on the evidence of seconds, obey guards, and pause rules."""

from pathlib import Path

from test_rule_tests import one, run

ALERTS = """
reference: {learn: 5000, at_least: 0s}
defaults: {min_n: 50, notify: [default]}
rules:
  - {name: errors, signal: error, match: {model: "!c"}, above: {critical: 20%}, kill: each}
  - {name: hung, signal: timeout, match: {model: c}, above: {critical: 20%}, kill: dry}
  - {name: length, signal: output_tokens, drift: both, tolerance: 1.5x}
receivers: {default: {log: {}}, boss: {log: {}}}
kill_switches:
  each: {per: [model], webhook: {url: "${K}", secret: "${S}"}, mode: degrade, to: rules, notify: [boss]}
  dry:  {webhook: {url: "${K}", secret: "${S}"}, trip: dry_run}
"""
CALM = "{stream: {model: a}, learned: 5000, for: 5m, requests: 5/s, error: 1%, output_tokens: 200 +- 40%}"
OTHER = CALM.replace("model: a", "model: b")


def passes(tmp_path: Path, inputs: list[str], expected: list[str]) -> None:
    assert run(tmp_path, one(inputs, expected), ALERTS).stdout == "ok   it\n"


def test_a_rule_trips_its_switch_and_who_knows_of_it_is_told(tmp_path: Path) -> None:
    killed = '{receiver: boss, event: tripped, text: "KILLED a: * of requests fail, was *degrade to rules*"}'
    passes(
        tmp_path,
        [CALM, "{for: 2m, error: 95%}"],
        [
            "{at: 5m, firing: [], told: [], kill: {each: {a: serving}}}",
            "{at: 6m, firing: [{rule: errors, severity: critical}], kill: {each: {a: tripped, b: serving}},"
            f" told: [default: opened, default: tripped, {killed}]}}",
        ],
    )


def test_a_dry_run_says_what_would_have_been_done(tmp_path: Path) -> None:
    said = '{receiver: default, event: escalated, text: "WOULD HAVE KILLED *"}'
    expected = [f"{{at: 6m, firing: [hung], told: [default: opened, {said}], kill: {{dry: would_trip}}}}"]
    passes(
        tmp_path,
        [CALM.replace("error", "timeout").replace("model: a", "model: c"), "{for: 2m, timeout: 95%}"],
        expected,
    )


def test_the_guard_holds_back_the_second_switch(tmp_path: Path) -> None:
    down = "{for: 3m, error: 95%}"
    later = ["{for: 1m, error: 1%}", "{for: 2m, error: 95%}"]
    expected = ["{at: 8m, kill: {each: {a: tripped, b: held_by_guard}}}"]
    passes(tmp_path, [CALM, down, OTHER, *later], expected)


def test_what_is_killed_is_not_judged_for_drift(tmp_path: Path) -> None:
    expected = [
        "{at: 25m, firing: [errors, {rule: length, stream: b}], kill: {each: {a: tripped, b: serving}}}"
    ]
    changed = "{for: 20m, output_tokens: 900 +- 40%}"
    killed = "{for: 20m, error: 95%, output_tokens: 900 +- 40%}"
    passes(tmp_path, [CALM, killed, OTHER, changed], expected)


def test_a_label_in_its_name_picks_the_switch_and_messages_name_that(tmp_path: Path) -> None:
    alerts = ALERTS.replace("kill: each", 'kill: "stop-{model}"').replace(
        "  each: {per: [model],", "  stop-a: {"
    )
    killed = '{receiver: boss, event: tripped, text: "KILLED a: *tocsin kill release stop-a *"}'
    expected = f"{{at: 6m, kill: {{stop-a: tripped}}, told: [default: opened, default: tripped, {killed}]}}"
    told = run(tmp_path, one([CALM, "{for: 2m, error: 95%}"], [expected]), alerts).stdout
    assert told == "ok   it\n"
