"""The configurations of docs/examples pass `check`, and each does what its test file says."""

from pathlib import Path

import pytest

from monitor import config
from monitor.cli.testing.expecting import differences
from monitor.cli.testing.play import played
from monitor.cli.testing.reading import read_suite
from monitor.cli.testing.suite import Case

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
CONFIGURATIONS = sorted(p for p in FOLDER.glob("*.yaml") if not p.name.endswith(".test.yaml"))
SUITES = {path.stem: read_suite(str(path.with_suffix(".test.yaml"))) for path in CONFIGURATIONS}
CASES = [
    pytest.param(name, case, id=f"{name}: {case.name}") for name, s in SUITES.items() for case in s.cases
]


def test_there_are_a_start_up_a_company_and_a_bank() -> None:
    assert list(SUITES) == ["bank", "company", "startup"]


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_check_finds_nothing_wrong_and_nothing_unwise(path: Path) -> None:
    assert config.problems(path, environ={}) == []
    assert config.warnings(path, environ={}) == []


@pytest.mark.parametrize(("name", "case"), CASES)
def test_an_example_does_what_its_test_file_says(name: str, case: Case) -> None:
    story, start_ms = played(case, SUITES[name].config)
    assert differences(case, story, start_ms) == []


@pytest.mark.parametrize("name", SUITES)
def test_each_rule_is_seen_to_fire(name: str) -> None:
    """A rule of an example that no test expects is one that nobody has tried."""
    suite = SUITES[name]
    fired = {w.rule for case in suite.cases for e in case.expected for w in (e.firing or ()) if e.firing}
    told = {news.rule for case in suite.cases for e in case.expected for news in e.told or ()}
    assert {rule.name for rule in suite.config.rules} - fired - told == UNTRIED.get(name, set())


UNTRIED = {"bank": {"overconfident", "slo"}}
