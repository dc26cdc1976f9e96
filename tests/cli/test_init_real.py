"""Three commands on a real log: GPT-4 before and after June 2023 (Chen, Zaharia and Zou, arXiv:2307.09009)."""

import csv
import gzip
import json
import random
from datetime import datetime
from pathlib import Path

from click.testing import CliRunner

from monitor.cli import cli

START_S = 1_795_000_000


def test_the_version_that_answers_otherwise_is_found_though_it_has_another_name(
    real_data: Path, tmp_path: Path
) -> None:
    with gzip.open(real_data / "llmdrift" / "PRIME_FULL_EVAL.csv.gz", "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if "gpt-4" in row["model"]]
    random.Random(1).shuffle(rows)
    rows.sort(key=lambda row: row["model"])
    log, alerts = tmp_path / "prime.jsonl", tmp_path / "alerts.yaml"
    # Its own times are those of batches, with months between them.
    log.write_text("\n".join(json.dumps(r | {"timestamp": START_S + i}) for i, r in enumerate(rows)))

    def run(*arguments: str | Path) -> str:
        return CliRunner().invoke(cli, list(map(str, arguments)), env={}, catch_exceptions=False).stdout

    seen = json.loads(run("inspect", log, "--json"))
    assert seen["source"]["map"]["latency_ms"] == {"field": "latency", "unit": "s"}
    assert "version_in_name" in {warning["kind"] for warning in seen["warnings"]}
    run("init", log, "-o", alerts)
    found = [json.loads(line) for line in run("replay", log, "-c", alerts, "--json").splitlines()]
    length = next(incident for incident in found if incident["rule"] == "length")
    assert length["summary"].startswith("openaichat%2Fgpt-4: answers are short")
    changed_s = START_S + sum(row["model"].endswith("0314") for row in rows)
    assert abs(datetime.fromisoformat(length["onset_at"]).timestamp() - changed_s) < 120
