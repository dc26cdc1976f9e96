"""`tocsin samples list|export|mark` on a real ledger."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text
from stored import T0, Stored

from monitor import cli
from monitor.errors import UsageError
from monitor.ledger.tables import ensure_partitions

ALERTS = """
store: {url: "URL"}
rules: [{name: errors, signal: error, above: 2x}]
receivers: {default: {log: {}}}
"""
Samples = Callable[..., Result]


@pytest.fixture
def samples(ledger_url: str, engine: Engine, tmp_path: Path) -> Samples:
    """The command with its arguments, on three samples of chat-eu and one of search, a minute apart."""
    ensure_partitions(engine)
    stored = Stored(engine)
    rows = [("error", 1), ("share", 1), ("first", 1), ("error", 2)]
    for i, (why, stream) in enumerate(rows):
        stored.add(
            "sample", topic_id="t", topic="predictions", partition=0, kafka_offset=i, why=why, stream_id=stream,
            at=T0 + timedelta(minutes=i), version="v1", incident_id="k3v9q2m7ab" if i == 0 else None,
            sample_id=f"s{i}", record=json.dumps({"model": "x", "i": i}), signals='{"error": true}',
        )  # fmt: skip
    path = tmp_path / "alerts.yaml"
    path.write_text(ALERTS.replace("URL", ledger_url))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli.cli, ["samples", *arguments, "-c", str(path)])

    return run


def ids(lines: str) -> list[str]:
    return [json.loads(line)["sample_id"] for line in lines.splitlines()]


def test_the_newest_are_listed_first_with_what_is_known_of_them(samples: Samples) -> None:
    lines = [line for line in samples("list").stdout.splitlines() if "│ s" in line]
    assert [line.split("│")[1].strip() for line in lines] == ["s3", "s2", "s1", "s0"]
    assert all(
        word in lines[-1] for word in ("chat-eu", "v1", "error", "k3v9q2m7ab", '{"model": "x", "i": 0}')
    )
    one = samples("list", "--limit", "1").stdout
    assert ("│ s3" in one, "│ s2" in one) == (True, False)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], ["s0", "s1", "s2", "s3"]),
        (["--stream", "chat-eu"], ["s0", "s1", "s2"]),
        (["--why", "error"], ["s0", "s3"]),
        (["--incident", "k3v9q2m7ab"], ["s0"]),
        (["--since", "2026-11-14T02:52:20", "--until", "2026-11-14T02:53:20"], ["s1"]),
        (["--stream", "search", "--why", "share"], []),
    ],
)
def test_export_writes_those_that_are_asked_for_the_oldest_first(
    samples: Samples, asked: list[str], found: list[str]
) -> None:
    result = samples("export", *asked)
    assert (ids(result.stdout), result.exit_code) == (found, 0)
    assert result.stderr == f"{len(found)} samples\n"


def test_an_exported_sample_has_every_column_its_record_and_its_mark(
    samples: Samples, tmp_path: Path
) -> None:
    samples("mark", "bad", "s0", "--note", "it made that up", "--by", "ada")
    assert samples("export", "--marked", "-o", str(tmp_path / "out.jsonl")).stdout == ""
    found: dict[str, Any] = json.loads((tmp_path / "out.jsonl").read_text())
    assert found.pop("marked_at")[:2] == "20"
    assert found == {
        "sample_id": "s0", "stream": "chat-eu", "at": "2026-11-14T02:51:20Z", "topic": "predictions", "partition": 0,
        "kafka_offset": 0, "record_id": None, "trace_id": None, "version": "v1", "incident_id": "k3v9q2m7ab",
        "signal": None, "why": "error", "signals": {"error": True}, "record": {"model": "x", "i": 0},
        "mark": "bad", "note": "it made that up", "marked_by": "ada",
    }  # fmt: skip


def test_marks_are_told_kept_and_can_be_changed(samples: Samples, engine: Engine) -> None:
    assert samples("mark", "bad", "s0", "s1", "--by", "ada").stdout == "2 marked bad\n"
    changed = samples("mark", "good", "s0", "s2", "--note", "right after all", "--by", "bob").stdout
    assert changed == "1 marked good\n1 changed to good: their first mark stays what was counted\n"
    assert samples("mark", "bad", "s1").stdout == "1 had this mark already\n"
    assert ids(samples("export", "--unmarked").stdout) == ["s3"]
    with engine.begin() as conn:
        kept = conn.execute(
            text("SELECT sample_id, mark, marked_by, counted FROM tocsin.marks ORDER BY marked_at, 1")
        )
        assert [tuple(row) for row in kept] == [
            ("s0", "bad", "ada", True), ("s1", "bad", "ada", True), ("s0", "good", "bob", False),
            ("s2", "good", "bob", True),
        ]  # fmt: skip


def test_a_sample_that_is_not_there_is_told_and_the_others_are_marked(samples: Samples) -> None:
    result = samples("mark", "bad", "s0", "none")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "there is no sample none: `tocsin samples list` has them"
    assert ids(samples("export", "--marked").stdout) == ["s0"]


def test_a_file_that_cannot_be_written_is_told(samples: Samples, tmp_path: Path) -> None:
    result = samples("export", "-o", str(tmp_path / "no" / "out.jsonl"))
    assert isinstance(result.exception, UsageError)
    assert "out.jsonl cannot be written: No such file or directory" in str(result.exception)
