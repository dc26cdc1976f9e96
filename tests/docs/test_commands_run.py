"""Every command line that a page shows is run, block by block, on what the pages speak of, and does what it says."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import documented_world as world
import pytest
from click.testing import CliRunner
from doc_pages import PAGES, ROOT, blocks
from sqlalchemy import text
from test_what_pages_show import command_blocks

from monitor import config
from monitor.cli import cli
from monitor.errors import TocsinError
from monitor.local.receiver import local_receiver

ELSEWHERE = {
    "inspect --topic": "tests/cli/test_inspect_topic.py",
    "run": "tests/integration/test_daemon.py",
}
"""What needs a Kafka, and the tests that run it on one."""

BEFORE = {"kill release": "kill trip chat --reason 'it fails'"}
"""What has to be so before, where the block itself does not see to it."""

SAYS = {
    "accept": "error is judged by reference #",
    "ack": "k3v9q2m7ab acknowledged by",
    "backtest": "critical errors: chat-eu: requests fail (30% of requests fail, was 1%)",
    "check": "promise: 1 per 30d expected false alarms",
    "check --false-alarms": "promises 1 per 30d",
    "check --schema": "draft/2020-12/schema",
    "check --stream": "rules are in effect",
    "db upgrade": "is up to date",
    "explain": "the evidence comes to this incident",
    "incidents": "k3v9q2m7ab",
    "init": "alerts.yaml is written",
    "inspect": "models: chat-eu 100%",
    "inspect credit": "models: credit-v7 67%, credit-v8 33%",
    "kill release": "chat released, sequence",
    "kill status": "chat: tripped: disable",
    "kill trip": "chat tripped, sequence",
    "postmortem": "wrote report.html",
    "reference import": "error: reference #",
    "reference list": "in force promoted 10,000",
    "reference promote --id": "is #77 again",
    "reference promote --stream": "error: reference #",
    "replay": "critical errors: chat-eu:",
    "replay -": '"severity":"critical"',
    "replay credit": "prediction: credit: 29% of predictions are DECLINE, was 6.6%",
    "samples export": "2 samples",
    "samples list": "k3v9q2m7abcd",
    "samples mark": "2 marked bad",
    "send-test default": "default (slack) took it: HTTP 200",
    "send-test oncall": "oncall (pagerduty) took it: HTTP 202",
    "silence add": "it holds for 1 incident that fires now",
    "status": "k3v9q2m7ab",
    "test": "1 passed",
}
"""A few words of what each prints; the longest beginning of a line counts, here and in the other tables."""

ADDS = {
    "accept": "tocsin_ledger.reference WHERE origin = 'accepted'",
    "ack": "tocsin.incidents WHERE acknowledged_by IS NOT NULL",
    "kill release": "tocsin.kill_events WHERE action = 'released'",
    "kill trip": "tocsin.kill_events WHERE action = 'tripped'",
    "reference import": "tocsin_ledger.reference WHERE origin = 'imported'",
    "reference promote": "tocsin_ledger.reference WHERE origin = 'promoted'",
    "samples mark": "tocsin.marks WHERE mark = 'bad'",
    "silence add": "tocsin.silences",
}
"""What there is more of after it."""


def in_text(page):
    """The commands in running text that are whole: with an option, nothing left out and nothing to choose."""
    for line in re.findall(r"`tocsin ([^`\n]+)`", page.read_text()):
        if " -" in line and not re.search(r"\.\.\.|\|", line):
            yield line.replace("INCIDENT", world.INCIDENT)


BLOCKS = [
    pytest.param(block, id=f"{page.name}: {block[0].split(' #')[0].strip()}")
    for page in PAGES
    for block in [*command_blocks(page), *([line] for line in in_text(page))]
]
LINES = [line for block in BLOCKS for line in block.values[0]]


def beginning(line, table):
    return max((key for key in table if line.startswith(key)), key=len, default=None)


class Shell:
    """The folder with the pages' files, and a ledger of the test's own."""

    def __init__(self, env, engine):
        self._env, self._engine = env, engine

    def run(self, line):
        """What it exits with and all that it prints; raises what `main` has no sentence for."""
        words = shlex.split(line, comments=True)
        arguments = words[: words.index(">")] if ">" in words else words
        piped = Path("log.jsonl").read_bytes() if "-" in arguments else None
        result = CliRunner(env=self._env).invoke(cli, arguments, input=piped)
        if isinstance(result.exception, TocsinError):
            return result.exception.exit_code, str(result.exception)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        if ">" in words:
            Path(words[-1]).write_text(result.stdout)
        return result.exit_code, " ".join(result.output.split())

    def count(self, rows):
        with self._engine.connect() as conn:
            return conn.execute(text(f"SELECT count(*) FROM {rows}")).scalar_one()


@pytest.fixture(scope="module")
def receiver():
    with local_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def ledger_template(postgres, ledger_template, receiver, tmp_path_factory):
    """The ledger that the pages speak of, in place of the empty one: each test has a copy."""
    name = "documented_world"
    url = postgres.create_database(name, template=ledger_template)
    path = tmp_path_factory.mktemp(name) / "alerts.yaml"
    path.write_text(world.ALERTS)
    world.fill(url, config.load(path, environ=world.environment(url, receiver)))
    yield name
    postgres.drop_database(name)


@pytest.fixture
def shell(ledger_url, engine, receiver, tmp_path, monkeypatch):
    world.write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return Shell({"COLUMNS": "100", **world.environment(ledger_url, receiver)}, engine)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_commands_of_a_block_do_what_they_say(block, shell):
    if any(line.startswith("init ") for line in block):
        Path("alerts.yaml").unlink()
    for line in block:
        if not beginning(line, ELSEWHERE):
            does_what_it_says(line, shell)


def does_what_it_says(line, shell):
    if key := beginning(line, BEFORE):
        shell.run(BEFORE[key])
    adds = ADDS.get(beginning(line, ADDS))
    before = shell.count(adds) if adds else 0
    code, printed = shell.run(line)
    assert code == promised_exit(line), f"tocsin {line}: {printed}"
    assert "Traceback" not in printed, line
    assert SAYS.get(beginning(line, SAYS), "") in printed, line
    assert not adds or shell.count(adds) > before, line
    assert all(Path(file).stat().st_size for file in written(line)), line


def promised_exit(line):
    """0, or what the comment says that it exits with if something is so which the world is made for."""
    said = re.search(r"# exit (\d) if", line)
    return int(said[1]) if said else 0


def written(line):
    words = shlex.split(line, comments=True)
    return [file for flag, file in pairwise(words) if flag in ("-o", "--plot", ">")]


def test_the_figures_of_the_promise_are_those_that_the_command_prints(shell):
    command, table = blocks(ROOT / "docs" / "false-alarms.md", "")[:2]
    _, printed = shell.run(command.removeprefix("tocsin "))
    for row in table.splitlines():
        assert " ".join(row.split()) in printed


def test_what_is_not_run_here_is_run_by_the_test_that_is_named():
    for command, path in ELSEWHERE.items():
        source = (ROOT / path).read_text()
        assert all(f'"{word}"' in source for word in command.split()), path


def test_the_tables_have_nothing_that_no_page_shows():
    for table in (ELSEWHERE, BEFORE, SAYS, ADDS):
        assert set(table) == {beginning(line, table) for line in LINES} - {None}


def test_lines_were_found_and_a_mistake_in_one_would_be_seen(shell):
    assert len(LINES) > 55
    assert [promised_exit(line) for line in LINES].count(1) == 1
    with pytest.raises(AssertionError, match="there is no incident nosuch"):
        does_what_it_says("ack nosuch", shell)
    with pytest.raises(AssertionError, match="No such option"):
        does_what_it_says("status --no-such-option", shell)
