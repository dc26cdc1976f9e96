"""The registry of receivers: what docs say of it, what `check` warns of, where a topic's connection comes from."""

import re
from pathlib import Path

import pytest
from kafka import KafkaProducer

from monitor import config
from monitor.config.receiver_kinds import KINDS

DOCS = Path(__file__).parents[2] / "docs" / "receivers.md"
CONNECTION = {key for key in KafkaProducer.DEFAULT_CONFIG if key.startswith(("security_", "sasl_", "ssl_"))}
CONNECTION -= {"ssl_context", "sasl_oauth_token_provider"}
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HEAD = """\
name: prod
source: {bootstrap_servers: "k:9092", topic: t, security_protocol: SSL, ssl_check_hostname: false}
store: {url: "${DB}"}
rules: [{name: e, signal: error, above: 2x, notify: [used]}]
"""


def written(folder: Path, receivers: str) -> Path:
    path = folder / "alerts.yaml"
    path.write_text(HEAD + f"receivers: {receivers}\n")
    return path


def loaded(folder: Path, receiver: str) -> config.Config:
    return config.load(written(folder, f"{{used: {receiver}}}"), environ={"DB": "postgresql://u@h/d"})


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_setting_of_every_kind_is_documented(kind) -> None:  # type: ignore[no-untyped-def]
    section = DOCS.read_text().partition(f"\n## {kind.name}\n")[2].partition("\n## ")[0]
    keys = set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", section, re.M))))
    extra = CONNECTION if kind.name == "kafka" else set()
    assert keys == {setting.name for setting in kind.settings} | extra


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_example_in_the_docs_is_read(kind, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    section = DOCS.read_text().partition(f"\n## {kind.name}\n")[2].partition("\n## ")[0]
    examples = re.search(r"```yaml\n(.*?)```", section, re.S)
    assert examples
    lines = "\n".join(f"  {line}" for line in examples[1].splitlines())
    text = HEAD.replace("notify: [used]", f"notify: [{examples[1].partition(':')[0]}]")
    path = tmp_path / "alerts.yaml"
    path.write_text(f"{text}receivers:\n{lines}\n")
    assert config.problems(path, environ={}) == []


def test_secrets_may_be_a_list_or_have_one_before_them(tmp_path: Path) -> None:
    other = SIGNING[:-4] + "AAAA"
    several = loaded(tmp_path, f"{{webhook: {{url: 'https://s.example', secret: [{SIGNING}, {other}]}}}}")
    assert several.receivers["used"].settings["secret"] == f"{SIGNING} {other}"
    before = f"{{webhook: {{url: 'https://s.example', secret: {SIGNING}, secret_previous: {other}}}}}"
    assert loaded(tmp_path, before).receivers["used"].settings["secret_previous"] == other


@pytest.mark.parametrize(
    "address", ["http://localhost:9093", "http://127.0.0.1", "http://[::1]:1", "https://a.b"]
)
def test_http_reaches_this_machine_only(tmp_path: Path, address: str) -> None:
    assert loaded(tmp_path, f"{{alertmanager: {{url: '{address}'}}}}")


def test_http_to_elsewhere_has_to_be_allowed(tmp_path: Path) -> None:
    assert loaded(tmp_path, "{alertmanager: {url: 'http://am:9093', allow_http: true}}")


def test_a_topic_is_on_the_sources_kafka_unless_it_names_its_own(tmp_path: Path) -> None:
    of_source = {"bootstrap_servers": "k:9092", "security_protocol": "SSL", "ssl_check_hostname": False}
    assert loaded(tmp_path, "{kafka: {topic: out}}").receivers["used"].settings == of_source | {
        "topic": "out"
    }
    elsewhere = loaded(tmp_path, "{kafka: {topic: out, bootstrap_servers: 'other:9092'}}")
    assert elsewhere.receivers["used"].settings == {"bootstrap_servers": "other:9092", "topic": "out"}
    plain = loaded(tmp_path, "{kafka: {topic: out, security_protocol: PLAINTEXT}}")
    assert plain.receivers["used"].settings == {
        "bootstrap_servers": "k:9092",
        "topic": "out",
        "security_protocol": "PLAINTEXT",
    }


def warnings(path: Path) -> list[tuple[str, str]]:
    return [(w.path, w.sentence) for w in config.warnings(path, environ={})]


def test_check_warns_of_a_receiver_that_nobody_uses(tmp_path: Path) -> None:
    path = written(tmp_path, "{used: {log: {}}, idle: {log: {}}}")
    assert warnings(path) == [("receivers.idle", "nobody uses this receiver")]
    path.write_text(path.read_text() + "defaults: {notify: [idle]}\n")
    assert warnings(path) == []


def test_check_warns_of_secrets_in_plain_text_and_of_none_that_are_not(tmp_path: Path) -> None:
    text = (
        "{used: {slack: {url: 'https://hooks.slack.com/services/T0/B0/hunter2hunter2'}}, "
        "p: {pagerduty: {routing_key: 0123456789abcdef0123456789abcdef}}, "
        f"w: {{webhook: {{url: 'https://s.example/hook', secret: [{SIGNING}]}}}}, "
        "v: {webhook: {url: '${U}', secret: '${S}'}}, a: {alertmanager: {url: 'https://am.example'}}, "
        "f: {pagerduty: {routing_key_file: /run/secrets/key}}}"
    )
    path = written(tmp_path, text)
    path.write_text(path.read_text().replace("[used]", "[used, p, w, v, a, f]"))
    assert [where for where, _ in warnings(path)] == [
        "receivers.used.slack.url",
        "receivers.p.pagerduty.routing_key",
        "receivers.w.webhook.secret[0]",
    ]
    assert "hunter2" not in str(config.warnings(path, environ={}))
