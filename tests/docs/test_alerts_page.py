"""The page of alerts.yaml has every key of the schema, and its limits are such as the loader takes."""

import re
import sys

import pytest
from doc_pages import ROOT, blocks

from monitor.config.limits import tiers
from monitor.config.problem import Report
from monitor.config.rule import Severity
from monitor.config.schema import schema
from monitor.config.tree import parse

sys.path.insert(0, str(ROOT / "docs" / "reference"))
from alerts_words import members

PAGE = (ROOT / "docs/reference/alerts-yaml.md").read_text()
TABLE = PAGE.split("| limit | means | of |")[1].split("\n\n")[0]
CELLS = [line.split("|")[1] for line in TABLE.splitlines() if line.startswith("| `")]
LIMITS = [limit for cell in CELLS for limit in re.findall(r"`([^`]+)`", cell) if limit != "below"]


def every_key(form, path=""):
    for key, value in members(form).items():
        if key not in set(map(str, Severity)):
            yield f"{path}{key}", value
            if key != "overrides":
                yield from every_key(value, f"{path}{key}.")


KEYS = dict(every_key(schema()))


def test_every_key_has_a_row_and_a_description():
    assert len(KEYS) > 150
    assert [path for path, form in KEYS.items() if not form.get("description")] == []
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    named = {
        name.rpartition(".")[2] for row in rows for name in re.findall(r"`([\w.\[\]]+)`", row.split("|")[1])
    }
    kinds = set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))
    assert {path.rpartition(".")[2] for path in KEYS} - named - kinds == set()


def test_no_row_is_empty():
    rows = [line for line in PAGE.split("## Limits")[0].splitlines() if line.startswith("| `")]
    assert [row for row in rows if not row.rpartition(" | ")[2].strip(" |")] == []


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_of_the_table_is_one(limit):
    report = Report("alerts.yaml")
    node = parse(f"above: {limit}", report).values["above"]
    assert [tier.limit.text for tier in tiers(node, Severity.WARNING, report)] == [limit]


def test_the_example_is_the_file_that_comes_with_it():
    assert (ROOT / "alerts.yaml").read_text() in blocks(ROOT / "docs/reference/alerts-yaml.md", "yaml")
