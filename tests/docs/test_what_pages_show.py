"""Every command line, query and configuration that a page shows is one that Tocsin takes."""

import re
import shlex
from itertools import chain

import click
import pytest
from doc_pages import PAGES, ROOT, blocks, fenced
from ruamel.yaml import YAML
from sqlalchemy import create_engine

from monitor import config
from monitor.cli import cli

ELSEWHERE = {"postgres.md": "tests/ledger/test_roles.py", "postmortem.md": "tests/postmortem/test_queries.py"}


def command_blocks(page):
    """The commands of each code block that shows some, behind a pipe too."""
    for language, block in fenced(page):
        lines = block.replace("\\\n", " ").splitlines() if language in ("", "sh", "console") else ()
        found = (re.match(r"(?:\$ |.*\| )?(?:[A-Z_]+=\S+ )*tocsin (?!run ─)(.*)", line) for line in lines)
        if commands := [one[1] for one in found if one]:
            yield commands


def command_lines(page):
    return chain.from_iterable(command_blocks(page))


LINES = [pytest.param(line, id=f"{page.name}: {line[:50]}") for page in PAGES for line in command_lines(page)]
QUERIES = [
    pytest.param(sql, id=f"{page.name}-{number}")
    for page in PAGES
    if page.name not in ELSEWHERE
    for number, sql in enumerate(blocks(page, "sql"))
]
COMPLETE = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page, "yaml"))
    if re.search(r"^rules:", block, re.MULTILINE) and re.search(r"^receivers:", block, re.MULTILINE)
]


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_is_understood(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line.split(" > ")[0], comments=True)
    for word in words:
        if re.fullmatch(r"[\w.-]+\.(jsonl|jsonl\.gz|yaml)", word):
            (tmp_path / word).touch()
    understood(cli, "tocsin", words)


def understood(command, name, words, parent=None):
    """Raises what click says of words that no command takes."""
    context = command.make_context(name, list(words), parent)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        inner_name, inner, rest = command.resolve_command(context, rest)
        understood(inner, inner_name, rest, context)


def test_lines_were_found():
    assert len(LINES) > 40
    with pytest.raises(click.UsageError):
        understood(cli, "tocsin", ["replay", "--no-such-option", "x"])


@pytest.mark.parametrize("sql", QUERIES)
def test_a_query_is_answered(sql, asking):
    asking(sql)


@pytest.fixture(scope="module")
def asking(ledger_url_of_the_module):
    engine = create_engine(ledger_url_of_the_module)

    def ask(sql):
        with engine.connect() as conn:
            for statement in filter(str.strip, re.sub(r"--.*", "", sql).split(";")):
                conn.exec_driver_sql(statement.replace("%", "%%"))

    yield ask
    engine.dispose()


@pytest.mark.parametrize("block", COMPLETE)
def test_a_whole_configuration_is_good(block, tmp_path):
    path = tmp_path / "alerts.yaml"
    path.write_text(block)
    assert config.problems(path, environ={}) == []


def test_the_manifest_is_one_that_kubernetes_takes_and_its_configuration_is_good(tmp_path):
    import kubernetes_validate

    manifest = ROOT / "docs" / "how-to" / "kubernetes.yaml"
    objects = list(YAML(typ="safe").load_all(manifest))
    assert [each["kind"] for each in objects] == ["ConfigMap", "Job", "Deployment"]
    for each in objects:
        kubernetes_validate.validate(each, "1.34", strict=True)
    alerts = tmp_path / "alerts.yaml"
    alerts.write_text(objects[0]["data"]["alerts.yaml"])
    assert config.problems(alerts, environ={}) == []


def test_the_secret_has_every_file_that_the_manifest_names():
    page = (ROOT / "docs/how-to/kubernetes.md").read_text()
    made = set(re.findall(r"--from-file=(\w+)", page))
    named = re.findall(r"/run/secrets/tocsin/(\w+)", (ROOT / "docs/how-to/kubernetes.yaml").read_text())
    assert made == set(named)
