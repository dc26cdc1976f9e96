"""What the README shows works: its configuration, its record, its commands, its queries."""

import json
import re
from pathlib import Path

from doc_pages import ROOT, blocks
from sqlalchemy import text

from monitor import config
from monitor.cli import COMMANDS
from monitor.ledger.engine import connect
from monitor.records.settings import MeasureSettings

PAGE = ROOT / "README.md"
README = PAGE.read_text()


def test_the_smallest_alerts_yaml_is_good(tmp_path: Path) -> None:
    (example,) = blocks(PAGE, "yaml")
    path = tmp_path / "alerts.yaml"
    path.write_text(example)
    assert config.problems(path, environ={}) == []


def test_the_record_is_one_and_loses_no_field() -> None:
    from collections import Counter

    from monitor.records.decode import RecordDecoder

    (example,) = blocks(PAGE, "json")
    dropped: Counter[str] = Counter()
    decoded = RecordDecoder(MeasureSettings(), dropped).decode_all([json.dumps(json.loads(example)).encode()])
    assert (len(decoded.rows), decoded.refused, dropped) == (1, {}, Counter())


def test_the_five_queries_run(ledger_url: str) -> None:
    (queries,) = blocks(PAGE, "sql")
    statements = [q for q in queries.split(";") if q.strip()]
    assert len(statements) == 5
    engine = connect(ledger_url)
    with engine.begin() as conn:
        for statement in statements:
            conn.execute(text(statement.replace("::", "\\:\\:")))
    engine.dispose()


def test_every_command_named_exists() -> None:
    named = set(re.findall(r"^tocsin ([a-z-]+)", README, re.MULTILINE))
    assert named <= {command.name for command in COMMANDS}
    assert {"check", "replay", "run", "status", "ack", "kill", "db"} <= named


def test_the_tests_that_keep_the_promises_are_there() -> None:
    for path in re.findall(r"`(tests/[a-z_/]+(?:\.py)?)`", README):
        assert (ROOT / path).exists(), path
