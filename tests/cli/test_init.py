"""`tocsin init FILE`: an alerts.yaml that passes `check` and judges the log at once, whatever the log is."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitor import config
from monitor.cli import cli
from monitor.cli.inspect.names import SYNONYMS
from monitor.config import RUN
from monitor.errors import UsageError

FIXTURES = Path(__file__).parents[1] / "records" / "formats"
START_MS = 1_763_000_000_000
SECRETS = {
    "DATABASE_URL": "postgresql://tocsin@localhost/tocsin",
    "SLACK_URL": "https://hooks.slack.example/x",
    "PD_KEY": "0123456789abcdef0123456789abcdef",
    "HOOK_URL": "https://hook.example/x",
    "HOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "KILL_URL": "https://gateway.example/kill",
    "KILL_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "KAFKA_PASSWORD": "x",
}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), env={}, catch_exceptions=False)


def init(log: Path) -> Path:
    """The alerts.yaml beside a log, which `check` takes."""
    alerts = log.with_suffix(".yaml")
    run("init", log, "-o", alerts, "--force")
    assert config.problems(alerts, environ={}) == []
    assert config.warnings(alerts, environ={}) == []
    return alerts


def replay(log: Path, *options: str) -> Result:
    result = run("replay", log, "-c", log.with_suffix(".yaml"), *options)
    assert result.exit_code == 0
    return result


def write(folder: Path, lines: list[Any], name: str = "log.jsonl") -> Path:
    log = folder / name
    log.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return log


def records(n: int, every_ms: int = 1_000, **fields: Callable[[int], Any]) -> list[dict[str, Any]]:
    rng = random.Random(4)
    made = []
    for i in range(n):
        record = {"model": "chat", "ts": START_MS + every_ms * i, "status": "error" if i % 100 == 7 else "ok"}
        record |= {"latency_ms": round(rng.lognormvariate(6, 0.4)), "output_tokens": rng.randint(50, 200)}
        made.append(record | {name: value(i) for name, value in fields.items()})
    return made


BY_NAMES = FIXTURES / "tabular.jsonl"
OF_LABELS = FIXTURES / "otel-evaluations.jsonl"


def test_a_log_of_labels_alone_is_none_to_begin_with(tmp_path: Path) -> None:
    log = write(tmp_path, OF_LABELS.read_text().splitlines())
    result = CliRunner().invoke(cli, ["init", str(log), "-o", str(tmp_path / "alerts.yaml")], env={})
    assert isinstance(result.exception, UsageError)
    assert "has labels or ratings only: give the log of the predictions" in str(result.exception)


@pytest.mark.parametrize(
    "fixture", sorted({*FIXTURES.glob("*.jsonl")} - {OF_LABELS, BY_NAMES}), ids=lambda path: path.stem
)
def test_the_messages_of_every_format_are_judged_without_a_word_of_configuration(
    tmp_path: Path, fixture: Path
) -> None:
    log = write(tmp_path, fixture.read_text().splitlines(), fixture.name)
    found = json.loads(run("inspect", log, "--json").stdout)
    alerts = init(log)
    assert f"format: {fixture.stem}\n" in alerts.read_text()
    said = replay(log).stderr
    counted = found["messages"] - found["ignored"]
    several = f"{counted:,} lines with {found['records']}" if found["records"] > counted else f"{counted:,}"
    assert said.startswith(f"{several} records counted")
    assert "skipped" not in said


def test_a_strangers_log_comes_to_a_verdict_in_three_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(2)

    def failed(i: int) -> bool:
        return rng.random() < (0.3 if i > 5_000 else 0.01)

    log = write(
        tmp_path,
        [
            {
                "modelName": "fraud",
                "finishedAt": (START_MS + 2_000 * i) * 1_000,
                "durationSeconds": round(rng.lognormvariate(-2, 0.3), 4),
                "result": "TECH_ERROR" if failed(i) else rng.choice(["APPROVE", "DECLINE"]),
            }
            for i in range(6_000)
        ],
    )
    monkeypatch.chdir(tmp_path)
    assert "tocsin init" in run("inspect", log).stdout
    assert f"next: tocsin replay {log}" in run("init", log).stderr
    verdict = run("replay", log, "--json")
    found = {incident["rule"]: incident for incident in map(json.loads, verdict.stdout.splitlines())}
    assert set(found) == {"errors"}
    assert found["errors"]["severity"] == "critical"
    assert "6,000 records counted" in verdict.stderr
    assert "learning" not in verdict.stderr


def test_ceilings_are_twice_a_percentile_of_the_log_and_errors_follow_its_rate(tmp_path: Path) -> None:
    log = write(
        tmp_path,
        records(1_000, latency_ms=lambda i: i + 1, status=lambda i: "error" if i % 20 == 0 else "ok"),
    )
    rules = {rule.name: rule for rule in config.load(init(log), environ={}, need=set()).rules}
    text = log.with_suffix(".yaml").read_text()
    assert "{name: ceiling, signal: latency_ms, quantile: p95, above: 2s}" in text
    assert "{name: errors, signal: error, above: {warning: 2x, critical: 25%}}" in text
    assert set(rules) == {"errors", "length", "slow", "ceiling", "silence"}


def test_a_log_of_minutes_learns_a_third_of_it(tmp_path: Path) -> None:
    loaded = config.load(init(write(tmp_path, records(1_200))), environ={}, need=set())
    assert (loaded.learning.learn, loaded.learning.at_least_ms) == (400, 300_000)
    said = replay(tmp_path / "log.jsonl").stderr
    assert "learning" not in said
    assert "nothing fired on 1 stream with a reference" in said


def test_a_log_of_weeks_learns_as_a_live_topic_should(tmp_path: Path) -> None:
    loaded = config.load(init(write(tmp_path, records(4_000, every_ms=600_000))), environ={}, need=set())
    assert (loaded.learning.learn, loaded.learning.at_least_ms) == (1_000, 86_400_000)


def test_a_reference_out_of_reach_names_the_one_that_this_log_reaches(tmp_path: Path) -> None:
    log = write(tmp_path, records(1_200))
    alerts = init(log)
    alerts.write_text(
        re.sub(r"(?m)^reference: .*$", "reference: {learn: 10000, at_least: 24h}", alerts.read_text())
    )
    assert (
        "for a verdict on this log: reference: {learn: 400, at_least: 5m} in alerts.yaml"
        in replay(log).stderr
    )


def test_a_handful_of_records_says_how_many_it_takes(tmp_path: Path) -> None:
    log = write(tmp_path, records(5))
    init(log)
    assert "a verdict takes 300 records of a stream or more: give a longer log" in replay(log).stderr


def test_versions_inside_names_become_versions_of_one_stream(tmp_path: Path) -> None:
    log = write(tmp_path, records(1_000, model=lambda i: f"gpt-4-0{'314' if i < 600 else '613'}"))
    text = init(log).read_text()
    assert "gpt-4-0314 stops as gpt-4-0613 starts: versions of one model" in text
    with_names = json.loads(run("inspect", log, "--json").stdout)
    assert len(with_names["streams"]) == 2
    assert "still learning" not in replay(log).stderr


def test_what_is_commented_out_works_when_it_is_filled_in(tmp_path: Path) -> None:
    log = write(tmp_path, records(400, features=lambda i: {"income": 1_000 + i, "age": 30 + i % 9}))
    alerts = init(log)
    switched_on = re.sub(r"(?m)^( *)#(?=[^ #\n]|  )", r"\1", alerts.read_text())
    told = "notify: {warning: [slack, default], critical: [oncall, hook]}"
    alerts.write_text(switched_on.replace("notify: [default]", told))
    assert config.problems(alerts, environ={}) == []
    found = config.load(alerts, environ=SECRETS, need=RUN)
    assert {"traffic", "outage", "feature_income", "feature_age"} <= {rule.name for rule in found.rules}
    assert set(found.receivers) == {"default", "slack", "oncall", "hook"}
    assert set(found.kill_switches) == {"serving"}
    assert found.source.client["sasl_mechanism"] == "SCRAM-SHA-512"


def test_without_any_change_it_needs_only_the_database_to_run(tmp_path: Path) -> None:
    alerts = init(write(tmp_path, records(50)))
    found = config.load(alerts, environ={"DATABASE_URL": SECRETS["DATABASE_URL"]}, need=RUN)
    assert found.source.topics == ("log",)


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    log, alerts = write(tmp_path, records(20)), tmp_path / "alerts.yaml"
    alerts.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        run("init", log, "-o", alerts)
    assert alerts.read_text() == "mine"
    run("init", log, "-o", alerts, "--force")
    assert alerts.read_text().startswith("# Made by `tocsin init`")
    assert run("init", log, "-o", "-").stdout == alerts.read_text()


def test_a_log_without_times_says_that_it_cannot_be_judged(tmp_path: Path) -> None:
    log = write(tmp_path, [{"model": "m", "timestamp": "07/02/2023, 21:28:40"}] * 20)
    said = run("init", log, "-o", log.with_suffix(".yaml")).stderr
    assert "timestamp holds '07/02/2023, 21:28:40', which is not a time in RFC 3339" in said
    assert f"nothing could be judged: tocsin inspect {log} says what is in the log" in replay(log).stderr


@pytest.mark.parametrize(
    "name",
    [
        'a"b',
        "a'b: c",
        "x\n# y",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "*",
        "!gpt",
        "null",
        "on",
        "1",
        "é\u2028ü",
        "[/red]",
        "\x1b[2J",
        "a#b",
        " ",
    ],
)
def test_no_name_in_a_log_can_be_more_than_a_name(tmp_path: Path, name: str) -> None:
    log = write(
        tmp_path, records(60, model=lambda i: f"m{name}", status=lambda i: name if i % 2 else "failed")
    )
    init(log)
    assert replay(log).stderr.startswith("60 records counted")
    lines = [{name: i, "ts": START_MS + i, "duration": {name: 1}} for i in range(60)]
    strange = write(tmp_path, lines, f"{name.replace('/', '-')}.jsonl")
    init(strange)
    assert replay(strange).stderr.startswith("60 records counted")


KINDS: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from(["ok", "failed", "success", "TIMEOUT", "aborted", 200, 404, 503, True, False]),
    "latency_ms": st.floats(0, 1e6) | st.integers(0, 10**6).map(str),
    "rating": st.integers(-1, 5),
    "confidence": st.floats(0, 1),
    "score": st.floats(0, 1).map(str),
    "cost_usd": st.floats(0, 10),
    "output_tokens": st.integers(0, 10**5),
    "features": st.dictionaries(st.sampled_from(["income", "Age", "a b"]), st.floats(0, 1e6)),
    "prediction": st.sampled_from(["A", "B", 1, 0, True]),
    "label": st.sampled_from(["A", "B"]),
    "correct": st.booleans(),
    "output": st.text(max_size=40) | st.just([{"role": "assistant", "content": "Hello you."}]),
    "expected_language": st.sampled_from(["en", "de-CH"]),
    "cold_start": st.booleans(),
    "user": st.text(max_size=5),
}


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records with some of the fields that there are, under names that people give them, nested or not."""
    fields = draw(st.lists(st.sampled_from(sorted(KINDS)), unique=True, max_size=6))
    names = {f: draw(st.sampled_from([n for n in SYNONYMS[f].split() if "/" not in n])) for f in fields}
    outer = draw(st.sampled_from(["", "data", "a/b"]))
    ts = draw(st.sampled_from(["ts", "timestamp", "finishedAt"]))
    unit = draw(st.sampled_from([1, 1_000, 0.001]))
    lines = []
    for i in range(draw(st.integers(1, 12))):
        inner = {names[f]: draw(KINDS[f]) for f in fields if draw(st.booleans())}
        line: dict[str, Any] = (
            {"model": draw(st.sampled_from(["chat", "fraud-v7"]))} if i else {"model": "chat"}
        )
        line[ts] = (START_MS + 60_000 * i) * unit
        lines.append(line | ({outer: inner} if outer else inner))
    return lines


@given(lines=logs())
@example(lines=[{"model": "chat", "ts": START_MS / 1_000, "a/b": {"error": True}}])
@settings(max_examples=6, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_log_holds_its_alerts_yaml_is_good_and_every_record_counts(
    tmp_path: Path, lines: list[dict[str, Any]]
) -> None:
    log = write(tmp_path, lines)
    init(log)
    assert replay(log).stderr.startswith(f"{len(lines):,} records counted")


def test_each_model_may_be_as_silent_as_it_was_in_the_log(tmp_path: Path) -> None:
    def model(i: int) -> str:
        return "deep[1]" if i % 200 == 0 else "once" if i in (700, 710) else "chat"

    log = write(tmp_path, records(6_000, every_ms=1_000, model=model))
    text = init(log).read_text()
    assert (
        "absent: 2m, severity: critical, overrides: [{match: {model: ['deep[[]1]']}, absent: 30m}, "
        "{match: {model: [once]}, enabled: false}]}"
    ) in text
    assert "silence" not in replay(log).stdout


def test_of_many_models_that_come_seldom_none_is_named(tmp_path: Path) -> None:
    log = write(
        tmp_path,
        records(6_000, every_ms=1_000, model=lambda i: f"m{i // 10 % 40}" if i % 10 == 0 else "chat"),
    )
    text = init(log).read_text()
    assert "absent: 24h, severity: critical, overrides: [{match: {model: [chat]}, absent: 2m}]}" in text
    assert "five times the longest pause of the busiest models in this log" in text


def test_ratings_break_no_silence(tmp_path: Path) -> None:
    asleep = range(1_000, 3_000)
    lines = [
        r
        if i not in asleep
        else {"type": "feedback", "model": r["model"], "id": "x", "ts": r["ts"], "rating": 1}
        for i, r in enumerate(records(6_000, every_ms=1_000))
    ]
    log = write(tmp_path, lines)
    assert "absent: 3h" in init(log).read_text()
    assert "silence" not in replay(log).stdout


def test_slices_are_segments_of_few_values(tmp_path: Path) -> None:
    log = write(
        tmp_path, records(300, segment=lambda i: {"session": f"s{i}", "team": "ab"[i % 2], "tier": 1})
    )
    assert "slices: [version, segment.team, segment.tier]" in init(log).read_text()
