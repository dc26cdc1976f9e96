"""The defaults that the schema tells are those that the loader takes."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from test_schema import SCHEMA, at, sections

from monitor import config
from monitor.config.model import Config
from monitor.notify.repeats import EVERY_MS

BARE: dict[str, Any] = {
    "name": "prod",
    "source": {
        "bootstrap_servers": "kafka:9092",
        "topic": "predictions",
        "schema_registry": {"url": "https://registry.example.com"},
    },
    "store": {"url": "postgresql://u@h/d"},
    "streams": {},
    "reference": {},
    "defaults": {},
    "feedback": {},
    "samples": {},
    "http": {},
    "labels": {"join": "2h"},
    "heartbeat": {"url": "https://hc-ping.com/x"},
    "signals": {"income": {"kind": "distribution", "field": "income"}},
    "rules": [
        {"name": "errors", "signal": "error", "above": "2x"},
        {"name": "fast", "signal": "latency_ms", "objective": "99% below 100ms"},
    ],
    "receivers": {"default": {"slack": {"url": "https://slack.example/x"}}},
    "kill_switches": {
        "chat": {"webhook": {"url": "https://h.example", "secret": "a" * 32}, "guard": {}},
        "probed": {
            "webhook": {"url": "https://i.example", "secret": "a" * 32},
            "release": "auto after 10m",
        },
    },
}
NO_EFFECT = re.compile(r"ssl_check_hostname$|rules\[0\]\.over$|switches\.chat\.probe$")
"""Refused where these do: without TLS, an objective, an automatic release."""
IN_USE = re.compile(r"^receivers|webhook\.allow_http$|security_protocol$")
"""What whoever uses the settings takes where they are left out."""


def told(value: Any) -> list[tuple[str, str, Any]]:
    """The path of a section in `value`, a key that it leaves out, and the default of that."""
    found = [
        (path, key, form["default"])
        for path, section in sections(SCHEMA, value)
        for key, form in section["properties"].items()
        if "default" in form and key not in (at(value, path) if path else value)
    ]
    return [
        (p, k, d) for p, k, d in found if not NO_EFFECT.search(f"{p}.{k}") and not IN_USE.search(f"{p}.{k}")
    ]


CASES = told(BARE)


def loaded(value: Any, folder: Path) -> Config:
    file = folder / "alerts.yaml"
    file.write_text(json.dumps(value))
    found = config.load(file, environ={}, need=config.CHECK)
    return replace(found, config_hash="", redacted="", rules=tuple(replace(r, line=0) for r in found.rules))


@pytest.mark.parametrize(("path", "key", "default"), CASES, ids=[f"{p}.{k}" for p, k, _ in CASES])
def test_a_key_that_is_left_out_is_as_its_default(path: str, key: str, default: Any, tmp_path: Path) -> None:
    given = json.loads(json.dumps(BARE))
    (at(given, path) if path else given)[key] = default
    assert loaded(given, tmp_path) == loaded(BARE, tmp_path)


def test_defaults_are_of_the_form_of_their_key() -> None:
    for _, section in sections(SCHEMA, BARE):
        for form in section["properties"].values():
            if "default" in form:
                jsonschema_rs.Draft202012Validator(dict(form)).validate(form["default"])


def test_defaults_were_found() -> None:
    assert len(CASES) > 35


def test_alertmanager_is_told_again_as_often_as_the_schema_says() -> None:
    kinds = SCHEMA["properties"]["receivers"]["additionalProperties"]["properties"]
    assert kinds["alertmanager"]["properties"]["resend"]["default"] == f"{EVERY_MS // 60_000}m"
