"""`tocsin silence add|list|expire` on a real ledger, and the mistakes that one makes first."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text
from stored import Stored

from monitor import cli
from monitor.errors import UsageError
from monitor.judge.quiet import Quiet
from monitor.ledger import silences
from monitor.ledger.moments import millis

ALERTS = """
store: {url: "URL"}
streams: {labels: [{match: {model: "chat-*"}, set: {team: chat}}]}
rules: [{name: errors, signal: error, above: 2x}]
receivers: {default: {log: {}}}
"""
Silence = Callable[..., Result]


@pytest.fixture
def silence(ledger_url: str, tmp_path: Path) -> Silence:
    """The command with its arguments."""
    path = tmp_path / "alerts.yaml"
    path.write_text(ALERTS.replace("URL", ledger_url))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli.cli, ["silence", *arguments, "-c", str(path)])

    return run


ADD = ("add", "team=chat", "rule=err*", "--for", "2h", "--reason", "we deploy", "--by", "ann")


def test_a_silence_is_added_listed_and_expired(silence: Silence, engine: Engine) -> None:
    added = silence(*ADD)
    assert added.exit_code == 0
    made = added.output.partition(":")[0]
    [row] = silence("list").output.splitlines()[3:-1]
    assert re.findall(r"[^│\s][^│]*[^│\s]", row)[:2] == [made, "'rule=err*' team=chat"]
    assert "ann" in row
    assert "we deploy" in row
    assert silence("expire", made, "--by", "bob").output == f"{made} is over\n"
    assert silence("list").output == "no silence is in force\n"
    assert made in silence("list", "--all").output
    with engine.begin() as conn:
        said = conn.execute(text("SELECT author, reason, expired_by FROM tocsin.silences")).one()
    assert tuple(said) == ("ann", "we deploy", "bob")


def test_the_judge_hears_of_it_until_it_is_over(silence: Silence, engine: Engine) -> None:
    silence(*ADD)
    with engine.begin() as conn:
        now_ms = millis(conn.execute(text("SELECT clock_timestamp()")).scalar_one())
        [found] = silences.in_force(conn, now_ms)
        assert found.match.accepts({"team": "chat", "rule": "errors", "severity": "warning"})
        assert not found.match.accepts({"team": "search", "rule": "errors"})
        assert silences.in_force(conn, now_ms + 2 * 3_600_000 + 60_000) == ()


def test_it_says_how_many_incidents_that_fire_it_holds_for(silence: Silence, engine: Engine) -> None:
    stored = Stored(engine)
    stored.incident("i1", labels=json.dumps({"model": "chat-eu", "team": "chat"}))
    stored.incident("i2", labels=json.dumps({"model": "search"}), stream="search")
    stored.incident("i3", labels=json.dumps({"team": "chat"}), state="resolved", signal="timeout")
    assert silence(*ADD).output.splitlines()[1] == "it holds for 1 incident that fires now"
    none = silence("add", "model=vision", "--for", "1h", "--reason", "r")
    assert none.output.splitlines()[1] == "it holds for 0 incidents that fire now"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["chat-eu", "--for", "2h"],
            "chat-eu is no label with a value: write model=NAME, in quotes where it has spaces",
        ),
        (["modle=a", "--for", "2h"], "modle is not a label: did you mean model?"),
        (["model=a", "model=b", "--for", "2h"], "model is there twice: write model=a,b"),
        (["model=a,", "--for", "2h"], "model=a, has an empty value: remove the comma"),
        (["rule=eror", "--for", "2h"], "no rule is called eror: did you mean errors?"),
        (["severity=warn", "--for", "2h"], "no severity is called warn: did you mean warning?"),
        (["model=a", "--for", "2"], "--for 2 is not a duration: write 30m, 2h or 3d"),
        (["model=a", "--for", "90d"], "--for 90d is out of range: at most 30d, or a mute in alerts.yaml"),
    ],
)
def test_a_mistake_is_one_sentence_and_silences_nothing(
    silence: Silence, engine: Engine, arguments: list[str], sentence: str
) -> None:
    result = silence("add", *arguments)
    assert (type(result.exception), str(result.exception)) == (UsageError, sentence)
    with engine.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM tocsin.silences")).scalar() == 0


def test_a_value_with_spaces_is_one_argument_and_a_comma_in_brackets_a_part_of_it(
    silence: Silence, engine: Engine
) -> None:
    stored = Stored(engine)
    for number, stream in enumerate(("my model", "a,b", "a", "b")):
        stored.incident(f"i{number}", stream=stream, signal=f"s{number}")
    for value, holds in (("my model", 1), ("a[,]b", 1), ("a,b", 2), ("a[,]b,my model", 2)):
        said = silence("add", f"stream={value}", "--for", "1h", "--reason", "r").output.splitlines()
        assert f"'stream={value}'" in said[0] or value == "a,b"
        assert said[1].startswith(f"it holds for {holds} incident")
    assert "'stream=a[,]b,my model'" in silence("list").output


def test_tocsins_own_incidents_can_be_silenced(silence: Silence) -> None:
    assert silence("add", "rule=tocsin.late", "--for", "1h", "--reason", "r").exit_code == 0


def test_at_3_am_nobody_has_to_say_why(silence: Silence, engine: Engine) -> None:
    for arguments in (["model=chat-eu", "--for", "2h"], ["model=a", "--for", "2h", "--reason", " "]):
        assert silence("add", *arguments, "--by", "ann").exit_code == 0
    with engine.begin() as conn:
        now_ms = millis(conn.execute(text("SELECT clock_timestamp()")).scalar_one())
        found = silences.in_force(conn, now_ms)
    assert [each.reason for each in found] == ["", ""]
    said = Quiet((), found, now_ms).reason({"model": "chat-eu"})
    assert said == f"silence {found[0].silence_id} by ann"
    [row, _] = silence("list").output.splitlines()[3:-1]
    assert re.findall(r"[^│\s]+(?: [^│\s]+)*", row)[-2:] == ["ann", "-"]


def test_what_is_over_or_was_never_there_cannot_be_expired(silence: Silence) -> None:
    made = silence(*ADD).output.partition(":")[0]
    silence("expire", made)
    for gone in (made, "nope"):
        said = f"there is no silence {gone} in force: `tocsin silence list` has them"
        assert str(silence("expire", gone).exception) == said
