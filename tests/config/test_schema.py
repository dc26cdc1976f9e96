"""`check --schema` and the loader: what the loader takes is valid, and each key that it reads is in the schema."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner
from plain_yaml import as_json

from monitor import cli, config
from monitor.config.schema import TITLES, schema
from monitor.config.section import Section

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EVERY = HERE / "every_key"
GOOD = [
    *(EVERY / name for name in ("alerts.yaml", "files.yaml")),
    HERE / "contract.yaml",
    ROOT / "alerts.yaml",
    *(p for p in sorted((ROOT / "docs" / "examples").glob("*.yaml")) if ".test." not in p.name),
]
FAILURES = sorted((HERE / "failures").glob("*.yaml"))
SCHEMA = schema()
VALIDATOR = jsonschema_rs.Draft202012Validator(dict(SCHEMA))

FORM = re.compile(
    r"is not a key here|is missing$|this must be|there is no(thing to match| value)|is not supported yet"
    r"|is neither true nor false|is not a (duration|limit|whole number|number|percentile)"
)
"""Sentences about the form of one key or value, whatever else the file says."""

ONLY_TOGETHER = {
    "receiver-token-without-channel",
    "switch-degrade",
    "webhook-secrets-too-many",
}
"""Mistakes of form that depend on another value, or on how many there are."""

REFUSED = {"ssl_context", "sasl_oauth_token_provider"}
"""Keys that the loader reads only to say that no file can give them."""


@pytest.mark.parametrize("of", TITLES)
def test_check_prints_a_schema_of_the_draft_it_names(of: str) -> None:
    result = CliRunner().invoke(cli.cli, ["check", "--schema", of], env={})
    assert (result.exit_code, json.loads(result.stdout)) == (0, schema(of))
    jsonschema_rs.meta.validate(json.loads(result.stdout))


def test_the_schema_of_alerts_yaml_is_what_is_asked_for_without_a_word() -> None:
    assert json.loads(CliRunner().invoke(cli.cli, ["check", "--schema"], env={}).stdout) == SCHEMA


@pytest.mark.parametrize("file", GOOD, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_what_the_loader_takes_is_valid(file: Path) -> None:
    assert config.problems(file, environ={}) == []
    assert [(e.instance_path, e.message) for e in VALIDATOR.iter_errors(as_json(file))] == []


def test_an_included_file_has_a_schema_of_its_own() -> None:
    included = jsonschema_rs.Draft202012Validator(dict(schema("included")))
    team = as_json(EVERY / "teams" / "search.yaml")
    assert team is not None
    assert included.is_valid(team)
    assert not included.is_valid(team | {"name": "prod"})
    assert not included.is_valid({"streams": {"by": ["model"]}})


@pytest.mark.parametrize("file", FAILURES, ids=lambda file: file.stem)
def test_a_file_that_is_wrong_in_form_is_refused_by_both(file: Path) -> None:
    content = as_json(file)
    told = [p.sentence for p in config.problems(file, environ={}) if FORM.search(p.sentence)]
    if content is not None and told and file.stem not in ONLY_TOGETHER:
        assert not VALIDATOR.is_valid(content), told


SEVERITIES = re.compile(r"(above|below|tolerance|notify)$")


def test_every_key_that_the_loader_reads_is_in_the_schema_and_the_reverse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: dict[str, set[str]] = {}
    close = Section.close

    def recorded(section: Section, planned: frozenset[str] = frozenset()) -> None:
        read.setdefault(section.node.path, set()).update(section.asked - planned - REFUSED)
        close(section, planned)

    monkeypatch.setattr(Section, "close", recorded)
    met = []
    for file in GOOD[:2]:
        read.clear()
        assert config.problems(file, environ={}) == []
        known = {path: form["properties"].keys() for path, form in sections(SCHEMA, as_json(file))}
        met += [form for _, form in sections(SCHEMA, as_json(file))]
        elsewhere = {path for path in known if "overrides" in path or SEVERITIES.search(path)}
        assert known.keys() - read.keys() == elsewhere - read.keys()
        assert {path for path, keys in read.items() if keys} - known.keys() <= {"receivers.search"}
        for path in read.keys() & known.keys():
            assert (path, read[path]) == (path, known[path] - {"overrides"})
    assert [form for form in all_sections(SCHEMA) if form not in met] == []


Found = tuple[str, Mapping[str, Any]]


def sections(form: Mapping[str, Any], value: Any, path: str = "") -> Iterator[Found]:
    """Each mapping of known keys in `value`, as its path and what the schema says of it."""
    for branch in (form, *form.get("anyOf", ())):
        properties, others = branch.get("properties", {}), branch.get("additionalProperties")
        if isinstance(value, dict) and (properties or others):
            if properties:
                yield path, branch
            for key, inner in value.items():
                yield from sections(properties.get(key) or others, inner, f"{path}.{key}" if path else key)
        if isinstance(value, list) and "items" in branch:
            for i, item in enumerate(value):
                yield from sections(branch["items"], item, f"{path}[{i}]")


def all_sections(form: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if form.get("properties"):
        yield form
    others = form.get("additionalProperties")
    inner = (*form.get("properties", {}).values(), *form.get("anyOf", ()), form.get("items"), others)
    for part in inner:
        if part:
            yield from all_sections(part)


def test_an_unknown_key_is_refused_by_both_wherever_it_stands(tmp_path: Path) -> None:
    """Both say so of the very same places: JSON is YAML, so one file serves for both."""
    for file in (EVERY / "alerts.yaml", EVERY / "files.yaml"):
        content = as_json(file)
        assert content is not None
        content.pop("include", None)
        places = {path for path, _ in sections(SCHEMA, content) if not SEVERITIES.search(path)}
        for path in places:
            at(content, path)["nonsense"] = "x"
        wrong = tmp_path / "alerts.yaml"
        wrong.write_text(json.dumps(content))
        told = [p.path for p in config.problems(wrong, environ={}) if "`nonsense` is not a" in p.sentence]
        assert {re.sub(r"\.?nonsense$", "", path) for path in told} == places
        refused = {pointer(e.instance_path) for e in VALIDATOR.iter_errors(content)}
        assert places - refused == set()


def test_a_value_of_another_form_is_refused_by_both_wherever_it_stands(tmp_path: Path) -> None:
    for file in (EVERY / "alerts.yaml", EVERY / "files.yaml"):
        content = as_json(file)
        assert content is not None
        content.pop("include", None)
        found = [(path, form, at(content, path)) for path, form in sections(SCHEMA, content)]
        leaves = {
            f"{path}.{key}".removeprefix("."): (here, key)
            for path, form, here in found
            for key in here.keys() & form["properties"].keys()
            if not list(sections(form["properties"][key], here[key])) and not isinstance(here[key], dict)
        }
        for here, key in leaves.values():
            here[key] = {"nonsense": [["x"]]}
        wrong = tmp_path / "alerts.yaml"
        wrong.write_text(json.dumps(content))
        told = [p.path for p in config.problems(wrong, environ={})]
        refused = [pointer(e.instance_path) for e in VALIDATOR.iter_errors(content)]
        assert {p for p in leaves if not any(path.startswith(p) for path in told)} == set()
        either = {pointer(e.instance_path) for e in VALIDATOR.iter_errors(content) if e.kind.name == "anyOf"}
        spared = {p for p in leaves if not any(path.startswith(p) for path in refused)}
        assert {p for p in spared if p.rpartition(".")[0] not in either} == set()


def at(content: Any, path: str) -> Any:
    for key in re.findall(r"[^.\[\]]+", path):
        content = content[int(key) if isinstance(content, list) else key]
    return content


def pointer(path: list[str | int]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")
