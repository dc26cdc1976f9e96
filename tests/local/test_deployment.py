"""Makefile, Dockerfile, docker-compose.yml and requirements agree with the program and with each other."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from monitor.config import load

ROOT = Path(__file__).parents[2]
COMPOSE = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES = COMPOSE["services"]
TOCSIN = [name for name, service in SERVICES.items() if service.get("image") == "tocsin"]


def dockerfile(instruction):
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(f"{instruction} ")]


def addresses(listeners):
    return dict(item.split("://") for item in listeners.split(","))


@pytest.mark.parametrize("name", TOCSIN)
def test_compose_gives_tocsin_every_variable_that_alerts_yaml_needs(name):
    text = re.sub(r"#.*", "", (ROOT / "alerts.yaml").read_text())
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= SERVICES[name]["environment"].keys()


def test_what_compose_mounts_from_here_is_there_and_cannot_be_changed():
    mounts = [m for service in SERVICES.values() for m in service.get("volumes", []) if m.startswith("./")]
    assert mounts
    for source, _, mode in (mount.split(":") for mount in mounts):
        assert (ROOT / source).exists()
        assert mode == "ro"


@pytest.mark.parametrize("name", TOCSIN)
def test_in_a_container_the_page_can_be_reached_with_the_token_that_prometheus_has(name):
    given = SERVICES[name]["environment"].items()
    environ = {variable: value for variable, value in given if variable.startswith("TOCSIN_")}
    http = load(ROOT / "alerts.yaml", environ=environ, need=frozenset({"http"}))
    assert (http.http_host, http.http_port) == ("0.0.0.0", 9844)
    assert http.http_token
    assert COMPOSE["secrets"]["tocsin_token"] == {"environment": "TOCSIN_TOKEN"}
    scraped = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    assert "credentials_file: /run/secrets/tocsin_token" in scraped
    assert "port: 9844" in scraped


@pytest.mark.parametrize("name", TOCSIN)
def test_compose_runs_commands_that_tocsin_has(name):
    from monitor.cli import cli

    outcome = CliRunner().invoke(cli, [*SERVICES[name]["command"], "--help"])
    assert outcome.exit_code == 0, outcome.output


def test_every_variable_that_compose_insists_on_is_in_the_example():
    needed = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    example = {line.split("=")[0] for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line}
    assert needed <= example
    assert needed


def test_the_daemon_starts_when_servers_are_healthy_and_topic_and_schema_are_made():
    waits = {name: rule["condition"] for name, rule in SERVICES["tocsin"]["depends_on"].items()}
    assert waits == {
        "kafka": "service_healthy",
        "postgres": "service_healthy",
        "topic": "service_completed_successfully",
        "schema": "service_completed_successfully",
    }
    assert all("healthcheck" in SERVICES[name] for name, how in waits.items() if how == "service_healthy")
    assert not any("restart" in SERVICES[name] for name in ("topic", "schema"))


def test_compose_makes_the_topic_that_alerts_yaml_reads():
    command = SERVICES["topic"]["command"]
    alerts = YAML(typ="safe").load(ROOT / "alerts.yaml")
    assert command[command.index("--topic") + 1] == alerts["source"]["topic"]


def test_inside_the_network_kafka_is_where_tocsin_and_the_topic_look_for_it():
    kafka = SERVICES["kafka"]["environment"]
    advertised = addresses(kafka["KAFKA_ADVERTISED_LISTENERS"])
    assert advertised[kafka["KAFKA_INTER_BROKER_LISTENER_NAME"]] == SERVICES["tocsin"]["environment"]["KAFKA"]
    assert SERVICES["tocsin"]["environment"]["KAFKA"] in SERVICES["topic"]["command"]
    named = set(addresses(kafka["KAFKA_LISTENERS"]))
    assert named == {
        entry.split(":")[0] for entry in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    }
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_no_port_is_open_to_other_machines():
    ports = [str(port) for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_is_kept_is_on_named_volumes():
    mounts = {mount for service in SERVICES.values() for mount in service.get("volumes", [])}
    assert {mount for mount in mounts if not mount.startswith("./")} == {
        "kafka:/var/lib/kafka/data",
        "postgres:/var/lib/postgresql",
        "prometheus:/prometheus",
        "grafana:/var/lib/grafana",
    }
    assert set(COMPOSE["volumes"]) == {"kafka", "postgres", "prometheus", "grafana"}
    assert SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"


def test_the_image_installs_by_hash_and_runs_as_nobody_special():
    installs = [part for line in dockerfile("RUN") for part in line.split("&&") if "pip install" in part]
    assert installs
    assert all("--require-hashes" in part or "--no-deps" in part for part in installs)
    assert dockerfile("USER") == ["10001"]


def test_what_the_image_copies_is_there_and_not_ignored():
    allowed = set((ROOT / ".dockerignore").read_text().replace("!", "").splitlines())
    copied = [line.split()[:-1] for line in dockerfile("COPY") if "--from" not in line]
    sources = {source.rstrip("/") for sources in copied for source in sources}
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert sources <= allowed


@pytest.mark.parametrize("name", ["dev", "run", "build"])
def test_every_requirement_is_pinned_with_hashes_and_no_index_is_named(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pins = re.split(r"\n(?=\S)", text.strip())
    assert all(re.match(r"[\w.-]+==\S+ ", pin) and "--hash=sha256:" in pin for pin in pins)
    assert "://" not in text


def test_make_alone_lists_every_command():
    lines = subprocess.run(["make", "-C", ROOT, "-s"], capture_output=True, text=True, check=True).stdout
    listed = set(re.findall(r"^make ([\w-]+)", lines, re.MULTILINE))
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed == set(" ".join(phony).split())
    assert listed >= {"setup", "test", "lint", "demo", "bench"}


def test_ci_runs_lint_and_test_with_a_browser_where_it_can():
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in script if line.startswith("make")][-2:] == ["make lint", "make test"]
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=False).returncode == 0


def test_an_old_python_is_refused_in_one_sentence(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.18 && exit 0\nexit 1\n')
    old.chmod(0o755)
    shell = shutil.which("sh")
    outcome = subprocess.run(
        [shell, ROOT / "requirements" / "find-python"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr == (
        "Tocsin needs Python 3.11, 3.12 or 3.13 (found: Python 3.9.18): install one, "
        "or name it with make PYTHON=/path/to/python\n"
    )
