"""docs/samples.md: its configuration loads and says the defaults, its queries and commands run."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from doc_pages import ROOT, blocks
from sqlalchemy import text

from monitor import cli, config
from monitor.config.model import Samples
from monitor.ledger.engine import connect

PAGE = ROOT / "docs" / "samples.md"
RULES = 'rules: [{name: r, signal: error, above: 2x}]\nreceivers: {default: {log: {}}}\nstore: {url: "URL"}\n'


def test_its_configuration_says_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(blocks(PAGE, "yaml")[0] + RULES.replace("URL", "postgresql://u@h/d"))
    found = config.load(file, environ={}, need=config.CHECK).samples
    assert found.settings.drop == (("user",), ("segment", "customer_*"))
    usual = Samples()
    assert (found.retain_ms, found.settings.text) == (usual.retain_ms, usual.settings.text)
    assert (found.settings.share, found.settings.first) == (usual.settings.share, usual.settings.first)


@pytest.mark.parametrize("query", blocks(PAGE, "sql"))
def test_its_queries_run(query: str, ledger_url: str) -> None:
    engine = connect(ledger_url)
    with engine.begin() as conn:
        assert conn.execute(text(query.replace(":", r"\:"))).all() == []
    engine.dispose()


@pytest.mark.parametrize("line", [line for block in blocks(PAGE, "sh") for line in block.splitlines()])
def test_its_commands_exist_and_take_what_they_are_given(line: str, ledger_url: str, tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(RULES.replace("URL", ledger_url))
    program, *arguments = shlex.split(line)
    assert program == "tocsin"
    given = [str(tmp_path / a) if a.endswith(".jsonl") else a for a in arguments]
    result = CliRunner().invoke(cli.cli, [*given, "-c", str(file)])
    unknown = "there is no sample k3v9q2m7abcd: `tocsin samples list` has them"
    assert (result.exit_code, str(result.exception or "")) in [(0, ""), (1, unknown)]
