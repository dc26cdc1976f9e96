"""Secrets and variables: read where a command needs them, shown nowhere."""

from pathlib import Path

import pytest

from monitor import config
from monitor.errors import ConfigError, UsageError

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ROUTING = "0123456789abcdef0123456789abcdef"
SECRETS = {
    "sasl_plain_password": "kafka-hunter2",
    "ssl_password": "key-hunter2",
    "database": "postgresql://tocsin:db-hunter2@db.example/tocsin",
    "slack": "https://hooks.slack.com/services/T0/B0/slackhunter2",
    "routing": ROUTING,
    "hook": "https://mail.example/hook?key=hook-hunter2",
    "signing": SIGNING,
    "kill": "https://gateway.example/kill?key=kill-hunter2",
    "token": "token-hunter2",
}
FULL = """\
name: prod
source:
  bootstrap_servers: "k:9092"
  topic: predictions
  security_protocol: SASL_SSL
  sasl_mechanism: SCRAM-SHA-512
  sasl_plain_username: tocsin
  sasl_plain_password{file}: {sasl_plain_password}   # was sasl_plain_password: {sasl_plain_password}
  ssl_password{file}: {ssl_password}
store: {{url{file}: "{database}"}}
rules:
  - {{name: errors, signal: error, above: 2x}}
receivers:
  default: {{slack: {{url{file}: "{slack}"}}}}
  oncall: {{pagerduty: {{routing_key{file}: "{routing}"}}}}
  mail: {{webhook: {{url{file}: "{hook}", secret{file}: "{signing}"}}}}
kill_switches:
  chat: {{webhook: {{url{file}: "{kill}", secret{file}: '{signing}'}}}}
http: {{host: 0.0.0.0, token{file}: "{token}"}}
# old: {slack}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "alerts.yaml"
    file.write_text(text)
    return file


def check_all_secrets(loaded: config.Config) -> None:
    client = loaded.source.client
    assert client["sasl_plain_password"] == SECRETS["sasl_plain_password"]
    assert client["ssl_password"] == SECRETS["ssl_password"]
    assert loaded.store_url == SECRETS["database"]
    assert loaded.receivers["default"].settings == {"url": SECRETS["slack"]}
    assert loaded.receivers["oncall"].settings == {"routing_key": ROUTING}
    assert loaded.receivers["mail"].settings == {"url": SECRETS["hook"], "secret": SIGNING}
    assert (loaded.kill_switches["chat"].url, loaded.kill_switches["chat"].secret) == (
        SECRETS["kill"],
        SIGNING,
    )
    assert loaded.http_token == SECRETS["token"]


def test_secrets_may_stand_in_the_file(tmp_path: Path) -> None:
    check_all_secrets(config.load(written(tmp_path, FULL.format(file="", **SECRETS)), environ={}))


def test_every_secret_may_be_a_variable(tmp_path: Path) -> None:
    references = {name: "${" + name.upper() + "}" for name in SECRETS}
    environ = {name.upper(): value for name, value in SECRETS.items()}
    check_all_secrets(config.load(written(tmp_path, FULL.format(file="", **references)), environ=environ))


def test_every_secret_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    for name, value in SECRETS.items():
        (tmp_path / name).write_text(value + "\n")
    paths = {name: str(tmp_path / name) for name in SECRETS}
    check_all_secrets(config.load(written(tmp_path, FULL.format(file="_file", **paths)), environ={}))


def test_secret_files_are_read_only_by_a_command_that_needs_them(tmp_path: Path) -> None:
    file = written(tmp_path, FULL.format(file="_file", **{name: f"/nowhere/{name}" for name in SECRETS}))
    loaded = config.load(file, environ={}, need=config.REPLAY)
    assert (loaded.store_url, dict(loaded.receivers["default"].settings)) == ("", {})
    found = config.problems(file, environ={}, need=config.LEDGER)
    assert [(p.path, p.sentence) for p in found] == [
        ("store.url_file", "the file `/nowhere/database` cannot be read: no such file or directory")
    ]


def test_an_empty_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    text = f"rules: [{{name: e, signal: error, absent: 2m}}]\nstore: {{url_file: '{tmp_path / 'empty'}'}}\n"
    found = config.problems(written(tmp_path, text), environ={}, need=config.LEDGER)
    [problem] = [p for p in found if p.path == "store.url_file"]
    assert problem.sentence.startswith("the file `")
    assert problem.sentence.endswith("is empty")


def test_no_secret_is_left_in_the_redacted_text(tmp_path: Path) -> None:
    loaded = config.load(written(tmp_path, FULL.format(file="", **SECRETS)), environ={})
    assert [name for name, value in SECRETS.items() if value in loaded.redacted] == []
    assert "hunter2" not in loaded.redacted
    assert 'slack: {url: "***"}' in loaded.redacted
    assert "sasl_plain_username: tocsin" in loaded.redacted
    assert "{name: errors, signal: error, above: 2x}" in loaded.redacted


def test_the_redacted_text_is_the_same_configuration(tmp_path: Path) -> None:
    loaded = config.load(written(tmp_path, FULL.format(file="", **SECRETS)), environ={})
    other = written(tmp_path, loaded.redacted)
    found = config.problems(other, environ={})
    assert {p.path.rpartition(".")[2] for p in found} <= {"url", "secret", "routing_key"}


def test_references_to_variables_are_kept_but_not_their_defaults(tmp_path: Path) -> None:
    text = 'store: {url: "${DB}"}\nhttp: {token: "${T:-hunter2}"}\n'
    text += "rules: [{name: e, signal: error, above: 2x}]\n"
    file = written(tmp_path, text + "receivers: {default: {slack: {url: '${S}'}}}\n")
    redacted = config.load(file, environ={}, need=config.CHECK).redacted
    assert 'url: "${DB}"' in redacted
    assert "url: '${S}'" in redacted
    assert "hunter2" not in redacted


def test_the_hash_is_of_the_file_not_of_what_its_variables_hold(tmp_path: Path) -> None:
    file = written(tmp_path, FULL.format(file="", **SECRETS).replace("name: prod", "name: ${N}"))
    one, two = (config.load(file, environ={"N": name}) for name in ("a", "b"))
    assert (one.name, two.name) == ("a", "b")
    assert one.config_hash == two.config_hash
    file.write_text(file.read_text() + "\n# changed\n")
    assert config.load(file, environ={"N": "a"}).config_hash != one.config_hash


@pytest.mark.parametrize(
    ("text", "environ", "value"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("a-${A}-${B}", {"A": "x", "B": "y"}, "a-x-y"),
        ("${A:-z}", {}, "z"),
        ("${A:-z}", {"A": ""}, "z"),
        ("${A:-z}", {"A": "x"}, "x"),
        ("$A and $5", {"A": "x"}, "$A and $5"),
        ("${A}", {"A": "${B}", "B": "deep"}, "${B}"),
    ],
)
def test_a_variable_expands_once(tmp_path: Path, text: str, environ: dict[str, str], value: str) -> None:
    file = written(tmp_path, FULL.format(file="", **SECRETS).replace("name: prod", f"name: {text!r}"))
    assert config.load(file, environ=environ).name == value


def test_a_variable_cannot_bring_yaml_with_it(tmp_path: Path) -> None:
    file = written(tmp_path, FULL.format(file="", **SECRETS).replace("name: prod", "name: ${N}"))
    assert config.load(file, environ={"N": "a, b: {c: d}"}).name == "a, b: {c: d}"


def test_a_number_may_be_a_variable_and_its_content_is_not_told(tmp_path: Path) -> None:
    text = FULL.format(file="", **SECRETS) + "reference: {learn: '${N}'}\n"
    assert config.load(written(tmp_path, text), environ={"N": "500"}).learning.learn == 500
    [problem] = config.problems(written(tmp_path, text), environ={"N": "hunter2"})
    assert problem.sentence == "`${N}` is not a whole number"


def test_an_unset_variable_matters_only_to_the_command_that_needs_its_section(tmp_path: Path) -> None:
    file = written(tmp_path, FULL.format(file="", **SECRETS | {"database": "${DB}", "slack": "${SLACK}"}))
    assert config.problems(file, environ={}, need=config.CHECK) == []
    assert config.problems(file, environ={}, need=config.REPLAY) == []
    assert [p.path for p in config.problems(file, environ={}, need=config.LEDGER)] == ["store.url"]
    assert [p.path for p in config.problems(file, environ={}, need=config.RUN)] == [
        "store.url",
        "receivers.default.slack.url",
    ]


def test_check_accepts_a_rule_that_rests_on_an_unset_variable_and_replay_asks_for_it(tmp_path: Path) -> None:
    text = FULL.format(file="", **SECRETS).replace("above: 2x", "above: '${LIMIT}', window: 5s")
    file = written(tmp_path, text)
    assert config.problems(file, environ={}) == []
    with pytest.raises(ConfigError, match="the variable LIMIT is not set"):
        config.load(file, environ={}, need=config.REPLAY)
    [loaded] = config.load(file, environ={"LIMIT": "50%"}, need=config.REPLAY).rules
    assert loaded.bounds[0].tiers[0][1].value == pytest.approx(0.5)


def test_run_needs_name_source_and_store(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "rules: [{name: e, signal: error, above: 2x}]\nreceivers: {default: {slack: {url: 'https://s.example'}}}\n",
    )
    assert config.problems(file, environ={}) == []
    sentences = [p.sentence for p in config.problems(file, environ={}, need=config.RUN)]
    assert sentences == ["`name` is missing", "`source` is missing", "`store` is missing"]


def test_a_named_file_is_found_before_the_variable_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("named.yaml", "variable.yaml", "alerts.yaml"):
        (tmp_path / name).touch()
    environ = {"TOCSIN_CONFIG": "variable.yaml"}
    assert config.find("named.yaml", environ) == "named.yaml"
    assert config.find(None, environ) == "variable.yaml"
    assert config.find(None, {}) == "alerts.yaml"


@pytest.mark.parametrize(
    ("path", "environ", "sentence"),
    [
        ("x.yaml", {}, "there is no file x.yaml: give another one with -c"),
        (None, {"TOCSIN_CONFIG": "y.yaml"}, "TOCSIN_CONFIG names y.yaml, but there is no such file"),
        (None, {}, "there is no alerts.yaml here: name one with -c FILE, or set TOCSIN_CONFIG"),
    ],
)
def test_a_missing_file_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None, environ: dict[str, str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        config.find(path, environ)
    assert str(caught.value) == sentence


def test_a_page_that_others_can_reach_needs_more_than_an_empty_token(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(
        'http: {host: "${HOST:-127.0.0.1}", token: "${TOKEN:-}"}\n'
        "rules: [{name: e, signal: error, above: 2x}]\n"
        'receivers: {default: {slack: {url: "${SLACK_URL}"}}}\n'
    )
    http = frozenset({"http"})
    assert config.load(file, environ={}, need=http).http_token is None
    assert config.load(file, environ={"HOST": "0.0.0.0", "TOKEN": "x"}, need=http).http_token == "x"
    with pytest.raises(ConfigError, match="others can reach this host, so it needs a token"):
        config.load(file, environ={"HOST": "0.0.0.0"}, need=http)


def test_a_password_with_an_at_is_refused_before_a_part_of_it_is_shown_as_a_host(tmp_path: Path) -> None:
    url = "postgresql://tocsin:se@cret@db/tocsin"
    file = written(tmp_path, FULL.format(file="", **SECRETS | {"database": url}))
    [problem] = config.problems(file, environ={}, need=config.LEDGER)
    assert problem.path == "store.url"
    assert "write one in the password as %40" in str(problem)
    assert "cret" not in str(problem)
