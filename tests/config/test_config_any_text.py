"""Any text gives a configuration, or problems with their lines: never anything else, and never a secret."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from monitor import config

SEEDS = [
    *sorted((Path(__file__).parent / "failures").glob("*.yaml")),
    Path(__file__).parent / "contract.yaml",
    Path(__file__).parents[2] / "alerts.yaml",
]
SECRET = "hunter2hunter2hunter2hunter2"
WORDS = Path(__file__).with_name("words.txt").read_text().split("\n\n")
KEYS, VALUES = (part.split() for part in WORDS)
LEAVES = (
    st.sampled_from(VALUES) | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
)
PIECES = [*VALUES, "\n", "  ", ": ", "- ", "{", "]", "\t", "#", "'", '"']
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SEEDS)).read_text()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[end:]
    return text


@st.composite
def edited(draw: st.DrawFn) -> str:
    tree = YAML(typ="safe", pure=True).load(draw(st.sampled_from(SEEDS[-2:])).read_text())
    for _ in range(draw(st.integers(1, 3))):
        node, at = draw(st.sampled_from(list(places(tree))))
        if isinstance(node, dict) and draw(st.booleans()):
            node[draw(st.sampled_from(KEYS))] = draw(st.sampled_from([node[at], *VALUES]))
        else:
            node[at] = draw(TREES)
    return json.dumps(tree)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    for at in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, at
        if isinstance(node[at], dict | list):
            yield from places(node[at])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "alerts.yaml"


def config_or_problems(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    environ = {"SET": SECRET}
    lines = text.count("\n") + text.count("\r") + 2
    for need in (config.CHECK, config.RUN):
        found = config.problems(file, environ=environ, need=need)
        for problem in found:
            assert 1 <= problem.line <= lines
            assert problem.column >= 1
            assert problem.sentence
            assert "\n" not in str(problem)
            assert SECRET not in str(problem)
        if not found:
            assert config.load(file, environ=environ, need=need).rules or need is config.CHECK


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.text(max_size=200)
    | st.text(st.sampled_from(list("ab:-?{}[],&*!|>'\"%@` \n\t#\r~<.")), max_size=60)
)
def test_any_text(file: Path, text: str) -> None:
    config_or_problems(file, text)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=damaged())
def test_a_damaged_file(file: Path, text: str) -> None:
    config_or_problems(file, text)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=edited())
def test_a_sound_file_with_other_keys_and_values(file: Path, text: str) -> None:
    config_or_problems(file, text)


SECRET_PLACES = [
    "store: {{url: {0}}}",
    "store: {{url: {0}, uri: x}}",
    "store: {0}",
    "source: {{bootstrap_servers: 'k:9092', topic: t, sasl_plain_password: {0}}}",
    "source: {{bootstrap_servers: 'k:9092', topic: t, ssl_password: {0}, ssl_pasword: {0}}}",
    "source: [{{bootstrap_servers: k, topic: t, schema_registry: {{url: 'https://r', username: u, password: {0}}}}}]",
    "receivers: {{default: {{slack: {{url: {0}}}}}}}",
    "receivers: {{default: {{slack: {0}}}}}",
    "receivers: {{default: {{slack: {{{0}}}}}}}",
    "receivers: {{default: {0}}}",
    "receivers: {{default: {{pagerduty: {{routing_key: {0}}}}}}}",
    "receivers: {{default: {{pagerduty: {{routing_key: [{0}]}}}}}}",
    "receivers: {{default: {{webhook: {{url: 'https://a.example', secret: {0}}}}}}}",
    "kill_switches: {{chat: {{webhook: {{url: {0}, secret: {0}}}}}}}",
    "kill_switches: {{chat: {{webhook: {{url: 'https://a.example', secrt: {0}}}}}}}",
    "http: {{token: {0}}}",
    "http: {{token: *{0}}}",
    "http: {{token: !{0} x}}",
    "http: {{token: &{0}}}",
    "http:\n  token: '{0}\n",
    "http:\n  token: {0}: x\n",
]


@pytest.mark.parametrize("place", SECRET_PLACES)
def test_no_problem_quotes_a_secret(file: Path, place: str) -> None:
    for secret in (SECRET, f"https://user:{SECRET}@host/x", f"'{SECRET}\\x'", f'"postgresql://{SECRET}@h/d"'):
        file.write_text(place.format(secret) + "\nrules: [{name: e, signal: eror, above: 2x}]\n")
        found = config.problems(file, environ={}, need=config.RUN)
        assert found
        assert [str(p) for p in found if "hunter2" in str(p)] == []
