"""`check`: how the promise is shared, what limits mean, how soon a change is seen, which rules hold for a stream."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from detectors.delays import expected_blocks
from monitor import cli, config

ALERTS = Path(__file__).parents[2] / "alerts.yaml"
RECEIVERS = """
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
"""


def check(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, ["check", *arguments], env={})


def told(folder: Path, text: str, *arguments: str) -> dict[str, Any]:
    """What `check --json` says of an alerts.yaml."""
    path = folder / "alerts.yaml"
    path.write_text(text + RECEIVERS)
    result = check("-c", str(path), "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def of_rule(folder: Path, rule: str, *arguments: str, head: str = "") -> dict[str, Any]:
    """What `check --false-alarms` says of one rule alone."""
    found: dict[str, Any] = told(folder, f"{head}\nrules: [{rule}]", "--false-alarms", *arguments)[
        "false_alarms"
    ]
    return found


def test_the_report_of_the_example_fits_100_columns() -> None:
    result = check("-c", str(ALERTS), "--false-alarms")
    assert result.exit_code == 0
    assert max(len(line) for line in result.output.splitlines()) <= 100
    for title in (
        "How the promise is shared",
        "What the limits mean",
        "How soon so many points more",
        "Assumed:",
    ):
        assert title in result.output
    assert "chosen from the reference when learned" in " ".join(result.output.split())


def test_what_there_is_one_of_is_said_in_the_singular(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text("rules: [{name: silence, absent: 2m}]" + RECEIVERS)
    assert check("-c", str(path)).stdout.startswith(f"{path}: good, 1 rule, 1 receiver, 0 kill switches\n")


def test_shares_of_rules_signals_sides_and_tiers_add_up_to_the_promise(tmp_path: Path) -> None:
    rules = """
false_alarms: {warning: 1 per 7d, critical: 1 per 90d}
rules:
  - {name: errors, signal: [error, timeout], above: {warning: 2x, critical: 10%}}
  - {name: length, signal: output_tokens, drift: both}
  - {name: silence, absent: 2m}
  - {name: outage, signal: error, window: 5s, above: 50%}
  - {name: traffic, signal: requests, below: 0.5x}
"""
    report = told(tmp_path, rules, "--false-alarms")["false_alarms"]
    spent = {
        s: sum(p["alarms"] for p in report["parts"] if p["severity"] == s) for s in ("warning", "critical")
    }
    assert spent == {"warning": pytest.approx(30 / 7), "critical": pytest.approx(30 / 90)}
    assert report["promise"]["alarms"] == pytest.approx(30 / 7 + 30 / 90)
    assert {(p["side"], p["limit"]) for p in report["parts"] if p["rule"] == "length"} == {
        (side, limit) for side in ("up", "down") for limit in ("1.5x", "2x", "4x")
    }
    assert [o["rule"] for o in report["outside"]] == ["silence", "outage", "traffic"]


@pytest.mark.parametrize(
    ("rule", "meaning"),
    [
        ("signal: error, above: 2x", "2x on 0.1% is 0.3%, on 1% is 2%, on 20% is 33% (at least +0.2pp)"),
        ("signal: error, above: 2pp", "+2pp on 0.1% is 21 times as often, on 1% 3 times, on 20% 1.1 times"),
        ("signal: error, above: 10%", "at most 10%, whatever is normal"),
        (
            "signal: output_tokens, drift: up, tolerance: 1.5x",
            "p50 of 200 tokens may be 300 tokens, and so at every edge from p1 to p99",
        ),
        ("signal: confidence, drift: down, tolerance: 10pp", "20% may be below what only the lowest 10% was"),
        ("signal: latency_ms, quantile: p99, above: 1.5x", "p99 of 2 s may be 3 s"),
        ("signal: latency_ms, quantile: p99, above: reference", "3% instead of 1% may be above the usual p99"),
        ("signal: latency_ms, quantile: p95, above: 800ms", "at most 5% above 800 ms, whatever is normal"),
        ("signal: abstained, below: 0.5x", "0.5x on 99.9% is 99.7%, on 99% is 98%, on 80% is 67%"),
    ],
)  # fmt: skip
def test_a_limit_is_put_in_plain_words(tmp_path: Path, rule: str, meaning: str) -> None:
    report = of_rule(tmp_path, f"{{name: r, {rule}}}")
    assert [limit["meaning"] for limit in report["limits"]] == [meaning]


def test_a_delay_is_the_limit_of_the_bet_at_the_stream_s_volume(tmp_path: Path) -> None:
    report = of_rule(tmp_path, "{name: e, signal: error, above: 2%}", "--per-second", "5", "--rate", "0.5%")
    (found,) = report["delays"]
    assert found["block_s"] == 60
    for delay, points in zip(found["delays"], (0.02, 0.05, 0.10, 0.20), strict=True):
        blocks = expected_blocks(259_200, 6.0, 0.02, 0.005 + points, 300)[0]
        assert delay == {"shift": f"+{100 * points:g}pp", "seconds": pytest.approx(60 * blocks)}


def test_a_block_that_the_reference_may_choose_can_be_asked_for(tmp_path: Path) -> None:
    report = of_rule(tmp_path, "{name: e, signal: error, above: 2%}", "--block", "10", "--rate", "1%")
    (found,) = report["delays"]
    blocks = expected_blocks(259_200, 1.0, 0.02, 0.06, 100)[0]
    assert found["block_s"] == 10
    assert found["delays"][1] == {"shift": "+5pp", "seconds": pytest.approx(10 * blocks)}


def test_more_traffic_is_sooner_and_more_streams_are_later(tmp_path: Path) -> None:
    rule = "{name: e, signal: error, above: 2x}"

    def first(*arguments: str) -> float:
        return float(of_rule(tmp_path, rule, *arguments)["delays"][0]["delays"][0]["seconds"])

    assert first("--per-second", "100") < first() < first("--per-second", "1")
    assert first() < first("--streams", "100")


def test_a_change_within_the_limit_is_never_seen(tmp_path: Path) -> None:
    report = of_rule(tmp_path, "{name: l, signal: output_tokens, drift: both, tolerance: 2x}")
    assert [d["seconds"] is None for d in report["delays"][0]["delays"]] == [True, True, False]


def test_few_records_delay_an_alarm_until_min_n_of_them(tmp_path: Path) -> None:
    rule = "{name: e, signal: error, above: 2x, min_n: 100000}"
    report = of_rule(tmp_path, rule, "--per-second", "100")
    assert report["delays"][0]["delays"][-1]["seconds"] == 1000


def test_a_limit_of_the_user_s_own_is_exceeded_from_where_it_stands(tmp_path: Path) -> None:
    ceiling = of_rule(tmp_path, "{name: c, signal: latency_ms, quantile: p95, above: 800ms}")["delays"][0][
        "delays"
    ]
    assert [d["shift"] for d in ceiling] == ["x1.5", "x2", "x5"]
    assert ceiling[0]["seconds"] > ceiling[1]["seconds"] > ceiling[2]["seconds"]


def test_kills_have_a_promise_and_delays_of_their_own() -> None:
    report = json.loads(check("-c", str(ALERTS), "--false-alarms", "--json", "--per-second", "20").stdout)[
        "false_alarms"
    ]
    assert report["promise"]["kills"] == pytest.approx(30 * 86_400 / 1e8)
    (kill,) = report["kill_delays"]
    assert (kill["rule"], kill["limit"], kill["block_s"]) == ("errors", "10%", 1)
    seconds = [d["seconds"] for d in kill["delays"]]
    assert seconds == sorted(seconds, reverse=True)
    assert 8 <= seconds[2] <= 10
    assert 15 <= seconds[0] <= 23


def test_the_rules_in_effect_for_a_stream_and_why_others_are_not() -> None:
    result = check("-c", str(ALERTS), "--stream", "model=chat-us")
    assert result.exit_code == 0
    assert "model=chat-us: 7 of 9 rules are in effect" in result.output
    lines = ALERTS.read_text().splitlines()
    errors, outage = (lines.index(f"  - name: {name}") + 1 for name in ("errors", "outage"))
    assert f"not in effect: errors (line {errors}, match model chat-eu)" in result.output
    assert f"not in effect: outage (line {outage}, enabled: false)" in result.output


def test_labels_that_streams_are_given_count_and_narrow_the_report(tmp_path: Path) -> None:
    text = """
streams: {by: [model], labels: [{match: {model: chat-*}, set: {team: chat}}]}
false_alarms: {warning: 1 per 7d, per: team}
rules:
  - {name: chat, signal: error, above: 2x, match: {team: chat}}
  - {name: all, signal: truncated, above: 2x}
"""
    found = told(tmp_path, text, "--stream", "model=search", "--false-alarms")
    assert found["stream"]["labels"] == {"model": "search"}
    assert [r["rule"] for r in found["stream"]["rules"] if not r["idle"]] == ["all"]
    assert {p["rule"] for p in found["false_alarms"]["parts"]} == {"all"}
    chat = told(tmp_path, text, "--stream", "model=chat-eu")
    assert chat["stream"]["labels"] == {"model": "chat-eu", "team": "chat"}
    assert [r["idle"] for r in chat["stream"]["rules"]] == ["", ""]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("chat-eu", "--stream chat-eu is no label with a value: write --stream model=NAME"),
        ("modle=x", "--stream modle=x: modle is not in streams.by: did you mean model?"),
    ],
)
def test_a_stream_that_cannot_be_is_one_sentence(given: str, sentence: str) -> None:
    result = check("-c", str(ALERTS), "--stream", given)
    assert str(result.exception) == sentence


def test_all_labels_of_a_stream_must_be_given(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(
        "streams: {by: [model, segment.eu]}\nrules: [{name: e, signal: error, above: 2x}]" + RECEIVERS
    )
    result = check("-c", str(path), "--stream", "model=x")
    assert str(result.exception) == "a stream is told by model and segment.eu: add --stream segment.eu=VALUE"


@pytest.mark.parametrize("rate", ["60%", "0", "x", "-1%", "nan"])
def test_a_rate_that_is_no_share_is_refused(rate: str) -> None:
    result = check("-c", str(ALERTS), "--false-alarms", "--rate", rate)
    assert result.exit_code == 2
    assert "write 1% or 0.01, less than 50%" in result.stderr


def test_the_summary_is_there_as_json_too() -> None:
    found = json.loads(check("-c", str(ALERTS), "--json").stdout)
    assert (len(found["rules"]), found["promise"], found["can_kill"]) == (8, "1 per 30d", ["errors"])


def test_the_page_on_the_promise_names_commands_and_keys_that_there_are(tmp_path: Path) -> None:
    page = (ALERTS.parent / "docs" / "false-alarms.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "alerts.yaml"
    path.write_text(examples[1])
    assert config.problems(path, environ={}) == []
    assert {"check", "ack", "status", "explain"} == set(re.findall(r"^tocsin (\w+)", page, re.MULTILINE))
    said = " ".join(check("-c", str(ALERTS), "--false-alarms").output.split())
    for row in re.findall(r"^ (?:errors|confidence) .*$", page, re.MULTILINE):
        assert " ".join(row.split()) in said
