"""A classifier's log with names of its own, from the file to a verdict."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from monitor.cli import cli
from monitor.errors import UsageError

START_MS = 1_731_553_200_000
CONFIG = """
name: test
source:
  bootstrap_servers: "k:9092"
  topic: scoring
  where: {kind: [score, null]}
  map:
    model: {field: scorer, split: "-(?=v)"}
    ts: {field: at_us, unit: us}
    prediction: decision
    score: /probabilities/default
    status: {field: outcome, ok: [APPROVE, DECLINE], error: [TECH_ERROR], timeout: [TIMEOUT]}
reference: {learn: 1000, at_least: 0s}
false_alarms: 1 per 30d
rules:
  - {name: errors, signal: error, above: {warning: 2x, critical: 10%}}
receivers: {default: {log: {}}}
"""


def line(i: int, **fields: Any) -> str:
    message = {"scorer": "fraud-v7", "at_us": (START_MS + i * 100) * 1_000, "decision": "APPROVE"}
    message |= {"probabilities": {"default": 0.1}, "outcome": "APPROVE"}
    return json.dumps(message | fields)


def own(line: str) -> str:
    """The same as a record of Tocsin's own."""
    message = json.loads(line)
    status = "error" if message["outcome"] == "TECH_ERROR" else "ok"
    return json.dumps(
        {
            "model": "fraud",
            "version": "v7",
            "ts": message["at_us"] / 1_000,
            "prediction": "APPROVE",
            "status": status,
        }
    )


def replayed(tmp_path: Path, lines: list[str], config: str = CONFIG, *more: str) -> Any:
    log, alerts = tmp_path / "log.jsonl", tmp_path / "alerts.yaml"
    log.write_text("\n".join(lines))
    alerts.write_text(config)
    return CliRunner().invoke(cli, ["replay", "--json", "-c", str(alerts), str(log), *more], env={})


def test_a_mapped_log_fires_as_the_same_log_of_own_records(tmp_path: Path) -> None:
    good = [line(i) for i in range(9_000)]
    bad = [line(9_000 + i, outcome="TECH_ERROR" if i % 2 else "APPROVE") for i in range(3_000)]
    mapped = replayed(tmp_path, [*good, *bad])
    plain = CONFIG.replace(CONFIG[CONFIG.index("  where:") : CONFIG.index("reference:")], "")
    assert mapped.output == replayed(tmp_path, list(map(own, [*good, *bad])), plain).output
    [incident] = map(json.loads, mapped.stdout.splitlines())
    assert (incident["rule"], incident["stream"], incident["observed"]) == ("errors", "fraud", 0.5)


def test_lines_that_are_ignored_or_cannot_be_read_are_told_apart(tmp_path: Path) -> None:
    lines = [
        line(0, kind="ping", at_us=None),
        line(1),
        line(2, at_us=None),
        "{",
        line(3),
        line(4, kind="ping"),
    ]
    result = replayed(tmp_path, lines)
    assert result.exit_code == 0
    told = result.stderr.splitlines()
    assert [said for said in told if "lines" in said] == [
        "2 lines ignored: they are none that `where` names, of source or of its format",
        "1 lines skipped: no_ts",
        "1 lines skipped: not_json",
    ]
    assert told[0].startswith("2 records counted")


def test_of_several_formats_the_topic_says_which_the_file_has(tmp_path: Path) -> None:
    source = CONFIG[CONFIG.index("source:") : CONFIG.index("reference:")]
    mapped = source.partition("\n")[2].strip().replace("\n", "\n  ")
    listed = f"source:\n  - {{topic: plain, bootstrap_servers: k}}\n  - {mapped}"
    config = CONFIG.replace(source, listed + "\n")
    lines = [line(i) for i in range(10)]
    unsure = replayed(tmp_path, lines, config)
    assert isinstance(unsure.exception, UsageError)
    assert "plain and scoring have messages of different formats: say by --source TOPIC" in str(
        unsure.exception
    )
    told = replayed(tmp_path, lines, config, "--source", "scoring")
    assert told.stderr.splitlines()[0].startswith("10 records counted")
    assert replayed(tmp_path, lines, config, "--source", "plain").stderr.startswith("0 records counted")
    unknown = replayed(tmp_path, lines, config, "--source", "other")
    assert "no source has topic other: there is plain and scoring" in str(unknown.exception)


def test_lines_with_headers_are_read_as_kafka_carried_them(tmp_path: Path) -> None:
    """As `{"headers": ..., "value": ...}`, and as kcat -J writes them; other lines have none, and are ignored."""

    def headers(i: int) -> dict[str, str]:
        kind = "org.kubeflow.serving.inference.response"
        at = f"2026-11-14T03:00:{i:02}Z"
        return {"ce_type": kind, "ce_id": f"id-{i}", "ce_time": at, "ce_inferenceservicename": "fraud"}

    value = {"predictions": ["DECLINE"]}
    kcat = [part for pair in headers(2).items() for part in pair]
    lines = [
        json.dumps({"headers": headers(1), "value": value}),
        json.dumps({"topic": "t", "offset": 7, "headers": kcat, "key": None, "payload": json.dumps(value)}),
        json.dumps(value),
    ]
    config = CONFIG[: CONFIG.index("  where:")] + "  format: kserve\n" + CONFIG[CONFIG.index("reference:") :]
    for options in ([], ["--sort"]):
        log, alerts = tmp_path / "log.jsonl", tmp_path / "alerts.yaml"
        log.write_text("\n".join(lines))
        alerts.write_text(config)
        result = CliRunner().invoke(cli, ["replay", *options, "-c", str(alerts), str(log)], env={})
        assert result.stderr.startswith("2 records counted, 0 incidents\n1 lines ignored")
        assert "fraud: still learning, 2 of 1,000" in result.stderr
